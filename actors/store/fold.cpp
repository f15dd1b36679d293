#include "actors/store/fold.hpp"

#include "actors/lane/mutation.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

namespace millrace {

key_fold::key_fold(std::span<const write_method> members, bool guarded,
                   std::size_t rows)
  : members_{members},
    guarded_{guarded},
    cells_(std::bit_ceil(std::max<std::size_t>(2 * rows, 16)), none) {
  if (members.size() > max_folded_writes)
    throw std::invalid_argument("too many writes into one table");
  if (guarded)
    previous_.reserve(rows);
}

void key_fold::add(std::size_t member, const key_hash& key) {
  auto row = rows_++;
  auto at = find(key);
  auto& x = entries_[at];
  auto& last = last_[at * members_.size() + member];
  auto bit = member_set{1} << member;
  auto counts = true;
  switch (members_[member]) {
    case write_method::remove:
      if (x.now == presence::unknown)
        x.probes |= bit;
      else if (x.now == presence::absent)
        x.missed |= bit;
      clear(at);
      break;
    case write_method::update:
      counts = x.now != presence::absent;
      if (x.now == presence::unknown)
        x.probes |= bit;
      else if (!counts)
        x.missed |= bit;
      break;
    default:
      if (x.now != presence::present)
        x.made = row;
      x.now = presence::present;
  }
  if (guarded_)
    previous_.push_back(last);
  if (broken(mutation::collapse_reversed) && last != none)
    return;
  if (counts)
    last = row;
}

folded_key key_fold::at(std::size_t key) const noexcept {
  const auto& x = entries_[key];
  folded_key result;
  result.probes = x.probes & ~x.missed;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    auto row = last(key, m);
    if (row == none || members_[m] == write_method::remove)
      continue;
    result.set |= member_set{1} << m;
    if (x.made != none && row >= x.made)
      result.fresh |= member_set{1} << m;
  }
  if (x.now == presence::absent)
    result.op = folded_op::remove;
  else if (x.now == presence::unknown)
    result.op = folded_op::update;
  else if (x.cleared)
    result.op = folded_op::replace;
  else
    result.op = x.probes != 0 ? folded_op::amend : folded_op::upsert;
  return result;
}

int64_t key_fold::missed(std::size_t member) const noexcept {
  return std::ranges::count_if(entries_, [member](const entry& x) {
    return (x.missed >> member & 1) != 0;
  });
}

std::size_t key_fold::find(const key_hash& key) {
  auto mask = cells_.size() - 1;
  auto i = static_cast<std::size_t>(key.low) & mask;
  for (; cells_[i] != none; i = (i + 1) & mask)
    if (entries_[cells_[i]].key == key)
      return cells_[i];
  auto result = entries_.size();
  cells_[i] = static_cast<uint32_t>(result);
  entries_.push_back({.key = key});
  last_.resize(last_.size() + members_.size(), none);
  return result;
}

/// A deleted row has no history. The deletions stay: they carry the key.
void key_fold::clear(std::size_t at) {
  auto& x = entries_[at];
  x.cleared = true;
  x.now = presence::absent;
  x.made = none;
  for (std::size_t m = 0; m < members_.size(); ++m)
    if (members_[m] != write_method::remove)
      last_[at * members_.size() + m] = none;
}

} // namespace millrace
