// The examples of docs/mapping.md do what the page says, and there is one for
// every word of the language.

#include "actors/decode/explain.hpp"
#include "actors/decode/expression_words.hpp"
#include "config/load.hpp"
#include "tests/docs/markdown.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ranges>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

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

// -- expressions --------------------------------------------------------------

/// `x of {…} gives y`.
struct expression_example {
  std::string expression;
  std::string payload;
  std::string value;
};

std::string without_end_spaces(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

expression_example example_of(const std::string& line) {
  auto of = line.find(" of {");
  auto gives = line.rfind(" gives ");
  INFO(line);
  REQUIRE(of != line.npos);
  REQUIRE(gives != line.npos);
  return {without_end_spaces(line.substr(0, of)),
          without_end_spaces(line.substr(of + 4, gives - of - 4)),
          line.substr(gives + 7)};
}

std::vector<expression_example> expression_examples(const page& of) {
  std::vector<expression_example> result;
  for (const auto& block : of.blocks)
    if (block.language == "mapping")
      for (const auto& line : lines_of(block.text))
        result.push_back(example_of(line));
  return result;
}

/// What a column gets from an expression; the record is that of the page's
/// introduction.
std::string value_of(const expression_example& example) {
  pipeline_config config;
  config.name = "p";
  config.topics = {"t"};
  config.tenant.text = "'north'";
  config.event_type.text = "header('event-type')";
  config.codes
    = {{"states", {{"NEW", "1"}, {"PAID", "2"}, {"CANCELLED", "9"}}, {}}};
  auto& event = config.events.emplace_back();
  event.name = "Order";
  event.route.text = "@partition";
  auto& write = event.writes.emplace_back();
  write.table = "t";
  write.columns.push_back({"c", {example.expression, {}}, {}});
  const std::vector<std::string> tenants{"north"};
  const std::vector<header_view> headers{{"event-type", "Order"},
                                         {"trace", "t-1"}};
  auto x = explain(compiled(config), 1, tenants,
                   {.topic = "exchange.north.v1",
                    .timestamp_ms = 1'768'824'000'000,
                    .key = "42",
                    .value = example.payload,
                    .headers = headers});
  if (x.rows.empty())
    return "a dead letter";
  return x.rows.at(0).columns.at(0).value.value_or("NULL");
}

// -- events -------------------------------------------------------------------

/// A configuration, events, and the rows that these become.
struct rows_example {
  std::string toml;
  std::string events;
  std::string rows;
};

std::vector<rows_example> rows_examples(const page& of) {
  std::vector<rows_example> result;
  rows_example next;
  for (const auto& block : of.blocks) {
    if (block.language == "toml")
      next = {block.text, {}, {}};
    else if (block.language == "events")
      next.events = block.text;
    else if (block.language == "rows") {
      next.rows = block.text;
      result.push_back(next);
    }
  }
  return result;
}

/// A line: `key=…`, headers as `name=value`, a word alone as the header
/// `event-type`, and then the payload; `null` is a tombstone.
class event_line {
public:
  explicit event_line(std::string_view line) {
    record_.topic = "exchange.north.v1";
    record_.timestamp_ms = 1'768'824'000'000;
    while (!line.starts_with('{') && line != "null") {
      auto end = line.find(' ');
      REQUIRE(end != line.npos);
      add(line.substr(0, end));
      line.remove_prefix(end + 1);
    }
    if (line != "null")
      record_.value = line;
  }

  record_view record() const {
    auto result = record_;
    result.headers = headers_;
    return result;
  }

private:
  void add(std::string_view word) {
    auto sign = word.find('=');
    if (sign == word.npos)
      headers_.push_back({"event-type", word});
    else if (word.substr(0, sign) == "key")
      record_.key = word.substr(sign + 1);
    else
      headers_.push_back({word.substr(0, sign), word.substr(sign + 1)});
  }

  record_view record_;
  std::vector<header_view> headers_;
};

/// The write that a row comes from: the page's examples have no two of one
/// event, kind and table.
const write_config& write_of(const pipeline_config& pipeline,
                             const explained_row& row) {
  auto event = std::ranges::find(pipeline.events, row.event,
                                 &event_config::name);
  REQUIRE(event != pipeline.events.end());
  auto write = std::ranges::find_if(event->writes, [&](const auto& x) {
    return x.table == row.table && x.kind == row.kind;
  });
  REQUIRE(write != event->writes.end());
  return *write;
}

/// What becomes of an event without the row.
std::string_view otherwise(const write_config& write) {
  if (write.kind == write_kind::append || write.kind == write_kind::upsert)
    return "";
  switch (missing_policy_of(write)) {
    case missing_policy::wait:
      return ", else waits";
    case missing_policy::reject:
      return ", else rejected";
    default:
      return ", else ignored";
  }
}

std::string text_of(const explained_row& row, const write_config& write) {
  auto result = (write.always ? "always " : "") + to_string(row.kind) + ' '
                + row.table;
  auto word = " by ";
  for (const auto& column : row.columns)
    if (column.in_key)
      result += std::exchange(word, ", ") + column.name;
  if (!row.only_if_newer.empty())
    result += " if " + row.only_if_newer + " is newer";
  (result += otherwise(write)) += ':';
  for (const auto& column : row.columns)
    result += ' ' + column.name + '=' + column.value.value_or("NULL");
  return result + '\n';
}

/// The rows of events, one a line, as the page shows them.
std::string rows_of(const std::string& toml, const std::string& events) {
  auto config = parse_config(toml, "mapping.md", {});
  REQUIRE(config);
  const auto& pipeline = config->pipelines.at(0);
  auto program = compiled(pipeline);
  std::vector<std::string> tenants;
  for (const auto& x : config->tenants)
    tenants.push_back(x.name);
  std::string result;
  for (const auto& line : lines_of(events)) {
    INFO(line);
    event_line event{line};
    auto x = explain(program, pipeline.lanes, tenants, event.record());
    if (!x.reason.empty())
      result += "dead letter: " + x.reason + '\n';
    else if (x.what == outcome::filtered)
      result += "filtered\n";
    for (const auto& row : x.rows)
      result += text_of(row, write_of(pipeline, row));
  }
  return result;
}

// -- words --------------------------------------------------------------------

/// Whether the text has this word, and not only as a part of another.
bool has_word(std::string_view text, std::string_view word) {
  auto inside = [&](std::size_t at) {
    return at < text.size() && detail::is_name(text[at]);
  };
  for (auto at = text.find(word); at != text.npos;
       at = text.find(word, at + 1)) {
    auto end = at + word.size();
    auto joined = (detail::is_name(word.front()) && at > 0 && inside(at - 1))
                  || (detail::is_name(word.back()) && inside(end));
    if (!joined)
      return true;
  }
  return false;
}

/// What a person can write, by the tables of the language.
std::vector<std::string> words_of_expressions() {
  std::vector<std::string> result{"code(",  "header(", "header(1)",
                                  "index(", "not in",  "''"};
  for (const auto& x : detail::facts)
    result.push_back('@' + std::string{x.name});
  for (const auto& x : detail::functions)
    result.push_back(std::string{x.name} + '(');
  for (const auto& x : detail::operators)
    result.push_back(' ' + std::string{x.sign} + ' ');
  for (const auto& x : detail::epoch_units)
    result.push_back('\'' + std::string{x.name} + '\'');
  for (auto x : detail::time_parts)
    result.push_back('\'' + std::string{x} + '\'');
  for (auto x : detail::reserved_words)
    result.emplace_back(x);
  return result;
}

std::vector<std::string> words_of_writes() {
  std::vector<std::string> result{"only_if_newer = ",
                                  "always = true",
                                  "every = true",
                                  "on = \"tombstone\"",
                                  "unmatched = \"ignore\"",
                                  "member_names = \"any_case\"",
                                  "types = [",
                                  "when = "};
  for (auto x : {write_kind::append, write_kind::upsert, write_kind::update,
                 write_kind::remove, write_kind::soft_delete})
    result.push_back("kind = \"" + to_string(x) + '"');
  for (auto x :
       {missing_policy::wait, missing_policy::reject, missing_policy::ignore})
    result.push_back("on_missing = \"" + to_string(x) + '"');
  return result;
}

} // namespace

TEST_CASE("expressions in the guide yield what it says") {
  auto examples = expression_examples(guide());
  REQUIRE_FALSE(examples.empty());
  for (const auto& x : examples) {
    INFO(x.expression << " of " << x.payload);
    CHECK(value_of(x) == x.value);
  }
}

TEST_CASE("events in the guide become the rows that it shows") {
  auto examples = rows_examples(guide());
  REQUIRE_FALSE(examples.empty());
  for (const auto& x : examples)
    CHECK(rows_of(x.toml, x.events) == x.rows);
}

TEST_CASE("every word of the language is in an example that is run") {
  auto all = guide();
  std::string expressions;
  for (const auto& x : expression_examples(all))
    expressions += x.expression + '\n';
  std::string configurations;
  for (const auto& x : rows_examples(all))
    configurations += x.toml;
  for (const auto& word : words_of_expressions()) {
    INFO(word);
    CHECK(has_word(expressions + configurations, word));
  }
  for (const auto& word : words_of_writes()) {
    INFO(word);
    CHECK(has_word(configurations, word));
  }
  // Loops: one inside another, and arrays one behind the other.
  CHECK(has_word(configurations, "each = \"leg in .legs, fill in leg.fills\""));
  CHECK(has_word(configurations, "in .Borrower and .Lender"));
  // What can be called with fewer values is called with each number of them.
  for (const auto* x : {"code(states, .state)", "code(states, .state, 0)",
                        "substring(.a, 3)", "substring(.at, 12, 8)"})
    CHECK(has_word(expressions, x));
}

TEST_CASE("a word counts only as a whole") {
  CHECK(has_word("x = @index", "@index"));
  CHECK_FALSE(has_word("x = @indexes", "@index"));
  CHECK_FALSE(has_word("null_if(.a)", "if("));
  CHECK(has_word("null_if(if(.a))", "if("));
}
