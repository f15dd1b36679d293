#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// How a table stands with its partitions, for metrics.
struct partitions_ahead {
  std::string pipeline;
  std::string tenant;
  std::string table;

  /// That it has ahead.
  int64_t periods = 0;

  /// Partitions that wait for their archive.
  int64_t unarchived = 0;
};

/// What a task of a coordinator did in one go.
struct task_result {
  /// What did not succeed, for a person; empty: nothing.
  std::string failure;

  /// Others held locks, or the server lacked something: worth another try
  /// before long.
  bool passing = false;

  /// Things done.
  int64_t done = 0;

  /// What is not as it is declared to be, whether or not that is a failure, for
  /// a person; empty: nothing.
  std::string lacking = {};

  /// Of the tables that were looked at.
  std::vector<partitions_ahead> ahead = {};
};

/// The state of a COORDINATOR TASK while something is lacking: a warning, as
/// nothing stands still for that yet.
inline constexpr std::string_view behind_state = "behind";

/// What a task says that has not begun, or gone on, because the lease did not
/// hold as far as this process knew.
inline constexpr std::string_view lease_in_doubt = "the lease is in doubt";

} // namespace millrace
