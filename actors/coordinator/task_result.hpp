#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

/// What a task of a coordinator did in one go.
struct task_result {
  /// What did not succeed, for a person; empty: nothing.
  std::string failure;

  /// Others held locks, or the server lacked something: worth another try
  /// before long.
  bool passing = false;

  /// Things done.
  int64_t done = 0;
};

/// What a task says that has not begun, or gone on, because the lease did not
/// hold as far as this process knew.
inline constexpr std::string_view lease_in_doubt = "the lease is in doubt";

} // namespace millrace
