#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace millrace;

namespace {

struct bad_config {
  std::string rule;
  std::string text;
  std::string expected;
};

/// Whether some line begins with the name, as a key or as a table.
bool mentions(const std::string& text, std::string_view name) {
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    auto start = line.find_first_not_of(" [");
    if (start != line.npos
        && std::string_view{line}.substr(start).starts_with(name))
      return true;
  }
  return false;
}

/// Adds what every configuration must have.
std::string complete(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> parts{{
    {"postgresql", "[postgresql]\nurl = \"postgresql://h/d\"\n"},
    {"kafka", "[kafka]\nbootstrap = \"h:9092\"\n"},
    {"tenant", "[[tenant]]\nname = \"demo\"\n"},
    {"pipeline", "[pipeline.ticks]\npack = \"ticks\"\ntenant = \"'demo'\"\n"},
  }};
  auto given = text;
  for (const auto& [name, part] : parts)
    if (!mentions(given, name))
      text += part;
  return text;
}

std::vector<bad_config> read_table() {
  std::ifstream file{test::source_dir / "tests/config/bad_configs.txt"};
  std::vector<bad_config> result;
  auto* part = static_cast<std::string*>(nullptr);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      result.push_back({line.substr(4), "", ""});
      part = &result.back().text;
    } else if (line == "---") {
      part = &result.back().expected;
    } else if (part && !(line.empty() && part == &result.back().expected)) {
      *part += line + "\n";
    }
  }
  return result;
}

/// So that messages do not depend on where the sources are.
std::string without_folder(std::string text) {
  auto folder = (test::source_dir / "config/packs").string();
  for (std::size_t i = 0; (i = text.find(folder, i)) != text.npos;)
    text.replace(i, folder.size(), "PACKS");
  return text;
}

} // namespace

TEST_CASE("a bad configuration is refused with its exact messages") {
  auto table = read_table();
  REQUIRE(table.size() >= 100);
  std::set<std::string> rules;
  for (const auto& x : table) {
    DYNAMIC_SECTION(x.rule) {
      REQUIRE(rules.insert(x.rule).second);
      REQUIRE_FALSE(x.expected.empty());
      auto whole = x.rule.starts_with("whole: ");
      auto text = whole ? x.text : complete(x.text);
      auto result = parse_config(text, "bad.toml", test::outside());
      auto found = without_folder(test::messages(result));
      CHECK(found == x.expected);
      CHECK_FALSE(found.contains("hunter2"));
      CHECK_FALSE(found.contains("s3cret"));
    }
  }
}

TEST_CASE("what is added to a bad configuration is not bad itself") {
  auto result = parse_config(complete(""), "good.toml", test::outside());
  CHECK(test::messages(result) == "");
}
