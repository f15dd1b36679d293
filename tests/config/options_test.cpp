#include "config/options.hpp"
#include "config/tree.hpp"
#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

using namespace millrace;

namespace {

std::string read_text(const std::filesystem::path& file) {
  std::ostringstream out;
  out << std::ifstream{file, std::ios::binary}.rdbuf();
  return out.str();
}

/// Every value of a document by its path with `*` for names that users choose
/// and `[]` for elements of lists of tables. All the values that were found.
using found_values = std::map<std::string, std::set<std::string>>;

void collect(const tree_node& from, const std::string& path, found_values& to) {
  to[path].insert(describe(from));
  if (from.kind == node_kind::table)
    for (const auto& x : from.members)
      collect(x.value,
              path == "pipeline" || path == "database" ? path + ".*"
              : path.empty()                           ? x.key
                                                       : path + "." + x.key,
              to);
  if (from.kind == node_kind::list)
    for (const auto& x : from.items)
      if (x.kind == node_kind::table)
        collect(x, path + "[]", to);
}

} // namespace

TEST_CASE("every option says what it is for") {
  std::set<std::string> paths;
  for (const auto& x : options()) {
    INFO(x.path);
    CHECK(paths.insert(x.path).second);
    CHECK(x.description.size() > 10);
    CHECK(x.description.ends_with('.'));
    CHECK_FALSE(expected_text(x).empty());
    if (x.type == option_type::integer || x.type == option_type::size
        || x.type == option_type::duration)
      CHECK(x.least < x.most);
    CHECK((x.type == option_type::choice) == !x.choices.empty());
    // A required option has no default, and a secret never has one.
    CHECK_FALSE((x.required && !x.default_value.empty()));
    if (x.type == option_type::secret)
      CHECK(x.default_value.empty());
  }
  CHECK(paths.size() >= 50);
}

TEST_CASE("the documentation is what the options say") {
  // Mend it with: millrace_docs > docs/configuration.md
  auto text = read_text(test::source_dir / "docs/configuration.md");
  auto generated = options_markdown();
  CHECK((text == generated));
}

TEST_CASE("the documentation names every option and its meaning") {
  auto text = options_markdown();
  for (const auto& x : options()) {
    INFO(x.path);
    auto key = x.path.substr(x.path.rfind('.') + 1);
    CHECK(text.contains("| `" + key + "` |"));
    CHECK(text.contains(x.description));
  }
}

TEST_CASE("the documentation's first file works") {
  auto text = options_markdown();
  auto begin = text.find("```toml\n") + 8;
  auto end = text.find("```", begin);
  auto outside = test::outside();
  outside.environment = [](const std::string&) { return "secret"; };
  auto result = parse_config(text.substr(begin, end - begin), "first.toml",
                             outside);
  CHECK(test::messages(result) == "");
}

TEST_CASE("full.toml shows every option with its default") {
  auto text = read_text(test::source_dir / "config/examples/full.toml");
  auto tree = parse_tree(text, "full.toml");
  REQUIRE(tree);
  found_values found;
  collect(*tree, "", found);
  for (const auto& x : options()) {
    INFO(x.path);
    if (x.path == "postgresql.url" || x.path == "database.*.url") {
      // Stands in a comment: it excludes the parts.
      CHECK(text.contains("\n# url = "));
      continue;
    }
    if (x.path == "kafka.group") {
      // Likewise: it excludes partitions in the table.
      CHECK(text.contains("\n# group = "));
      continue;
    }
    if (x.path.ends_with("partition[].archive")) {
      // Likewise: the folder has to be there.
      CHECK(text.contains("\n# archive = "));
      continue;
    }
    if (x.path == "migrations[].folder") {
      CHECK(text.contains("\n# folder = "));
      continue;
    }
    REQUIRE(found.contains(x.path));
    // What pipelines say shows them as well.
    if (!x.default_value.empty() && !x.path.starts_with("partition[]"))
      CHECK(found[x.path].contains(x.default_value));
  }
}

TEST_CASE("an option is described by its path, whatever the names in it") {
  CHECK(describe_option("node.admin.port")
        == "node.admin.port: integer\n"
           "  range: from 0 to 65535\n"
           "  default: 9650\n"
           "  TCP port; 0 takes any free one.\n");
  auto lanes = describe_option("pipeline.*.lanes");
  REQUIRE(lanes);
  CHECK(describe_option("pipeline.ticks.lanes") == lanes);
  auto key = describe_option("pipeline.*.event[].write[].key");
  REQUIRE(key);
  CHECK(describe_option("pipeline.x.event[0].write[12].key") == key);
  CHECK(describe_option("pipeline.x.event.write.key") == key);
  CHECK(describe_option("tenant.name"));
  for (auto path : {"", "node", "node.", "node.admin.port.x", "lanes",
                    "pipeline.lanes", "node.nmae"})
    CHECK_FALSE(describe_option(path));
}

TEST_CASE("units belong to durations and sizes") {
  for (const auto& x : options()) {
    if (x.path == "node.grace")
      CHECK(unit(x) == "milliseconds");
    if (x.path == "node.memory_bytes")
      CHECK(unit(x) == "bytes");
    if (x.path == "node.threads")
      CHECK(unit(x) == "");
  }
}
