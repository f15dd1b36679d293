#pragma once

// Decodes records by a pipeline whose columns all are of types that a test can
// read back, and shows the rows.

#include "tests/decode/sample.hpp"

#include <cstdint>
#include <format>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::test {

/// A table of nullable text columns.
inline table_schema text_table(std::string name,
                               std::initializer_list<std::string> columns) {
  table_schema result{"s", std::move(name), {}, {}};
  for (const auto& x : columns)
    result.columns.push_back(column(x, "text", 25));
  return result;
}

/// The rows of a block of text columns: fields with commas in between, NULL
/// as it is.
inline std::vector<std::string> text_rows(const row_block& block) {
  std::vector<std::string> result;
  std::string_view bytes{reinterpret_cast<const char*>(block.bytes.data()),
                         block.bytes.size()};
  std::size_t at = 0;
  auto big = [&](std::size_t size) {
    uint32_t number = 0;
    for (std::size_t i = 0; i < size; ++i)
      number = number << 8 | static_cast<unsigned char>(bytes[at++]);
    return number;
  };
  while (at < bytes.size()) {
    auto& row = result.emplace_back();
    for (auto fields = big(2); fields > 0; --fields) {
      auto size = static_cast<int32_t>(big(4));
      if (!row.empty())
        row += ',';
      if (size < 0) {
        row += "NULL";
        continue;
      }
      row += bytes.substr(at, static_cast<std::size_t>(size));
      at += static_cast<std::size_t>(size);
    }
  }
  return result;
}

/// A write into a table, as a test says it.
inline write_config write_into(std::string table, expressions columns) {
  return pipeline(std::move(table), columns).events[0].writes[0];
}

inline event_config event_of(std::string name,
                             std::vector<write_config> writes) {
  auto result = pipeline("x", {}).events[0];
  result.name = std::move(name);
  result.writes = std::move(writes);
  return result;
}

/// A pipeline without events, tenant "demo", route by partition.
inline pipeline_config pipeline_of(std::vector<event_config> events) {
  auto result = pipeline("x", {});
  result.events = std::move(events);
  return result;
}

inline expression_text said(std::string text) {
  return {std::move(text), {"p.toml", 7, 9}};
}

inline record_view record_with(std::string_view payload,
                               std::span<const header_view> headers = {}) {
  return {.topic = "t.north.x",
          .partition = 2,
          .offset = 7,
          .timestamp_ms = 1'768'824'000'123,
          .key = "k",
          .value = payload,
          .headers = headers};
}

inline std::string all_problems(const pipeline_config& config,
                                std::vector<table_schema> tables) {
  auto result = compile(config, tables);
  std::string out;
  if (!result)
    for (const auto& x : result.error())
      out += to_string(x) + '\n';
  return out;
}

} // namespace millrace::test
