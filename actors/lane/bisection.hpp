#pragma once

#include "messages/batch.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace millrace {

/// The events of one batch from `from` on and below `to`.
struct batch_part {
  const batch* data = nullptr;
  slot at;
  offset from;
  offset to;
};

/// Offsets of the part's events that have rows, in order, each once.
std::vector<int64_t> events_with_rows(const batch_part& x);

/// How much of a queue a flush takes: some parts whole, and of the next one
/// what is below `cut`.
struct queue_prefix {
  std::size_t whole = 0;
  std::optional<offset> cut;
};

/// Finds the events that PostgreSQL refuses (protocol.md rule 19), by halves.
///
/// Knows a range of events, counted from the head of the queue, of which a
/// flush has failed, and says what to flush next: its first half. A failure
/// narrows the range to that half; a commit leaves the other one. An event is
/// the culprit only once a flush of it alone has failed, for the range may be
/// out of date: meanwhile a missing row may have come. k bad events of n cost
/// at most k (log2 n + 4) flushes.
class bisection {
public:
  struct event {
    slot at;
    offset number;

    friend bool operator==(const event&, const event&) = default;
  };

  /// How many events are suspect, and the last of them.
  struct verdict {
    std::size_t events = 0;
    slot at;
    offset last;
  };

  /// A flush of these parts was refused for its data, or took too long.
  /// `known` are not counted: events whose rows were not in the flush.
  verdict narrow(std::span<const batch_part> flown,
                 std::span<const event> known);

  /// What to flush next of this queue; nothing when there are no suspects in
  /// it, and then none are known any more.
  std::optional<queue_prefix> next(std::span<const batch_part> queue);

  bool active() const noexcept {
    return !below_.empty();
  }

  void clear() noexcept {
    below_.clear();
  }

private:
  /// Suspect are the events below these offsets.
  std::map<slot, offset> below_;
};

} // namespace millrace
