// To be preloaded: writes at most half of what is asked for, as a system may.
#include <sys/syscall.h>
#include <unistd.h>

extern "C" ssize_t write(int file, const void* bytes, size_t count) {
  return static_cast<ssize_t>(::syscall(SYS_write, file, bytes, (count + 1) / 2));
}
