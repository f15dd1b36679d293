#include "actors/decode/row_encoder.hpp"

#include "actors/decode/json_scan.hpp"
#include "actors/decode/reason.hpp"

#include <bit>
#include <format>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace millrace::detail {

namespace {

/// Types whose fields are canonical as they are.
bool byte_key(encoder_kind x) noexcept {
  return x != encoder_kind::numeric && x != encoder_kind::float4
         && x != encoder_kind::float8 && x != encoder_kind::padded_text;
}

} // namespace

row_encoder::row_encoder(const program_data& program, evaluator& facts)
  : program_{program},
    facts_{facts} {
  // Enough for an event without loops.
  std::size_t places = 0;
  for (const auto& x : program.writes)
    places += x.columns.size() + 1;
  fields_.resize(places);
  rows_.reserve(program.writes.size());
}

bool row_encoder::encode(const event_program& event) {
  auto tombstone = !facts_.record().value;
  for (auto number : event.writes)
    if (program_.writes[number].on_tombstone == tombstone && !write(number))
      [[unlikely]]
      return false;
  return true;
}

bool row_encoder::encode_always(const event_program& event) {
  auto tombstone = !facts_.record().value && program_.takes_tombstones;
  for (auto number : event.writes) {
    const auto& x = program_.writes[number];
    if (x.always && x.on_tombstone == tombstone && !write(number))
      return false;
  }
  return true;
}

bool row_encoder::write(std::size_t number) {
  index_ = 0;
  if (program_.writes[number].each.empty()) {
    facts_.begin_row(0);
    return row(number);
  }
  return loop(number, 0);
}

bool row_encoder::loop(std::size_t number, std::size_t level) {
  const auto& loops = program_.writes[number].each;
  if (level == loops.size()) {
    facts_.begin_row(index_++);
    return row(number);
  }
  const auto& x = loops[level];
  for (std::size_t i = 0; i < x.slots.size(); ++i) {
    // By value: the slots beneath an element are filled anew while it lasts.
    auto array = facts_.slot(x.slots[i]);
    if (array.is_null())
      continue;
    if (array.kind != value_kind::array)
      return facts_.fail(reject_stage::map,
                         std::format("found {} for {}, expected an array",
                                     describe(array), x.sources[i]));
    auto rest = array.text.substr(1);
    std::string_view element;
    for (int64_t place = 0; next_element(rest, element); ++place) {
      facts_.set_element(level, x, element, place);
      if (!loop(number, level + 1))
        return false;
    }
  }
  return true;
}

bool row_encoder::row(std::size_t number) {
  const auto& write = program_.writes[number];
  if (write.when >= 0) {
    auto holds = facts_.holds(write.when);
    if (!holds || !*holds)
      return holds.has_value();
  }
  auto needed = fields_used_ + write.columns.size() + 1;
  if (fields_.size() < needed) [[unlikely]]
    fields_.resize(std::bit_ceil(needed));
  auto fields = fields_.data() + fields_used_;
  auto field = fields;
  tuples_.put(write.head);
  for (const auto& x : write.columns) {
    *field++ = tuples_.size();
    if (!column(x)) [[unlikely]]
      return false;
  }
  *field = tuples_.size();
  if (write.key_must_be_known && !key_is_known(write, fields))
    return false;
  rows_.push_back({number, fields_used_});
  fields_used_ = needed;
  return (rows_.size() <= program_.max_event_rows
          && tuples_.size() <= program_.max_event_bytes)
         || fail_size();
}

bool row_encoder::fail_size() {
  if (rows_.size() > program_.max_event_rows)
    return facts_.fail(reject_stage::map,
                       std::format("found an event with more than {} rows "
                                   "(limits.max_event_rows)",
                                   program_.max_event_rows));
  return facts_.fail(reject_stage::map,
                     std::format("found an event whose rows have more than {} "
                                 "bytes (limits.max_event_bytes)",
                                 program_.max_event_bytes));
}

bool row_encoder::column(const column_program& x) {
  switch (x.source) {
    case column_source::slot:
      return put(x, facts_.slot(x.slot));
    case column_source::constant:
      tuples_.put(x.constant);
      return true;
    case column_source::code:
      return code(x);
    case column_source::partition:
      return put(x, {.kind = value_kind::integer,
                     .number = facts_.record().partition});
    case column_source::offset:
      return put(x, {.kind = value_kind::integer,
                     .number = facts_.record().offset});
    case column_source::index:
      return put(x,
                 {.kind = value_kind::integer, .number = facts_.row_index()});
    case column_source::step: {
      value computed;
      if (!facts_.run(x.step, computed)) {
        auto inner = facts_.take_failure();
        return facts_.fail(inner.stage, x.label + ": " + inner.reason);
      }
      return put(x, computed);
    }
  }
  return false;
}

/// The fields that most tables are made of, without a call. False when the
/// general way must be taken.
bool row_encoder::put_plain(const encoder& how, const value& from) {
  auto is_text
    = how.kind == encoder_kind::text
      || (how.kind == encoder_kind::bounded_text
          && from.text.size() <= static_cast<std::size_t>(how.max_characters));
  if (is_text && from.kind == value_kind::string && from.in_payload
      && !from.escaped) {
    tuples_.put_big(static_cast<int32_t>(from.text.size()));
    tuples_.put_padded(from.text);
    return true;
  }
  if (how.kind == encoder_kind::int8 && from.kind == value_kind::integer) {
    tuples_.put_big(int32_t{8});
    tuples_.put_big(from.number);
    return true;
  }
  return false;
}

bool row_encoder::put(const column_program& x, const value& from) {
  if (put_plain(x.how, from))
    return true;
  if (from.is_null()) {
    if (!x.nullable)
      return fail_null(x, from);
    tuples_.put_null();
    return true;
  }
  if (auto wrong = millrace::detail::encode(x.how, from, tuples_, space_))
    return fail_value(x, from, wrong);
  return true;
}

bool row_encoder::code(const column_program& x) {
  const auto& from = facts_.slot(x.slot);
  if (from.is_null())
    return put(x, from);
  int number = -1;
  const auto& table = program_.tables[static_cast<std::size_t>(x.table)];
  if (!facts_.code(from, table, x.label, number))
    return false;
  tuples_.put(x.codes[static_cast<std::size_t>(number)]);
  return true;
}

bool row_encoder::fail_null(const column_program& x, const value& from) {
  return facts_.fail(reject_stage::map,
                     std::format("{}: found {}, but the column is NOT NULL",
                                 x.label, describe(from)));
}

bool row_encoder::fail_value(const column_program& x, const value& from,
                             complaint wrong) {
  if (wrong == not_a_json_number)
    return facts_.fail_payload();
  return facts_.fail(reject_stage::map,
                     std::format("{}: found {}, expected {}", x.label,
                                 describe(from), wrong));
}

bool row_encoder::key_is_known(const write_program& x,
                               const std::size_t* fields) {
  for (auto i : x.key)
    // A null's length is the only one below zero.
    if (tuples_.data()[fields[i]] & 0x80)
      return facts_.fail(reject_stage::map,
                         x.columns[i].label
                           + ": found null, but the column is part of the key");
  return true;
}

key_hash row_encoder::key_of(const write_program& x,
                             const std::size_t* fields) {
  key_bytes_.truncate(0);
  for (auto i : x.key) {
    auto field = tuples_.view(fields[i]).substr(0, fields[i + 1] - fields[i]);
    // A null stays what it is, too.
    if (field.size() == 4 || byte_key(x.columns[i].how.kind))
      key_bytes_.put(field);
    else
      put_key(x.columns[i].how, field.substr(4), key_bytes_);
  }
  auto hash = XXH3_128bits(key_bytes_.data(), key_bytes_.size());
  return {hash.high64, hash.low64};
}

void row_encoder::append_to(std::vector<row_block>& blocks, int64_t offset) {
  std::size_t from = 0;
  for (const auto& row : rows_) {
    const auto& write = program_.writes[row.write];
    auto fields = fields_.data() + row.fields;
    auto end = fields[write.columns.size()];
    auto& block = blocks[row.write];
    auto tuple
      = std::as_bytes(std::span{tuples_.view().substr(from, end - from)});
    block.bytes.insert(block.bytes.end(), tuple.begin(), tuple.end());
    block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
    block.offsets.push_back(offset);
    // Hashed late: the fields were written in small pieces, and reading them
    // in bigger ones at once would wait for the stores.
    if (!write.key.empty())
      block.keys.push_back(key_of(write, fields));
    from = end;
  }
}

} // namespace millrace::detail
