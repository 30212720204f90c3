#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <unroll/core/error.h>
#include <unroll/io/atomic_file.h>

namespace unroll {
namespace {

std::string reason() { return std::generic_category().message(errno); }

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int operator*() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_;
};

/// A new file beside `target` that is removed again unless it was renamed.
struct TemporaryFile {
  std::string path;
  Descriptor file;
  bool renamed = false;

  explicit TemporaryFile(const std::string& target) : file(create(target, path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (file.open() && !renamed) ::unlink(path.c_str());
  }

 private:
  static Descriptor create(const std::string& target, std::string& path) {
    for (int number = 0;; ++number) {
      path = fmt::format("{}.tmp{}", target, number);
      Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (file.open() || errno != EEXIST) return file;
    }
  }
};

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (written == 0) {  // no system says why; without an end it would be asked again for ever
      errno = EIO;
      return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

void write_atomically(const std::filesystem::path& path, const std::vector<std::string_view>& pieces) {
  const std::string name = path.string();
  // What is there decides what is written and with which permissions: an error of the look is no answer.
  std::error_code error;
  const auto check_look = [&](bool ok) { require<FileError>(ok, "{}: cannot be written: {}", name, error.message()); };
  const auto link = std::filesystem::symlink_status(path, error);
  check_look(link.type() != std::filesystem::file_type::none);
  std::filesystem::path target = path;
  constexpr int most_links = 40;  // as Linux has it
  for (int links = 0; links < most_links && std::filesystem::is_symlink(target, error); ++links) {
    const auto next = std::filesystem::read_symlink(target, error);
    check_look(!error);
    target = target.parent_path() / next;
  }
  struct stat old {};
  const bool replaces = ::stat(target.c_str(), &old) == 0;
  error = {errno, std::generic_category()};
  check_look(replaces || errno == ENOENT);
  require<FileError>(!replaces || S_ISREG(old.st_mode), "{}: cannot be written: not a regular file", name);

  const std::string folder = target.has_parent_path() ? target.parent_path().string() : ".";
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  require<FileError>(directory.open(), "{}: cannot be written: directory {}: {}", name, folder, reason());

  TemporaryFile temporary(target.string());
  require<FileError>(temporary.file.open(), "{}: cannot be written: {}: {}", name, temporary.path, reason());
  const int file = *temporary.file;
  // The reason is asked for in need only: that takes memory, and after the rename nothing may fail for lack of it.
  const auto check = [&](bool ok) {
    if (!ok)
      throw FileError(fmt::format("{}: cannot be written: {}; what was there before is unchanged", name, reason()));
  };
  if (replaces) check(::fchmod(file, old.st_mode & 07777) == 0);
  for (const std::string_view piece : pieces) check(write_all(file, piece));
  check(::fsync(file) == 0);
  check(::rename(temporary.path.c_str(), target.c_str()) == 0);
  temporary.renamed = true;
  const bool synced = ::fsync(*directory) == 0 || errno == EINVAL;  // some file systems sync no directories
  if (!synced) throw FileError(fmt::format("{}: written, but its directory cannot be synced: {}", name, reason()));
}

}  // namespace unroll
