#include "actors/store/copy_rows.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace millrace {

namespace {

/// A set of key hashes with room known ahead: no allocation per key.
class key_set {
public:
  explicit key_set(std::size_t room)
    : cells_(std::bit_ceil(std::max<std::size_t>(2 * room, 16))),
      used_(cells_.size()) {
  }

  /// False when the key was there.
  bool insert(const key_hash& key) {
    auto mask = cells_.size() - 1;
    for (auto i = static_cast<std::size_t>(key.low) & mask;;
         i = (i + 1) & mask) {
      if (!used_[i]) {
        used_[i] = true;
        cells_[i] = key;
        return true;
      }
      if (cells_[i] == key)
        return false;
    }
  }

private:
  std::vector<key_hash> cells_;
  std::vector<char> used_;
};

template <class Int>
void put(std::vector<std::byte>& out, Int x) {
  if constexpr (std::endian::native == std::endian::little)
    x = std::byteswap(x);
  std::array<std::byte, sizeof(Int)> raw;
  std::memcpy(raw.data(), &x, sizeof(Int));
  out.insert(out.end(), raw.begin(), raw.end());
}

/// Rows of one source's block that are kept, one after the other.
struct block_view {
  const row_block* block = nullptr;
  std::size_t first = 0;
  std::size_t last = 0;

  std::size_t rows() const noexcept {
    return last - first;
  }

  std::size_t begin_of(std::size_t row) const noexcept {
    return row == 0 ? 0 : block->row_ends[row - 1];
  }

  std::span<const std::byte> bytes(std::size_t from, std::size_t to) const {
    auto begin = begin_of(from);
    return std::span{block->bytes}.subspan(begin, begin_of(to) - begin);
  }
};

std::vector<block_view> blocks_of(const flush& work,
                                  const planned_write& write) {
  std::vector<block_view> result;
  for (const auto& source : work.sources) {
    const auto& blocks = source.data->blocks;
    if (write.block >= blocks.size() || blocks[write.block].rows() == 0)
      continue;
    const auto& block = blocks[write.block];
    if (block.offsets.size() != block.rows()
        || block.row_ends.back() != block.bytes.size())
      throw std::invalid_argument("a block's rows, offsets and bytes differ");
    auto row_of = [&block](offset at) {
      auto i = std::ranges::lower_bound(block.offsets, at.value);
      return static_cast<std::size_t>(i - block.offsets.begin());
    };
    auto first = row_of(source.trim_below);
    auto add = [&](std::size_t last) {
      if (first < last)
        result.push_back({&block, first, last});
    };
    // Around the rows of events that were refused or wait.
    for (auto out : left_out(source, write.always)) {
      add(row_of(out));
      first = std::max(first, row_of(out + 1));
    }
    add(block.offsets.back() < source.keep_below.value
          ? block.rows()
          : row_of(source.keep_below));
  }
  return result;
}

/// All rows, as they lie there.
void keep_all(const std::vector<block_view>& blocks, copy_rows& out) {
  for (const auto& x : blocks) {
    out.pieces.push_back(x.bytes(x.first, x.last));
    out.rows += static_cast<int64_t>(x.rows());
  }
}

/// The last row of each key, neighbours in one piece.
void keep_last(const std::vector<block_view>& blocks, copy_rows& out) {
  std::size_t total = 0;
  for (const auto& x : blocks)
    total += x.rows();
  key_set seen{total};
  for (auto x = blocks.rbegin(); x != blocks.rend(); ++x) {
    if (x->block->keys.size() != x->block->rows())
      throw std::invalid_argument("rows of an upsert without key hashes");
    auto end = x->last;
    for (auto row = x->last; row-- > x->first;) {
      if (seen.insert(x->block->keys[row])) {
        ++out.rows;
        continue;
      }
      if (end > row + 1)
        out.pieces.push_back(x->bytes(row + 1, end));
      end = row;
    }
    if (end > x->first)
      out.pieces.push_back(x->bytes(x->first, end));
  }
  std::ranges::reverse(out.pieces);
}

/// All rows with their position as one more column.
void keep_numbered(const std::vector<block_view>& blocks, copy_rows& out) {
  int64_t position = 0;
  for (const auto& x : blocks)
    for (auto row = x.first; row < x.last; ++row) {
      auto bytes = x.bytes(row, row + 1);
      if (bytes.size() < 2)
        throw std::invalid_argument("a row without a field count");
      auto high = std::to_integer<unsigned>(bytes[0]);
      auto low = std::to_integer<unsigned>(bytes[1]);
      put(out.owned, static_cast<int16_t>((high << 8 | low) + 1));
      out.owned.insert(out.owned.end(), bytes.begin() + 2, bytes.end());
      put(out.owned, int32_t{sizeof(int64_t)});
      put(out.owned, position++);
    }
  out.rows = position;
  if (position > 0)
    out.pieces.push_back(out.owned);
}

void sum_bytes(copy_rows& x) {
  for (const auto& piece : x.pieces)
    x.bytes += static_cast<int64_t>(piece.size());
}

// -- dead letters -------------------------------------------------------------

constexpr int16_t letter_fields = 18;
constexpr int16_t waiting_fields = 15;

/// Long enough for any reason of ours; payloads quote themselves into it.
constexpr std::size_t max_reason_bytes = 8'192;
constexpr std::size_t max_topic_bytes = 1'024;

/// 2000-01-01 in milliseconds since 1970: where PostgreSQL's clock starts.
constexpr int64_t epoch_2000_ms = 946'684'800'000;

/// PostgreSQL's range of timestamps, well inside int64 microseconds.
constexpr int64_t max_timestamp_ms = 9'224'318'015'999'999;

void put_null(std::vector<std::byte>& out) {
  put(out, int32_t{-1});
}

void put_bytes(std::vector<std::byte>& out, std::string_view x) {
  put(out, static_cast<int32_t>(x.size()));
  auto raw = std::as_bytes(std::span{x});
  out.insert(out.end(), raw.begin(), raw.end());
}

template <class Int>
void put_int(std::vector<std::byte>& out, Int x) {
  put(out, static_cast<int32_t>(sizeof(Int)));
  put(out, x);
}

void put_timestamp(std::vector<std::byte>& out, int64_t ms) {
  if (ms < 0 || ms > max_timestamp_ms)
    put_null(out);
  else
    put_int(out, (ms - epoch_2000_ms) * 1'000);
}

/// What dead letters and waiting events have in common: the first twelve of
/// their fields.
void put_record(std::vector<std::byte>& out, int16_t fields, const claim& c,
                int64_t seq, const batch& b, const reject& r) {
  put(out, fields);
  put_bytes(out, c.lane.pipeline);
  put_bytes(out, c.lane.tenant);
  put_int(out, c.lane.number.value);
  put_int(out, seq);
  put(out, int32_t{16});
  auto id = std::as_bytes(std::span{b.source.topic.bytes});
  out.insert(out.end(), id.begin(), id.end());
  put_bytes(out, clean_text(b.topic, max_topic_bytes));
  put_int(out, b.source.number.value);
  put_int(out, r.at.value);
  if (r.has_key)
    put_bytes(out, r.key);
  else
    put_null(out);
  put_bytes(out, r.headers);
  if (r.has_value)
    put_bytes(out, r.value);
  else
    put_null(out);
  put_timestamp(out, r.timestamp_ms);
}

void put_reason(std::vector<std::byte>& out, const reject& r) {
  if (r.sqlstate.empty())
    put_null(out);
  else
    put_bytes(out, clean_text(r.sqlstate, 5));
  put_bytes(out, clean_text(r.reason, max_reason_bytes));
}

/// What is known of a value that was cut.
void put_whole_value(std::vector<std::byte>& out, const reject& r) {
  if (r.value_bytes < 0) {
    put_null(out);
    put_null(out);
    return;
  }
  put_int(out, r.value_bytes);
  put_bytes(out, r.value_sha256);
}

/// Whether rows of writes that are made always stand beside a dead letter, or
/// were written when its event was put aside.
bool is_always_made(const flush& work, const flush_source& source, offset at) {
  if (!work.plan || std::ranges::contains(source.silent, at))
    return false;
  const auto& traits = work.plan->traits;
  const auto& blocks = source.data->blocks;
  for (std::size_t i = 0; i < traits.size(); ++i)
    if (traits[i].always
        && (!work.taken.empty()
            || (i < blocks.size()
                && std::ranges::binary_search(blocks[i].offsets, at.value))))
      return true;
  return false;
}

/// Length of the UTF-8 sequence at the start of `x`, 0 when it is not one.
std::size_t sequence(std::string_view x) noexcept {
  auto at = [x](std::size_t i) { return static_cast<uint8_t>(x[i]); };
  auto lead = at(0);
  if (lead < 0x80)
    return lead == 0 ? 0 : 1;
  auto size = lead >= 0xf0 ? 4u : lead >= 0xe0 ? 3u : 2u;
  if (lead < 0xc2 || lead > 0xf4 || x.size() < size)
    return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((at(i) & 0xc0) != 0x80)
      return 0;
  // Overlong forms, surrogates, beyond U+10FFFF.
  if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f)
      || (lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) > 0x8f))
    return 0;
  return size;
}

} // namespace

const std::string_view dead_letter_copy
  = "COPY millrace.dead_letter (pipeline, tenant, shard, seq, topic, "
    "topic_name, partition, \"offset\", key, headers, value, \"timestamp\", "
    "stage, sqlstate, reason, always_made, value_bytes, value_sha256) FROM "
    "STDIN (FORMAT binary)";

const std::string_view waiting_copy
  = "COPY millrace.waiting (pipeline, tenant, shard, seq, topic, topic_name, "
    "partition, \"offset\", key, headers, value, \"timestamp\", touches, "
    "sqlstate, reason) FROM STDIN (FORMAT binary)";

copy_rows kept_rows(const flush& work, const planned_write& write) {
  copy_rows result;
  auto blocks = blocks_of(work, write);
  if (write.method == write_method::append)
    keep_all(blocks, result);
  else if (write.numbered)
    keep_numbered(blocks, result);
  else
    keep_last(blocks, result);
  sum_bytes(result);
  return result;
}

copy_rows dead_letter_rows(const flush& work) {
  copy_rows result;
  std::vector<const reject*> kept;
  for (const auto& source : work.sources) {
    kept.clear();
    for (const auto& r : source.data->rejects)
      if (source.keeps(r.at))
        kept.push_back(&r);
    for (const auto& r : source.refused)
      kept.push_back(&r);
    if (!source.refused.empty())
      std::ranges::stable_sort(kept, {}, &reject::at);
    for (const auto* r : kept) {
      // The flush itself takes the first seq.
      ++result.rows;
      put_record(result.owned, letter_fields, work.claim,
                 work.claim.next_seq.value + result.rows, *source.data, *r);
      put_bytes(result.owned, to_string(r->stage));
      put_reason(result.owned, *r);
      put(result.owned, int32_t{1});
      put(result.owned, int8_t{is_always_made(work, source, r->at)});
      put_whole_value(result.owned, *r);
    }
  }
  if (result.rows > 0)
    result.pieces.push_back(result.owned);
  sum_bytes(result);
  return result;
}

copy_rows waiting_rows(const flush& work) {
  copy_rows result;
  auto first = first_waiting(work).value;
  for (const auto& source : work.sources)
    for (const auto& x : source.waiting) {
      put_record(result.owned, waiting_fields, work.claim, first + result.rows,
                 *source.data, x.record);
      put_bytes(result.owned, touches_text(x.touches));
      put_reason(result.owned, x.record);
      ++result.rows;
    }
  if (result.rows > 0)
    result.pieces.push_back(result.owned);
  sum_bytes(result);
  return result;
}

std::span<const std::byte> copy_header() noexcept {
  static constexpr char bytes[]
    = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; // the last NUL is the literal's
  return std::as_bytes(std::span{bytes, sizeof(bytes)});
}

std::span<const std::byte> copy_trailer() noexcept {
  static constexpr char bytes[] = {'\377', '\377'};
  return std::as_bytes(std::span{bytes});
}

std::string clean_text(std::string_view text, std::size_t max_bytes) {
  constexpr std::string_view replacement = "\xef\xbf\xbd";
  std::string result;
  while (!text.empty()) {
    auto size = sequence(text);
    auto piece = size == 0 ? replacement : text.substr(0, size);
    if (result.size() + piece.size() > max_bytes)
      break;
    result += piece;
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return result;
}

} // namespace millrace
