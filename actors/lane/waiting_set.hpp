#pragma once

#include "messages/waiting.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

namespace millrace {

/// A row that an event touches, and how.
struct row_touch {
  touched_row what;

  /// The write makes the row where it is missing.
  bool creates = false;
};

/// The rows that an event of a batch touches by key, but for writes that are
/// made always. Blocks beyond the traits count for nothing.
std::vector<row_touch> touches_of(const batch& data, offset at,
                                  const write_traits& writes);

/// As a waiting event keeps them in mind.
std::vector<touched_row> remembered(const std::vector<row_touch>& x);

/// The rows that waiting events of one lane touch (protocol.md, section 4).
///
/// An event may not overtake a waiting one that touches the same row, else the
/// retry would overwrite what is newer. One thing may: a write that makes the
/// row, where all that wait for it do nothing but wait for that row. Otherwise
/// both would wait for each other. A waiting delete that does not wait for its
/// row is not passed: it would delete what came later.
class waiting_set {
public:
  /// In ascending order of their numbers.
  void assign(std::vector<waiting_entry> entries);

  void add(waiting_entry x);

  /// Nothing happens when it is not there.
  void remove(seq number);

  void clear() noexcept;

  /// Whether an event that touches these rows has to wait as well.
  bool holds_back(const std::vector<row_touch>& touches) const;

  /// In ascending order of their numbers.
  const std::deque<waiting_entry>& entries() const noexcept {
    return entries_;
  }

  bool empty() const noexcept {
    return entries_.empty();
  }

  std::size_t size() const noexcept {
    return entries_.size();
  }

  /// Of the records.
  int64_t bytes() const noexcept {
    return bytes_;
  }

private:
  struct hash {
    std::size_t operator()(const key_hash& x) const noexcept {
      return static_cast<std::size_t>(x.low);
    }
  };

  /// How many touch a row, and how many of them do not await it.
  struct count {
    int32_t all = 0;
    int32_t others = 0;
  };

  void index(const waiting_entry& x);

  std::deque<waiting_entry> entries_;
  std::unordered_map<key_hash, count, hash> rows_;
  int64_t bytes_ = 0;
};

} // namespace millrace
