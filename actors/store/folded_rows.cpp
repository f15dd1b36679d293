#include "actors/store/folded_rows.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

namespace millrace {

namespace {

/// `millrace_row` to `millrace_old`.
constexpr std::size_t fact_columns = 5;

template <class Int>
void put_big(std::vector<std::byte>& out, Int x) {
  if constexpr (std::endian::native == std::endian::little)
    x = std::byteswap(x);
  auto raw = std::as_bytes(std::span{&x, 1});
  out.insert(out.end(), raw.begin(), raw.end());
}

template <class Int>
void put_field(std::vector<std::byte>& out, Int x) {
  put_big(out, static_cast<int32_t>(sizeof(Int)));
  put_big(out, x);
}

template <class Int>
Int take_big(std::span<const std::byte>& from) {
  if (from.size() < sizeof(Int))
    throw std::invalid_argument("a row that ends early");
  Int result;
  std::memcpy(&result, from.data(), sizeof(Int));
  from = from.subspan(sizeof(Int));
  if constexpr (std::endian::native == std::endian::little)
    result = std::byteswap(result);
  return result;
}

/// One member's rows of one source that have not been taken yet.
struct cursor {
  const row_block* block = nullptr;
  std::size_t next = 0;
  std::size_t end = 0;
  std::vector<offset> left_out;

  bool done() const noexcept {
    return next == end;
  }

  /// Passes over rows of events that were refused or wait.
  void skip_left_out() {
    while (
      !left_out.empty() && !done()
      && std::ranges::binary_search(left_out, offset{block->offsets[next]}))
      ++next;
  }

  std::span<const std::byte> bytes() const {
    auto begin = next == 0 ? 0 : block->row_ends[next - 1];
    return std::span{block->bytes}.subspan(begin,
                                           block->row_ends[next] - begin);
  }
};

const row_block no_rows;

/// The rows of one block that a flush keeps. Throws for a block that
/// contradicts itself.
cursor cursor_of(const flush_source& source, std::size_t block) {
  const auto& blocks = source.data->blocks;
  if (block >= blocks.size() || blocks[block].rows() == 0)
    return {&no_rows, 0, 0, {}};
  const auto& x = blocks[block];
  if (x.offsets.size() != x.rows() || x.row_ends.back() != x.bytes.size())
    throw std::invalid_argument("a block's rows, offsets and bytes differ");
  if (x.keys.size() != x.rows())
    throw std::invalid_argument("rows of a folded write without key hashes");
  auto row_of = [&x](offset at) {
    return static_cast<std::size_t>(
      std::ranges::lower_bound(x.offsets, at.value) - x.offsets.begin());
  };
  cursor result{&x, row_of(source.trim_below), row_of(source.keep_below),
                left_out(source, false)};
  result.end = std::max(result.end, result.next);
  result.skip_left_out();
  return result;
}

/// All rows of a flush for one table in their order, each with its member and
/// the number of its source. A source at a time; in it by offset, and for one
/// record in the order of the writes. `start` is told first how many rows and
/// bytes there are at most.
template <class Start, class Take>
void for_each_row(const flush& work, const folded_write& plan, Start start,
                  Take take) {
  std::vector<cursor> cursors;
  std::size_t total = 0;
  std::size_t bytes = 0;
  for (const auto& source : work.sources)
    for (const auto& member : plan.members) {
      auto x = cursor_of(source, member.block);
      total += x.end - x.next;
      bytes += x.block->bytes.size();
      cursors.push_back(std::move(x));
    }
  start(total, bytes);
  auto members = plan.members.size();
  for (std::size_t source = 0; source < work.sources.size(); ++source)
    for (auto here = std::span{cursors}.subspan(source * members, members);;) {
      auto least = std::ranges::min_element(here, {}, [](const cursor& x) {
        return x.done() ? std::numeric_limits<int64_t>::max()
                        : x.block->offsets[x.next];
      });
      if (least->done())
        break;
      take(static_cast<std::size_t>(least - here.begin()), source,
           std::as_const(*least));
      ++least->next;
      least->skip_left_out();
    }
}

constexpr uint32_t bit_of(folded_op x) noexcept {
  return 1u << static_cast<int>(x);
}

} // namespace

folded_rows::folded_rows(const flush& work, const planned_write& write)
  : plan_{write.folded},
    missed_(plan_->members.size()),
    fields_(plan_->columns) {
  gather(work);
}

void folded_rows::gather(const flush& work) {
  std::optional<key_fold> fold;
  for_each_row(
    work, *plan_,
    [&](std::size_t rows, std::size_t bytes) {
      fold.emplace(plan_->methods, plan_->guarded, rows);
      rows_.reserve(rows);
      if (rows > 0)
        data_.owned.reserve(bytes + rows * (2 + fact_columns * 8));
    },
    [&](std::size_t member, std::size_t, const cursor& x) {
      fold->add(member, x.block->keys[x.next]);
      rows_.push_back(x.bytes());
    });
  if (!rows_.empty())
    emit(*fold);
  rows_ = {};
}

void folded_rows::emit(const key_fold& fold) {
  uint32_t operations = 0;
  member_set inserted = 0;
  for (std::size_t i = 0; i < fold.keys(); ++i) {
    auto key = fold.at(i);
    operations |= bit_of(key.op);
    inserted |= key.fresh;
    if (key.probes != 0) {
      auto at = std::ranges::find(probes_, key.probes,
                                  &std::pair<member_set, int64_t>::first);
      if (at == probes_.end())
        at = probes_.insert(at, {key.probes, 0});
      ++at->second;
    }
    auto guarded = plan_->guarded && key.set != 0;
    if (!guarded) {
      put(key, fold, i, key_fold::none);
      continue;
    }
    auto member = static_cast<std::size_t>(std::countr_zero(key.set));
    for (auto row = fold.last(i, member); row != key_fold::none;
         row = fold.previous(row)) {
      put(key, fold, i, row);
      key.probes = 0;
    }
  }
  for (std::size_t m = 0; m < missed_.size(); ++m) {
    missed_[m] = fold.missed(m);
    lacks_rows_ = lacks_rows_ || (missed_[m] > 0 && (plan_->strict >> m & 1));
  }
  data_.pieces.push_back(data_.owned);
  data_.bytes = static_cast<int64_t>(data_.owned.size());
  choose_statements(operations, (inserted & plan_->with_extras) != 0);
}

namespace {

/// The position of one of a key's rows.
uint32_t any_row(const key_fold& fold, std::size_t key, std::size_t members) {
  for (std::size_t m = 0; m < members; ++m)
    if (auto row = fold.last(key, m); row != key_fold::none)
      return row;
  return 0;
}

} // namespace

/// One staged row: the latest of each column, or with a guard those of `row`.
void folded_rows::put(const folded_key& key, const key_fold& fold,
                      std::size_t at, uint32_t row) {
  std::ranges::fill(fields_, field{});
  for (std::size_t m = 0; m < plan_->members.size(); ++m) {
    const auto& member = plan_->members[m];
    // Deletes carry the key where nothing else does.
    auto wanted = key.set != 0 ? (key.set >> m & 1) != 0
                               : member.method == write_method::remove;
    auto from = row != key_fold::none ? row : fold.last(at, m);
    if (wanted && from != key_fold::none)
      take_fields(member, from);
  }
  auto& out = data_.owned;
  put_big(out, static_cast<int16_t>(fields_.size() + fact_columns));
  for (const auto& x : fields_)
    if (x.row == key_fold::none)
      put_big(out, int32_t{-1});
    else
      out.insert(out.end(), x.bytes.begin(), x.bytes.end());
  put_field(out,
            int64_t{row == key_fold::none ? any_row(fold, at, missed_.size())
                                          : row});
  put_field(out, static_cast<int16_t>(key.op));
  put_field(out, static_cast<int32_t>(key.set));
  put_field(out, static_cast<int32_t>(key.fresh));
  put_field(out, static_cast<int32_t>(key.probes));
  ++data_.rows;
}

void folded_rows::take_fields(const folded_write::member& member,
                              uint32_t row) {
  auto rest = rows_[row];
  if (take_big<int16_t>(rest) != static_cast<int64_t>(member.places.size()))
    throw std::invalid_argument("a row with another number of fields");
  for (auto place : member.places) {
    auto begin = rest;
    auto length = std::max(take_big<int32_t>(rest), 0);
    auto size = static_cast<std::size_t>(length);
    if (rest.size() < size)
      throw std::invalid_argument("a row that ends early");
    rest = rest.subspan(size);
    auto& to = fields_[place];
    if (to.row == key_fold::none || to.row < row)
      to = {begin.first(sizeof(int32_t) + size), row};
  }
}

void folded_rows::choose_statements(uint32_t operations, bool extras) {
  auto any = [operations](auto... x) {
    return (operations & (bit_of(x) | ...)) != 0;
  };
  using enum folded_op;
  auto inserts = any(upsert, replace, amend);
  auto add = [this](const std::string& sql, bool rows = false) {
    statements_.push_back({&sql, rows});
  };
  if (operations == bit_of(upsert))
    add(plan_->insert);
  else if (inserts)
    add(plan_->take_and_insert);
  else
    add(plan_->take, true);
  auto asks = [this](member_set whom) {
    return std::ranges::any_of(probes_, [whom](const auto& x) {
      return (x.first & whom) != 0;
    });
  };
  if (asks(plan_->strict))
    add(plan_->refuse_missing, true);
  if (asks(~plan_->strict)) {
    add(plan_->count_found, true);
    statements_.back().counts = true;
  }
  if (any(remove, replace))
    add(plan_->remove);
  if (any(replace))
    add(plan_->replace);
  if (extras)
    add(plan_->extend);
  if (any(update, amend))
    add(plan_->update);
}

std::vector<missing_write>
folded_rows::missing(const flush& work,
                     std::span<const uint32_t> positions) const {
  struct seen {
    std::size_t member;
    missing_write write;
    key_hash key;
  };
  std::vector<seen> rows;
  for_each_row(
    work, *plan_, [](std::size_t, std::size_t) {},
    [&](std::size_t member, std::size_t source, const cursor& x) {
      rows.push_back({member,
                      {source, plan_->members[member].block,
                       offset{x.block->offsets[x.next]}},
                      x.block->keys[x.next]});
    });
  // Keys whose row is known to be there or not; the others are unknown.
  std::map<key_hash, bool> there;
  for (auto at : positions)
    if (at < rows.size())
      there[rows[at].key] = false;
  std::vector<missing_write> result;
  for (const auto& x : rows) {
    auto known = there.find(x.key);
    auto absent = known != there.end() && !known->second;
    if (absent && (plan_->strict >> x.member & 1) != 0)
      result.push_back(x.write);
    switch (plan_->methods[x.member]) {
      case write_method::remove:
        there[x.key] = false;
        break;
      case write_method::update:
        break;
      default:
        there[x.key] = true;
    }
  }
  return result;
}

void folded_rows::found(member_set probes, int64_t keys) {
  for (auto& [members, waiting] : probes_)
    if (members == probes)
      waiting -= keys;
}

void folded_rows::count_missing(std::vector<int64_t>& by_block) const {
  for (std::size_t m = 0; m < missed_.size(); ++m) {
    auto& count = by_block[plan_->members[m].block];
    count += missed_[m];
    for (const auto& [members, waiting] : probes_)
      if ((members & ~plan_->strict) >> m & 1)
        count += waiting;
  }
}

} // namespace millrace
