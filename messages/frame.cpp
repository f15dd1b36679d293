#include "messages/frame.hpp"

#include "messages/fnv.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

framed::framed(std::string whole, std::size_t frame_bytes)
  : whole_{std::move(whole)},
    frame_bytes_{frame_bytes},
    sum_{fnv(fnv_start, whole_)} {
}

frame framed::cut(uint64_t from) const {
  from = std::min<uint64_t>(from, whole_.size());
  return {sum_, whole_.size(), from, whole_.substr(from, frame_bytes_)};
}

std::optional<std::string> frame_assembly::add(frame x) {
  if (x.sum != sum_ || x.total != total_)
    begin(x.sum, x.total);
  if (x.bytes.empty() || x.from > total_ || x.bytes.size() > total_ - x.from)
    return std::nullopt;
  auto next = pieces_.lower_bound(x.from);
  auto fits = next == pieces_.end() || x.from + x.bytes.size() <= next->first;
  if (fits && next != pieces_.begin()) {
    const auto& [from, bytes] = *std::prev(next);
    fits = from + bytes.size() <= x.from;
  }
  if (!fits)
    return std::nullopt;
  bytes_ += x.bytes.size();
  pieces_.emplace_hint(next, x.from, std::move(x.bytes));
  if (bytes_ < total_)
    return std::nullopt;
  std::string whole;
  whole.reserve(bytes_);
  for (const auto& [from, bytes] : pieces_)
    whole += bytes;
  auto sound = fnv(fnv_start, whole) == sum_;
  begin(0, 0);
  if (!sound)
    return std::nullopt;
  return whole;
}

void frame_assembly::begin(uint64_t sum, uint64_t total) {
  sum_ = sum;
  total_ = total;
  bytes_ = 0;
  pieces_.clear();
}

} // namespace millrace
