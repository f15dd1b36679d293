#include "nodes/cli/dlq_text.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/store/copy_rows.hpp"
#include "config/values.hpp"
#include "nodes/cli/console.hpp"

#include <algorithm>
#include <format>

namespace millrace::cli {

namespace {

/// A reason in a table: more is told by `show`.
constexpr std::size_t max_reason_bytes = 120;

std::string code_of(const std::string& stage, const std::string& sqlstate) {
  return sqlstate.empty() ? stage : stage + ' ' + sqlstate;
}

void write_info(json_writer& out, const dead_letter_info& x) {
  out.key("lane").string(to_string(x.id.lane));
  out.key("seq").integer(x.id.number.value);
  out.key("topic").string(x.topic);
  out.key("topic_uuid").string(to_string(x.source.topic));
  out.key("partition").integer(x.source.number.value);
  out.key("offset").integer(x.at.value);
  out.key("stage").string(x.stage);
  if (!x.sqlstate.empty())
    out.key("sqlstate").string(x.sqlstate);
  out.key("reason").string(x.reason);
  out.key("at").string(x.time);
  out.key("bytes").integer(x.bytes);
  if (x.value_bytes) {
    out.key("value_bytes").integer(*x.value_bytes);
    out.key("value_sha256").string(x.value_sha256);
  }
}

void write_bytes(json_writer& out, const std::string& name,
                 const std::optional<std::string>& x) {
  if (!x)
    out.key(name).null();
  else if (is_readable(*x))
    out.key(name).string(*x);
  else
    out.key(name + "_hex").string(hex_text(*x));
}

std::string shown(const std::optional<std::string>& x) {
  if (!x)
    return "null";
  if (!is_readable(*x))
    return "0x" + hex_text(*x);
  std::string result;
  std::string_view rest = *x;
  for (;;) {
    auto end = rest.find('\n');
    result += printable(rest.substr(0, end));
    if (end == rest.npos)
      return result;
    result += "\n           ";
    rest.remove_prefix(end + 1);
  }
}

} // namespace

bool is_readable(std::string_view bytes) {
  auto control = std::ranges::any_of(bytes, [](char c) {
    auto x = static_cast<unsigned char>(c);
    return (x < 0x20 && c != '\n' && c != '\r' && c != '\t') || x == 0x7f;
  });
  return !control && clean_text(bytes, bytes.size()) == bytes;
}

std::string hex_text(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  result.reserve(2 * bytes.size());
  for (auto c : bytes) {
    auto x = static_cast<unsigned char>(c);
    result += digits[x >> 4];
    result += digits[x & 15];
  }
  return result;
}

std::string dead_letters_text(const std::vector<dead_letter_info>& all) {
  std::vector<std::vector<std::string>> rows{
    {"LANE", "SEQ", "RECORD", "STAGE", "BYTES", "AT", "REASON"}};
  for (const auto& x : all)
    rows.push_back(
      {to_string(x.id.lane), std::to_string(x.id.number.value),
       std::format("{}/{}@{}", x.topic, x.source.number.value, x.at.value),
       code_of(x.stage, x.sqlstate),
       std::to_string(x.bytes) + (x.value_bytes ? " (cut)" : ""), x.time,
       clean_text(x.reason, max_reason_bytes)});
  return table_text(rows);
}

std::string dead_letters_json(const std::vector<dead_letter_info>& all) {
  json_writer out;
  out.begin_array();
  for (const auto& x : all) {
    out.begin_object();
    write_info(out, x);
    out.end_object();
  }
  out.end_array();
  return std::move(out).str() + '\n';
}

std::string dead_letter_text(const dead_letter& x) {
  auto result = std::format("lane:      {}\nseq:       {}\n"
                            "record:    {}/{}@{} ({})\nset aside: {}\n"
                            "stage:     {}\nreason:    {}\n",
                            printable(to_string(x.id.lane)), x.id.number.value,
                            printable(x.topic), x.source.number.value,
                            x.at.value, to_string(x.source.topic), x.time,
                            printable(code_of(x.stage, x.sqlstate)),
                            printable(x.reason));
  if (x.timestamp_ms >= 0)
    result += std::format("timestamp: {} ms\n", x.timestamp_ms);
  result += "key:       " + shown(x.key) + '\n';
  for (const auto& header : x.headers)
    result += "header:    " + printable(header.name) + " = "
              + shown(header.value) + '\n';
  if (x.value_bytes)
    result += std::format("cut:       the value's first {} of {} bytes are "
                          "kept; SHA-256 of all: {}\n",
                          x.value.value_or("").size(), *x.value_bytes,
                          x.value_sha256);
  return result + "value:     " + shown(x.value) + '\n';
}

std::string dead_letter_json(const dead_letter& x) {
  json_writer out;
  out.begin_object();
  write_info(out, x);
  if (x.timestamp_ms >= 0)
    out.key("timestamp_ms").integer(x.timestamp_ms);
  write_bytes(out, "key", x.key);
  out.key("headers").begin_array();
  for (const auto& header : x.headers) {
    out.begin_object();
    out.key("name").string(header.name);
    write_bytes(out, "value", header.value);
    out.end_object();
  }
  out.end_array();
  write_bytes(out, "value", x.value);
  out.end_object();
  return std::move(out).str() + '\n';
}

std::string counts_text(const std::vector<dead_letter_count>& all) {
  std::vector<std::vector<std::string>> rows{
    {"COUNT", "PIPELINE", "TENANT", "STAGE", "LAST", "REASON"}};
  for (const auto& x : all)
    rows.push_back({std::to_string(x.number), x.pipeline, x.tenant,
                    code_of(x.stage, x.sqlstate), x.last,
                    clean_text(x.reason, max_reason_bytes)});
  return table_text(rows);
}

std::string counts_json(const std::vector<dead_letter_count>& all) {
  json_writer out;
  out.begin_array();
  for (const auto& x : all) {
    out.begin_object();
    out.key("count").integer(x.number);
    out.key("pipeline").string(x.pipeline);
    out.key("tenant").string(x.tenant);
    out.key("stage").string(x.stage);
    if (!x.sqlstate.empty())
      out.key("sqlstate").string(x.sqlstate);
    out.key("reason").string(x.reason);
    out.key("last").string(x.last);
    out.end_object();
  }
  out.end_array();
  return std::move(out).str() + '\n';
}

} // namespace millrace::cli
