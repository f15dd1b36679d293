#pragma once

#include <sys/types.h>

#include <chrono>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::cli {

/// A program that works for a command: it gets an environment of its own, its
/// output comes as lines, and it does not outlive the command.
class child_program {
public:
  using variables = std::vector<std::pair<std::string, std::string>>;

  /// The command's first word is a path. Of our environment all is passed on
  /// but libpq's variables (PG…); `added` come in their place. It speaks
  /// English. The thread that starts it has to live as long as it does.
  static std::expected<child_program, std::string>
  start(const std::vector<std::string>& command, const variables& added);

  child_program(child_program&& other) noexcept;
  child_program& operator=(child_program&&) = delete;

  /// Kills it if it still runs.
  ~child_program();

  /// Waits for at most `budget` and hands over the lines that came, of standard
  /// output and error alike. The exit code once it has ended, 128 and the
  /// signal's number where one ended it.
  std::optional<int>
  advance(std::chrono::milliseconds budget,
          const std::function<void(std::string_view)>& on_line);

  /// Asks it to end.
  void stop() const noexcept;

private:
  child_program(pid_t pid, int out) : pid_{pid}, out_{out} {
  }

  /// Whether there may be more.
  bool read_some(const std::function<void(std::string_view)>& on_line);

  pid_t pid_ = -1;
  int out_ = -1;
  std::string line_;
};

/// A program of PostgreSQL and its release.
struct server_program {
  std::string path;
  int32_t major = 0;

  /// For example `17.5`.
  std::string version;
};

/// Finds `name` (`pg_dump`), not older than `major`: in `folder` alone where
/// that is given, else in PATH and where packages of servers put it.
std::expected<server_program, std::string>
find_server_program(const std::string& name, const std::string& folder,
                    int32_t major);

/// The release in what `pg_dump --version` prints; an empty path.
std::optional<server_program> parse_program_version(std::string_view line);

} // namespace millrace::cli
