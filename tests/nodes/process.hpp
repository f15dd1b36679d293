#pragma once

#include "tests/support/scratch_folder.hpp"

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

/// What a process left behind.
struct outcome {
  /// Its exit code, or 128 + the signal that ended it.
  int code = -1;
  std::string out;
  std::string err;
};

/// `millrace` as a process of its own, with a small environment: PATH, what
/// the sanitizers are told, and what the test adds.
class process {
public:
  using variables = std::vector<std::pair<std::string, std::string>>;

  explicit process(const std::vector<std::string>& args,
                   const variables& environment = {});

  /// Kills it if it still runs.
  ~process();

  process(const process&) = delete;
  process& operator=(const process&) = delete;

  void signal(int number) const;

  /// What it has written to standard error so far.
  std::string err_so_far() const;

  /// Waits for its end.
  outcome wait();

private:
  pid_t pid_ = -1;

  // Files in memory: no pipe can fill up.
  int out_ = -1;
  int err_ = -1;
};

/// Runs `millrace` to its end.
outcome run(const std::vector<std::string>& args,
            const process::variables& environment = {});

/// Runs any program to its end.
outcome run_program(const std::vector<std::string>& command,
                    const process::variables& environment = {});

} // namespace millrace::test
