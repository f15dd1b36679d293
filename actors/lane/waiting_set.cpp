#include "actors/lane/waiting_set.hpp"

#include "actors/lane/mutation.hpp"

#include <algorithm>
#include <iterator>

namespace millrace {

std::vector<row_touch> touches_of(const batch& data, offset at,
                                  const write_traits& writes) {
  std::vector<row_touch> result;
  auto blocks = std::min(data.blocks.size(), writes.size());
  for (std::size_t i = 0; i < blocks; ++i) {
    const auto& block = data.blocks[i];
    if (writes[i].always || block.keys.size() != block.rows())
      continue;
    auto [first, last] = std::ranges::equal_range(block.offsets, at.value);
    auto awaits = !writes[i].creates
                  && writes[i].on_missing == missing_row::wait;
    for (auto row = first - block.offsets.begin();
         row < last - block.offsets.begin(); ++row)
      result.push_back(
        {{row_of(writes[i], block.keys[static_cast<std::size_t>(row)]), awaits},
         writes[i].creates});
  }
  return result;
}

std::vector<touched_row> remembered(const std::vector<row_touch>& x) {
  std::vector<touched_row> result;
  for (const auto& touch : x)
    result.push_back(touch.what);
  return result;
}

void waiting_set::assign(std::vector<waiting_entry> entries) {
  clear();
  for (auto& x : entries)
    add(std::move(x));
}

void waiting_set::add(waiting_entry x) {
  bytes_ += x.bytes;
  index(x);
  entries_.push_back(std::move(x));
}

void waiting_set::index(const waiting_entry& x) {
  for (const auto& touch : x.touches) {
    auto& row = rows_[touch.row];
    ++row.all;
    row.others += touch.awaits ? 0 : 1;
  }
}

void waiting_set::remove(seq number) {
  auto at = std::ranges::lower_bound(entries_, number, {},
                                     &waiting_entry::number);
  if (at == entries_.end() || at->number != number)
    return;
  bytes_ -= at->bytes;
  for (const auto& touch : at->touches) {
    auto row = rows_.find(touch.row);
    row->second.others -= touch.awaits ? 0 : 1;
    if (--row->second.all == 0)
      rows_.erase(row);
  }
  entries_.erase(at);
}

void waiting_set::clear() noexcept {
  entries_.clear();
  rows_.clear();
  bytes_ = 0;
}

bool waiting_set::holds_back(const std::vector<row_touch>& touches) const {
  return std::ranges::any_of(touches, [this](const row_touch& x) {
    auto row = rows_.find(x.what.row);
    return row != rows_.end()
           && (!x.creates
               || (row->second.others > 0
                   && !broken(mutation::delete_overtaken)));
  });
}

} // namespace millrace
