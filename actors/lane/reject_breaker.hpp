#pragma once

#include <cstdint>
#include <string>

namespace millrace {

/// Events of one flush, and how many of them become dead letters.
struct reject_tally {
  int64_t events = 0;
  int64_t rejects = 0;
};

/// Halts a lane whose events are rejected in numbers, instead of draining a
/// topic into dead letters because of a mistake in a schema or a mapping
/// (protocol.md rule 19).
///
/// Looks at the last 1,000 to 2,000 events, and at a whole flush where that is
/// more. Trips when more than `ratio` of them are rejected; fewer than 1,000
/// count as 1,000, so that a handful of bad events at the start is no reason.
class reject_breaker {
public:
  static constexpr int64_t window = 1'000;

  /// From 0 (no reject is allowed) to 1 (all are).
  explicit reject_breaker(double ratio) : ratio_{ratio} {
  }

  /// Whether this flush would be too much.
  bool would_trip(const reject_tally& x) const noexcept;

  /// The flush is written. `first` tells of its first reject.
  void count(const reject_tally& x, const std::string& first);

  /// Forgets what it has seen.
  void clear() noexcept;

  /// What it has seen, with `more` to come.
  reject_tally seen(const reject_tally& more = {}) const noexcept;

  /// About the first reject that it has seen, or empty.
  const std::string& first() const noexcept {
    return older_.first.empty() ? newer_.first : older_.first;
  }

  double ratio() const noexcept {
    return ratio_;
  }

private:
  struct bucket {
    reject_tally sum;
    std::string first;
  };

  double ratio_;
  bucket older_;
  bucket newer_;
};

} // namespace millrace
