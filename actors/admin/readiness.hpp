#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// One thing that must be well before a node counts as ready.
struct readiness_check {
  std::string name;
  bool ok = false;

  /// What is wrong, or how well it is; for a person. May be empty.
  std::string detail;
};

/// Where actors post how they are, and `/readyz` reads it. For many threads.
///
/// A node is ready when every check is well and there is one at all: checks
/// are announced (`require`) before the actor starts that will fulfil them.
class readiness_board {
public:
  /// Announces a check; not well until `set` says so.
  void require(std::string_view name);

  void set(std::string_view name, bool ok, std::string_view detail = {});

  /// A check that is of no concern any more.
  void drop(std::string_view name);

  /// By name.
  std::vector<readiness_check> checks() const;

private:
  mutable std::mutex mutex_;
  std::map<std::string, readiness_check, std::less<>> checks_;
};

/// Whether there are checks and all are well.
bool ready(const std::vector<readiness_check>& checks);

} // namespace millrace
