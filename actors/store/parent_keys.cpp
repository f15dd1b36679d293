#include "actors/store/parent_keys.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

namespace millrace {

namespace {

using bytes = std::span<const std::byte>;

template <class Int>
Int take(bytes& from) {
  Int result{};
  std::memcpy(&result, from.data(), sizeof(Int));
  from = from.subspan(sizeof(Int));
  if constexpr (std::endian::native == std::endian::little)
    return std::byteswap(result);
  else
    return result;
}

/// Places of the columns among those of a block, in that order; nothing when
/// it does not fill all of them.
std::optional<std::vector<std::size_t>>
places_of(const std::vector<std::string>& columns, const block_target& in) {
  std::vector<std::size_t> result;
  for (const auto& x : columns) {
    auto i = std::ranges::find(in.columns, x);
    if (i == in.columns.end())
      return std::nullopt;
    result.push_back(static_cast<std::size_t>(i - in.columns.begin()));
  }
  return result;
}

/// Some fields of a tuple; nothing where one of them is NULL.
std::optional<key_fields> fields_of(bytes tuple,
                                    const std::vector<std::size_t>& places) {
  std::vector<std::optional<bytes>> all(
    static_cast<std::size_t>(take<int16_t>(tuple)));
  for (auto& x : all) {
    auto size = take<int32_t>(tuple);
    if (size < 0)
      continue;
    x = tuple.first(static_cast<std::size_t>(size));
    tuple = tuple.subspan(static_cast<std::size_t>(size));
  }
  key_fields result;
  for (auto i : places) {
    if (i >= all.size() || !all[i])
      return std::nullopt;
    result.push_back(*all[i]);
  }
  return result;
}

/// Calls `what` with the key of each kept row of the block, and where it is.
template <class Function>
void for_each_key(const flush& work, std::size_t block,
                  const std::vector<std::size_t>& places,
                  const Function& what) {
  auto always = work.plan->traits[block].always;
  for (std::size_t s = 0; s < work.sources.size(); ++s) {
    const auto& source = work.sources[s];
    if (block >= source.data->blocks.size())
      continue;
    const auto& rows = source.data->blocks[block];
    auto out = left_out(source, always);
    uint32_t begin = 0;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      auto tuple = bytes{rows.bytes}.subspan(begin, rows.row_ends[i] - begin);
      begin = rows.row_ends[i];
      auto at = offset{rows.offsets[i]};
      if (!source.keeps(at) || std::ranges::binary_search(out, at))
        continue;
      if (auto key = fields_of(tuple, places))
        what(std::move(*key), missing_write{s, block, at});
    }
  }
}

bool is_of(const block_target& x, const parent_reference& by) {
  return x.schema == by.table.first && x.table == by.table.second;
}

} // namespace

bool key_fields_less::operator()(const key_fields& x,
                                 const key_fields& y) const {
  return std::ranges::lexicographical_compare(
    x, y, [](const auto& a, const auto& b) {
      return std::ranges::lexicographical_compare(a, b);
    });
}

keyed_writes named_parents(const flush& work, const parent_reference& by) {
  keyed_writes result;
  for (std::size_t block = 0; block < work.plan->targets.size(); ++block) {
    const auto& to = work.plan->targets[block];
    // Rows that are always made would be made beside a waiting event, too.
    if (!is_of(to, by) || work.plan->traits[block].always)
      continue;
    if (auto places = places_of(by.columns, to))
      for_each_key(work, block, *places, [&](key_fields key, missing_write x) {
        result[std::move(key)].push_back(x);
      });
  }
  return result;
}

void drop_brought(const flush& work, const parent_reference& by,
                  keyed_writes& keys) {
  for (std::size_t block = 0; block < work.plan->targets.size(); ++block) {
    const auto& to = work.plan->targets[block];
    if (std::pair{to.schema, to.table} != by.parent_name
        || !work.plan->traits[block].creates)
      continue;
    if (auto places = places_of(by.parent_columns, to))
      for_each_key(work, block, *places,
                   [&](key_fields key, missing_write) { keys.erase(key); });
  }
}

std::vector<uint32_t> key_types(const write_plan& plan,
                                const parent_reference& by) {
  for (const auto& to : plan.targets) {
    auto places = is_of(to, by) ? places_of(by.columns, to) : std::nullopt;
    if (!places)
      continue;
    std::vector<uint32_t> result;
    for (auto i : *places) {
      uint32_t oid = 0;
      std::from_chars(to.types[i].data(),
                      to.types[i].data() + to.types[i].size(), oid);
      if (oid == 0)
        return {};
      result.push_back(oid);
    }
    return result;
  }
  return {};
}

} // namespace millrace
