// The examples of docs/mapping.md do what the page says.

#include "actors/decode/explain.hpp"
#include "config/load.hpp"
#include "tests/docs/markdown.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

using namespace millrace;
using namespace millrace::test;

namespace {

const std::filesystem::path source_dir = MILLRACE_SOURCE_DIR;

page guide() {
  std::ifstream in{source_dir / "docs/mapping.md"};
  REQUIRE(in);
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  return parse_markdown(text);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);)
    result.push_back(line);
  return result;
}

record_view record_of(std::string_view payload) {
  return {.topic = "exchange.north.v1",
          .timestamp_ms = 1'768'824'000'000,
          .value = payload};
}

program_ptr compiled(const pipeline_config& config) {
  auto program = compile(config, assumed_tables(config));
  std::string problems;
  if (!program)
    for (const auto& x : program.error())
      problems += to_string(x) + '\n';
  INFO(problems);
  REQUIRE(program);
  return *program;
}

/// What a column gets from an expression.
std::string value_of(const std::string& expression, std::string_view payload) {
  pipeline_config config;
  config.name = "p";
  config.topics = {"t"};
  config.tenant.text = "'north'";
  auto& event = config.events.emplace_back();
  event.name = "e";
  event.route.text = "@partition";
  auto& write = event.writes.emplace_back();
  write.table = "t";
  write.columns.push_back({"c", {expression, {}}, {}});
  const std::vector<std::string> tenants{"north"};
  auto x = explain(compiled(config), 1, tenants, record_of(payload));
  if (x.rows.empty())
    return "a dead letter";
  return x.rows.at(0).columns.at(0).value.value_or("NULL");
}

/// The rows of events, one a line, as the page shows them.
std::string rows_of(const std::string& toml, const std::string& events) {
  auto config = parse_config(toml, "mapping.md", {});
  REQUIRE(config);
  const auto& pipeline = config->pipelines.at(0);
  auto program = compiled(pipeline);
  const std::vector<std::string> tenants{config->tenants.at(0).name};
  std::string result;
  for (const auto& line : lines_of(events)) {
    auto space = line.find(' ');
    header_view type{"event-type", std::string_view{line}.substr(0, space)};
    auto record = record_of(std::string_view{line}.substr(space + 1));
    record.headers = {&type, 1};
    auto x = explain(program, pipeline.lanes, tenants, record);
    if (!x.reason.empty())
      result += "dead letter: " + x.reason + '\n';
    for (const auto& row : x.rows) {
      result += row.table;
      for (const auto& column : row.columns)
        result += ' ' + column.name + '=' + column.value.value_or("NULL");
      result += '\n';
    }
  }
  return result;
}

} // namespace

TEST_CASE("expressions in the guide yield what it says") {
  auto count = 0;
  for (const auto& block : guide().blocks) {
    if (block.language != "mapping")
      continue;
    for (const auto& line : lines_of(block.text)) {
      INFO(line);
      auto of = line.find(" of {");
      auto gives = line.rfind(" gives ");
      REQUIRE(of != line.npos);
      REQUIRE(gives != line.npos);
      auto payload = line.substr(of + 4, gives - of - 4);
      auto expression = line.substr(0, of);
      CHECK(value_of(expression, payload) == line.substr(gives + 7));
      ++count;
    }
  }
  CHECK(count >= 25);
}

TEST_CASE("events in the guide become the rows that it shows") {
  auto count = 0;
  std::string toml;
  std::string events;
  for (const auto& block : guide().blocks) {
    if (block.language == "toml")
      toml = block.text;
    else if (block.language == "events")
      events = block.text;
    else if (block.language == "rows") {
      CHECK(rows_of(toml, events) == block.text);
      ++count;
    }
  }
  CHECK(count >= 1);
}
