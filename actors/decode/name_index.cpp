#include "actors/decode/name_index.hpp"

#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace millrace::detail {

std::size_t name_index::place(std::string_view name) const noexcept {
  auto mask = entries_.size() - 1;
  auto i = XXH3_64bits(name.data(), name.size()) & mask;
  while (entries_[i].number >= 0 && entries_[i].name != name)
    i = (i + 1) & mask;
  return i;
}

void name_index::add(std::string_view name, int number) {
  if (entries_.size() < 2 * (count_ + 1)) {
    auto old = std::exchange(
      entries_, std::vector<entry>(entries_.empty() ? 8 : entries_.size() * 2));
    for (auto& x : old)
      if (x.number >= 0)
        entries_[place(x.name)] = std::move(x);
  }
  entries_[place(name)] = {std::string{name}, number};
  ++count_;
}

int name_index::find(std::string_view name) const noexcept {
  return entries_.empty() ? -1 : entries_[place(name)].number;
}

} // namespace millrace::detail
