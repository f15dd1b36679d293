#pragma once

#include "actors/source/kafka_reader.hpp"
#include "messages/ids.hpp"

#include <cstddef>
#include <deque>
#include <optional>

namespace millrace {

/// Stretches of logs that were read lately, one per partition. Whoever asks
/// for one record again mostly asks for one of the next soon, as when a
/// thousand events of a partition wait for the same parent. Pure.
class record_shelf {
public:
  /// `max_bytes`: of all that is kept, keys, values and headers.
  explicit record_shelf(std::size_t max_bytes) : max_bytes_{max_bytes} {
  }

  /// Nothing when the offset is in no stretch; else its record, or null where
  /// the log has none there. Valid until the next call of `keep`.
  std::optional<const kafka_record*> find(const partition_id& of,
                                          offset at) const;

  /// In place of the partition's last stretch; what is oldest goes when there
  /// is no room.
  void keep(const partition_id& of, kafka_stretch what);

  std::size_t bytes() const noexcept {
    return bytes_;
  }

private:
  struct entry {
    partition_id of;
    kafka_stretch what;
    std::size_t bytes;
  };

  void drop(std::deque<entry>::iterator which);

  std::size_t max_bytes_;

  /// The oldest first.
  std::deque<entry> entries_;
  std::size_t bytes_ = 0;
};

} // namespace millrace
