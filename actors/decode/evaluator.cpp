#include "actors/decode/evaluator.hpp"

#include "actors/decode/moment.hpp"
#include "actors/decode/reason.hpp"

#include <charconv>
#include <cstring>
#include <format>

namespace millrace::detail {

evaluator::evaluator(const program_data& program)
  : program_{program},
    scanner_{program} {
  // nop
}

bool evaluator::open(const record_view& record) {
  record_ = &record;
  headers_loaded_ = false;
  texts_.reset();
  row_texts_ = {};
  type_.reset();
  payload_good_ = false;
  readable_.reset();
  if (!record.value) {
    scanner_.reset();
    return program_.takes_tombstones
           || fail(reject_stage::decode, std::string{no_tombstones});
  }
  if (is_oversized()) {
    scanner_.reset();
    return fail(reject_stage::decode,
                std::format("found a payload of {} bytes, expected at most {} "
                            "(limits.max_record_bytes)",
                            record.value->size(), program_.max_record_bytes));
  }
  payload_good_ = scanner_.scan(*record.value);
  return payload_good_ || fail(reject_stage::decode, scanner_.reason());
}

bool evaluator::fail(reject_stage stage, std::string reason) {
  failure_ = {stage, std::move(reason)};
  return false;
}

bool evaluator::fail_payload() {
  return fail(reject_stage::decode, payload_scanner::diagnose(*record_->value));
}

bool evaluator::is_json() const noexcept {
  std::size_t at = 0;
  return payload_good_ && !scan_json(*record_->value, 0, -1, nullptr, at);
}

bool evaluator::check_payload() {
  return !payload_good_ || is_json() || fail_payload();
}

bool evaluator::readable() {
  // What nobody has asked for may be anything so far.
  if (!readable_)
    readable_ = is_json() && !jsonb_complaint(scanner_.payload());
  return *readable_;
}

std::span<const header_view> evaluator::headers() {
  if (!headers_loaded_) {
    headers_ = record_->lazy_headers ? record_->lazy_headers->load()
                                     : record_->headers;
    headers_loaded_ = true;
  }
  return headers_;
}

bool evaluator::run(int step, value& out) {
  const auto& x = program_.steps[static_cast<std::size_t>(step)];
  switch (x.kind) {
    case expression_kind::path:
      if (!payload_good_)
        return fail(reject_stage::decode, "the payload is not JSON");
      out = scanner_.slot(x.slot);
      if (out.kind == value_kind::blocked)
        return fail(reject_stage::map,
                    std::format("found {} to {}, expected objects",
                                describe(out), x.source));
      return true;
    case expression_kind::text:
    case expression_kind::number:
    case expression_kind::boolean:
    case expression_kind::null:
      out = x.constant;
      return true;
    case expression_kind::code: {
      value from;
      int number = -1;
      const auto& table = program_.tables[static_cast<std::size_t>(x.table)];
      if (!run(x.arguments.front(), from))
        return false;
      // Beside a value for all others what is not there is no failure.
      if (x.arguments.size() == 2)
        number = entry_of(from, table);
      else if (!code(from, table, x.source, number))
        return false;
      if (number >= 0)
        out = table.values[static_cast<std::size_t>(number)];
      else if (x.arguments.size() == 2)
        return run(x.arguments[1], out);
      else
        out = {.kind = value_kind::null};
      return true;
    }
    case expression_kind::header:
      return header(x, out);
    case expression_kind::coalesce:
      return coalesce(x, out);
    case expression_kind::required:
      return required(x, out);
    case expression_kind::lower:
    case expression_kind::upper:
    case expression_kind::trim:
      return change(x, out);
    case expression_kind::concat:
      return concat(x, out);
    case expression_kind::key:
    case expression_kind::topic:
    case expression_kind::timestamp:
    case expression_kind::partition:
    case expression_kind::offset:
    case expression_kind::payload:
    case expression_kind::raw:
    case expression_kind::readable:
    case expression_kind::type:
    case expression_kind::index:
    case expression_kind::item_index:
      return fact(x, out);
    case expression_kind::first_header:
      return first_header(out);
    default:
      return is_condition(x.kind) ? condition(x, out) : function(x, out);
  }
}

bool evaluator::fact(const step& x, value& out) {
  out = {};
  switch (x.kind) {
    case expression_kind::key:
      if (record_->key)
        out = value::of_text(*record_->key);
      else
        out.kind = value_kind::null;
      return true;
    case expression_kind::topic:
      out = value::of_text(record_->topic);
      return true;
    case expression_kind::timestamp:
      out.kind = record_->timestamp_ms < 0 ? value_kind::null
                                           : value_kind::instant;
      out.number = record_->timestamp_ms;
      return true;
    case expression_kind::partition:
      out.kind = value_kind::integer;
      out.number = record_->partition;
      return true;
    case expression_kind::offset:
      out.kind = value_kind::integer;
      out.number = record_->offset;
      return true;
    case expression_kind::type:
      if (type_)
        out = value::of_text(*type_);
      else
        out.kind = value_kind::null;
      return true;
    case expression_kind::index:
      out.kind = value_kind::integer;
      out.number = row_index_;
      return true;
    case expression_kind::item_index:
      out.kind = value_kind::integer;
      out.number = places_[static_cast<std::size_t>(x.detail)];
      return true;
    case expression_kind::raw:
      if (record_->value)
        out = {.kind = value_kind::payload, .text = *record_->value};
      else
        out.kind = value_kind::null;
      return true;
    case expression_kind::readable:
      out = {.kind = value_kind::boolean, .truth = readable()};
      return true;
    default:
      if (!payload_good_)
        return fail(reject_stage::decode, "the payload is not JSON");
      out = {.kind = value_kind::payload,
             .in_payload = true,
             .fits_jsonb = readable_.value_or(false),
             .text = scanner_.payload()};
      return true;
  }
}

bool evaluator::header(const step& x, value& out) {
  out = {.kind = value_kind::missing};
  for (const auto& candidate : headers())
    if (candidate.name == x.text)
      out = candidate.value ? value::of_text(*candidate.value)
                            : value{.kind = value_kind::null};
  return true;
}

bool evaluator::first_header(value& out) {
  auto all = headers();
  if (all.empty())
    out = {.kind = value_kind::missing};
  else
    out = all.front().value ? value::of_text(*all.front().value)
                            : value{.kind = value_kind::null};
  return true;
}

bool evaluator::coalesce(const step& x, value& out) {
  for (auto argument : x.arguments) {
    if (!run(argument, out))
      return false;
    if (!out.is_null())
      return true;
  }
  return true;
}

bool evaluator::required(const step& x, value& out) {
  if (!run(x.arguments.front(), out))
    return false;
  if (!out.is_null())
    return true;
  return fail(reject_stage::map, std::format("found {}, but the value is {}",
                                             describe(out), x.source));
}

bool evaluator::change(const step& x, value& out) {
  value from;
  if (!run(x.arguments.front(), from))
    return false;
  if (from.is_null()) {
    out = from;
    return true;
  }
  auto text = text_of(from);
  if (!text)
    return fail(reject_stage::map, std::format("found {} for {}, expected text",
                                               describe(from), x.source));
  if (x.kind == expression_kind::trim) {
    while (text->starts_with(' '))
      text->remove_prefix(1);
    while (text->ends_with(' '))
      text->remove_suffix(1);
    out = value::of_text(*text);
    return true;
  }
  auto first = x.kind == expression_kind::lower ? 'A' : 'a';
  auto to = texts_.take(text->size());
  for (std::size_t i = 0; i < text->size(); ++i) {
    auto c = (*text)[i];
    to[i] = c >= first && c <= first + 25 ? static_cast<char>(c ^ 0x20) : c;
  }
  out = value::of_text({to, text->size()});
  return true;
}

bool evaluator::concat(const step& x, value& out) {
  std::string_view all;
  for (auto argument : x.arguments) {
    value from;
    if (!run(argument, from))
      return false;
    if (from.is_null())
      continue;
    auto text = text_of(from);
    if (!text)
      return fail(reject_stage::map,
                  std::format("found {} for {}, expected text", describe(from),
                              x.source));
    auto size = all.size() + text->size();
    auto to = texts_.take(size);
    if (!all.empty())
      std::memcpy(to, all.data(), all.size());
    if (!text->empty())
      std::memcpy(to + all.size(), text->data(), text->size());
    all = {to, size};
  }
  out = value::of_text(all);
  return true;
}

std::optional<std::string_view> evaluator::text_of(const value& x) {
  switch (x.kind) {
    case value_kind::string: {
      if (!x.escaped)
        return x.text;
      auto to = texts_.take(x.text.size());
      auto end = unescape(x.text, to);
      return std::string_view{to, static_cast<std::size_t>(end - to)};
    }
    case value_kind::number:
    case value_kind::payload:
      return x.text;
    case value_kind::boolean:
      return x.truth ? "true" : "false";
    case value_kind::moment: {
      auto to = texts_.take(max_moment);
      return std::string_view{to, write_moment(x.number, to)};
    }
    case value_kind::integer:
    case value_kind::instant: {
      auto to = texts_.take(24);
      auto end = std::to_chars(to, to + 24, x.number).ptr;
      return std::string_view{to, static_cast<std::size_t>(end - to)};
    }
    default:
      return std::nullopt;
  }
}

std::optional<std::string_view> evaluator::text(int step,
                                                std::string_view what) {
  const auto& program = program_.steps[static_cast<std::size_t>(step)];
  if (program.kind == expression_kind::path && payload_good_) {
    const auto& from = scanner_.slot(program.slot);
    if (from.kind == value_kind::string && !from.escaped) [[likely]]
      return from.text;
  }
  value x;
  if (!run(step, x))
    return std::nullopt;
  if (auto text = text_of(x))
    return text;
  fail(reject_stage::map,
       std::format("{}: found {} for {}, expected text or a number", what,
                   describe(x), program.source));
  return std::nullopt;
}

int evaluator::entry_of(const value& x, const code_table& table) {
  if (x.is_null())
    return -1;
  auto text = text_of(x);
  return text ? table.index.find(*text) : -1;
}

bool evaluator::code(const value& x, const code_table& table,
                     std::string_view source, int& out) {
  out = entry_of(x, table);
  if (out >= 0 || x.is_null())
    return true;
  return fail(reject_stage::map,
              std::format("{}: found {}, expected one of the code table {}",
                          source, describe(x), table.name));
}

} // namespace millrace::detail
