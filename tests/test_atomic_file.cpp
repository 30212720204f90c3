#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include <unroll/core/error.h>
#include <unroll/io/atomic_file.h>

#include <unroll/tests/temporary_folder.h>

using namespace unroll;
namespace fs = std::filesystem;

namespace {

using Names = std::set<std::string>;

/// No file may grow beyond `bytes`: writing stops in the middle, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("write_atomically: new and replaced files") {
  const TemporaryFolder folder;
  const fs::path path = folder / "a";
  write_atomically(path, {"one", "", " and two"});
  CHECK(bytes_in(path) == "one and two");
  write_atomically(path, {"short"});
  CHECK(bytes_in(path) == "short");
  write_atomically(path, {});
  CHECK(bytes_in(path).empty());
  const std::string large(std::size_t{5} << 20, 'x');
  write_atomically(path, {large, "y"});
  CHECK(bytes_in(path) == large + "y");
  CHECK(folder.names() == Names{"a"});
}

TEST_CASE("write_atomically: a path without a directory is in the current one") {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  write_atomically("plain", {"here"});
  fs::current_path(before);
  CHECK(bytes_in(folder / "plain") == "here");
}

TEST_CASE("write_atomically: permissions are kept, links are followed") {
  const TemporaryFolder folder;
  write_bytes(folder / "private", "old");
  fs::permissions(folder / "private", fs::perms(0600));
  fs::create_symlink("private", folder / "link");
  write_atomically(folder / "link", {"new"});
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(bytes_in(folder / "private") == "new");
  CHECK(fs::status(folder / "private").permissions() == fs::perms(0600));

  fs::create_directory(folder / "runs");
  fs::create_symlink("runs/first", folder / "latest");  // which does not exist yet
  fs::create_symlink("latest", folder / "link to it");
  write_atomically(folder / "link to it", {"new"});
  CHECK(fs::is_symlink(folder / "link to it"));
  CHECK(fs::is_symlink(folder / "latest"));
  CHECK(bytes_in(folder / "runs" / "first") == "new");
  fs::create_symlink("round", folder / "round");
  CHECK_THROWS_AS(write_atomically(folder / "round", {"new"}), FileError);
  CHECK(fs::is_symlink(folder / "round"));

  const mode_t mask = ::umask(0027);
  write_atomically(folder / "fresh", {"new"});
  ::umask(mask);
  CHECK(fs::status(folder / "fresh").permissions() == fs::perms(0640));
}

TEST_CASE("write_atomically: temporary files that killed processes left are left alone") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  write_bytes(folder / "a.tmp0", "half a fi");
  write_bytes(folder / "a.tmp1", "");
  write_atomically(folder / "a", {"new"});
  CHECK(bytes_in(folder / "a") == "new");
  CHECK(bytes_in(folder / "a.tmp0") == "half a fi");
  CHECK(folder.names() == Names{"a", "a.tmp0", "a.tmp1"});
}

TEST_CASE("write_atomically: no room") {
  const TemporaryFolder folder;
  const fs::path path = folder / "a";
  write_bytes(path, "old");
  const std::string large(100'000, 'x');
  std::string message;
  {
    const FileSizeLimit limit(65'536);
    message = message_of<FileError>([&] { write_atomically(path, {"begin", large}); }, path);
  }
  CHECK(message == "FILE: cannot be written: File too large; what was there before is unchanged");
  CHECK(bytes_in(path) == "old");
  CHECK(folder.names() == Names{"a"});
}

// The child writes more than it may and is killed by SIGXFSZ while it does.
TEST_CASE("write_atomically: killed in the middle") {
  const TemporaryFolder folder;
  const fs::path path = folder / "a";
  write_bytes(path, "old");
  const std::string large(100'000, 'x');
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit limit{65'536, 65'536}, no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::signal(SIGXFSZ, SIG_DFL);
    write_atomically(path, {large});
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGXFSZ);
  CHECK(bytes_in(path) == "old");
  CHECK(fs::file_size(folder / "a.tmp0") == 65'536);
  write_atomically(path, {"new"});
  CHECK(bytes_in(path) == "new");
}

TEST_CASE("write_atomically: places that cannot be written to") {
  const TemporaryFolder folder;
  const fs::path locked = folder / "locked";
  fs::create_directory(locked);
  write_bytes(locked / "a", "old");
  fs::permissions(locked, fs::perms(0555));
  {
    const Unprivileged somebody;
    CHECK(message_of<FileError>([&] { write_atomically(locked / "a", {"new"}); }, locked / "a") ==
          "FILE: cannot be written: " + (locked / "a.tmp0").string() + ": Permission denied");
  }
  CHECK(bytes_in(locked / "a") == "old");
  CHECK(message_of<FileError>([&] { write_atomically(folder / "no/a", {"new"}); }, folder / "no/a") ==
        "FILE: cannot be written: directory " + (folder / "no").string() + ": No such file or directory");
  CHECK(message_of<FileError>([&] { write_atomically(locked, {"new"}); }, locked) ==
        "FILE: cannot be written: not a regular file");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(message_of<FileError>([&] { write_atomically(folder / "pipe", {"new"}); }, folder / "pipe") ==
        "FILE: cannot be written: not a regular file");
  CHECK(fs::is_fifo(folder / "pipe"));
  const fs::path endless = folder / std::string(300, 'n');
  CHECK(message_of<FileError>([&] { write_atomically(endless, {"new"}); }, endless) ==
        "FILE: cannot be written: File name too long");
  CHECK(folder.names() == Names{"locked", "pipe"});
}
