#include "actors/source/record_shelf.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

std::optional<const kafka_record*> record_shelf::find(const partition_id& of,
                                                      offset at) const {
  auto i = std::ranges::find(entries_, of, &entry::of);
  if (i == entries_.end() || at < i->what.from || at >= i->what.to)
    return std::nullopt;
  const auto& records = i->what.records;
  auto record = std::ranges::lower_bound(records, at, {}, &kafka_record::at);
  if (record == records.end() || record->at != at)
    return nullptr;
  return &*record;
}

void record_shelf::keep(const partition_id& of, kafka_stretch what) {
  if (auto i = std::ranges::find(entries_, of, &entry::of); i != entries_.end())
    drop(i);
  auto& last = entries_.emplace_back(entry{of, std::move(what), 0});
  for (const auto& x : last.what.records)
    last.bytes += size_bytes(x);
  bytes_ += last.bytes;
  while (bytes_ > max_bytes_)
    drop(entries_.begin());
}

void record_shelf::drop(std::deque<entry>::iterator which) {
  bytes_ -= which->bytes;
  entries_.erase(which);
}

} // namespace millrace
