#pragma once

// Whether, when and how often a failed child starts again. Pure: time comes in
// as an argument, chance as a generator.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>

namespace millrace {

using restart_clock = std::chrono::steady_clock;

/// Which exits of a child call for a new start.
enum class restart_kind : uint8_t {
  /// Every exit: the child has no business ending.
  permanent = 1,
  /// Failures only: the child may finish.
  transient,
  /// No exit.
  temporary,
};

/// What happens when a child fails more often than its limit allows.
enum class limit_reaction : uint8_t {
  /// The supervisor stops everything and ends with an error.
  escalate = 1,
  /// The child is set aside for a long while; its siblings go on.
  park,
};

/// How a child ended.
enum class exit_kind : uint8_t {
  /// It finished, or somebody told it to stop.
  finished = 1,
  /// It failed, or could not be started.
  failed,
};

/// What to do about an exit.
enum class restart_verdict : uint8_t {
  restart = 1,
  forget,
  park,
  escalate,
};

/// How long to wait before a new start: doubles from failure to failure.
struct backoff_config {
  /// Before the first restart; short, because most failures are accidents.
  std::chrono::milliseconds initial{100};

  /// Never wait longer than this.
  std::chrono::milliseconds max{30'000};

  /// Share of the delay, 0 to 1, that chance may take away, so that actors
  /// that failed together do not come back together.
  double jitter = 0.25;

  /// A child that lived this long counts as recovered: the next failure waits
  /// `initial` again.
  std::chrono::milliseconds healthy_after{30'000};
};

/// How many restarts are too many.
struct restart_limit {
  /// The first restart beyond this many within `window` is not made.
  std::size_t max_restarts = 8;

  std::chrono::milliseconds window{60'000};
};

/// Names the first value that makes no sense, or returns nothing. A child that
/// fails at once each time must reach the limit: were the delays to outlast
/// the window, the failure would never be told to anybody.
std::optional<std::string> validate(const backoff_config& backoff,
                                    const restart_limit& limit);

/// The delays of one child.
class backoff {
public:
  explicit backoff(backoff_config config) : config_{config} {
  }

  /// How long to wait after a child that lived for `lived` has failed. Within
  /// [(1 - jitter) * d, d] for a d that doubles up to `max`.
  std::chrono::milliseconds next(restart_clock::duration lived,
                                 std::mt19937_64& chance);

  void reset() noexcept {
    failures_ = 0;
  }

private:
  backoff_config config_;
  int failures_ = 0;
};

/// Counts restarts in a sliding window. Holds at most `max_restarts` times.
class restart_window {
public:
  explicit restart_window(restart_limit limit) : limit_{limit} {
  }

  /// Counts a restart at `now`, or returns false when that were one too many.
  /// `now` must not go back.
  bool admit(restart_clock::time_point now);

  void reset() noexcept {
    times_.clear();
  }

private:
  restart_limit limit_;
  std::deque<restart_clock::time_point> times_;
};

/// Whether an exit calls for a restart at all, limits aside.
constexpr bool wants_restart(restart_kind kind, exit_kind how) noexcept {
  return kind == restart_kind::permanent
         || (kind == restart_kind::transient && how == exit_kind::failed);
}

/// Sums up: `admitted` is the window's answer and only matters for an exit
/// that wants a restart.
constexpr restart_verdict decide(restart_kind kind, exit_kind how,
                                 bool admitted,
                                 limit_reaction reaction) noexcept {
  if (!wants_restart(kind, how))
    return restart_verdict::forget;
  if (admitted)
    return restart_verdict::restart;
  return reaction == limit_reaction::park ? restart_verdict::park
                                          : restart_verdict::escalate;
}

} // namespace millrace
