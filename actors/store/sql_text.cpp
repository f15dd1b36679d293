#include "actors/store/sql_text.hpp"

#include "messages/fnv.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace millrace {

namespace {

/// NAMEDATALEN - 1.
constexpr std::size_t max_name_bytes = 63;

void append(std::string& out, int64_t x) {
  char buffer[24];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), x).ptr;
  out.append(buffer, end);
}

} // namespace

std::string quote_identifier(std::string_view name) {
  if (name.empty() || name.size() > max_name_bytes
      || name.find('\0') != name.npos)
    throw std::invalid_argument("not a usable SQL name: \"" + std::string{name}
                                + '"');
  std::string result = "\"";
  for (auto c : name) {
    if (c == '"')
      result += '"';
    result += c;
  }
  result += '"';
  return result;
}

std::string quote_identifier(std::string_view schema, std::string_view table) {
  return quote_identifier(schema) + '.' + quote_identifier(table);
}

std::string quote_literal(std::string_view text) {
  if (text.find('\0') != text.npos)
    throw std::invalid_argument("a text for SQL holds a NUL character");
  std::string result = text.find('\\') == text.npos ? "'" : "E'";
  for (auto c : text) {
    if (c == '\'' || c == '\\')
      result += c;
    result += c;
  }
  result += '\'';
  return result;
}

std::string array_text(std::span<const std::optional<int64_t>> xs) {
  std::string result = "{";
  for (const auto& x : xs) {
    if (result.size() > 1)
      result += ',';
    if (x)
      append(result, *x);
    else
      result += "NULL";
  }
  result += '}';
  return result;
}

std::string array_text(std::span<const std::string> xs) {
  std::string result = "{";
  for (const auto& x : xs) {
    if (result.size() > 1)
      result += ',';
    result += '"';
    for (auto c : x) {
      if (c == '"' || c == '\\')
        result += '\\';
      result += c;
    }
    result += '"';
  }
  result += '}';
  return result;
}

std::optional<std::vector<int64_t>> parse_array(std::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}')
    return std::nullopt;
  std::vector<int64_t> result;
  text = text.substr(1, text.size() - 2);
  while (!text.empty()) {
    int64_t x = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), x);
    if (ec != std::errc{})
      return std::nullopt;
    result.push_back(x);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty())
      break;
    if (text.front() != ',' || text.size() == 1)
      return std::nullopt;
    text.remove_prefix(1);
  }
  return result;
}

std::string claim_statement(const claim& x) {
  using numbers = std::vector<std::optional<int64_t>>;
  numbers slots, olds, froms, tos, firsts;
  for (const auto& range : x.ranges) {
    // PostgreSQL counts from 1.
    std::optional<int64_t> position = int64_t{range.at.value} + 1;
    if (std::ranges::find(slots, position) != slots.end())
      throw std::invalid_argument("a claim names a slot twice");
    slots.push_back(position);
    olds.push_back(range.old_next.value);
    froms.push_back(range.range.from.value);
    tos.push_back(range.range.to.value);
    firsts.push_back(
      range.first_event.transform([](offset at) { return at.value; }));
  }
  auto result = "SELECT millrace.claim(" + quote_literal(x.lane.pipeline) + ','
                + quote_literal(x.lane.tenant) + ',';
  append(result, x.lane.number.value);
  result += ',';
  append(result, x.epoch.value);
  result += ",'" + to_string(x.owner) + "',";
  append(result, x.next_seq.value);
  result += ',';
  append(result, x.seqs);
  result += ',';
  append(result, x.map_version.value);
  result += ',';
  append(result, static_cast<int64_t>(x.shape.value));
  for (const auto* column : {&slots, &olds, &froms, &tos, &firsts})
    result += ",'" + array_text(*column) + '\'';
  result += ')';
  return result;
}

std::string take_waiting_statement(const flush& x) {
  const auto& lane = x.claim.lane;
  std::vector<std::optional<int64_t>> numbers;
  for (auto number : x.taken)
    numbers.push_back(number.value);
  auto result = "SELECT millrace.take_waiting(" + quote_literal(lane.pipeline)
                + ',' + quote_literal(lane.tenant) + ',';
  append(result, lane.number.value);
  return result + ",'" + array_text(numbers) + "')";
}

std::string writer_name(const lane_id& lane) {
  auto full = to_string(lane);
  // The separator may be part of a name: hash the parts with their lengths.
  auto hash = fnv_start;
  for (const auto* part : {&lane.pipeline, &lane.tenant})
    hash = fnv(fnv(hash, std::to_string(part->size()) + ':'), *part);
  hash = fnv(hash, std::to_string(lane.number.value));
  auto result = "millrace writer " + hex(hash) + ' ';
  for (auto c : full) {
    if (result.size() == max_name_bytes)
      break;
    result += c > ' ' && c < '\x7f' ? c : '?';
  }
  return result;
}

} // namespace millrace
