#include "actors/admin/metric_names.hpp"
#include "actors/decode/program.hpp"
#include "actors/lane/lane_core.hpp"
#include "actors/lane/partition_cursor.hpp"
#include "config/load.hpp"
#include "tests/docs/markdown.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>

using namespace millrace;
using namespace millrace::test;
namespace fs = std::filesystem;

namespace {

const fs::path source_dir = MILLRACE_SOURCE_DIR;

std::string read(const fs::path& file) {
  std::ifstream in{file};
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Every page of the project, without what a build left behind.
const std::map<fs::path, page>& pages() {
  static const auto all = [] {
    std::map<fs::path, page> result;
    for (fs::recursive_directory_iterator i{source_dir}, end; i != end; ++i) {
      auto name = i->path().filename().string();
      if (i->is_directory() && (name == "build" || name.starts_with('.')))
        i.disable_recursion_pending();
      else if (i->path().extension() == ".md")
        result.emplace(i->path(), parse_markdown(read(i->path())));
    }
    return result;
  }();
  return all;
}

/// What is wrong with a configuration, one problem a line.
std::string problems(const std::string& text, const std::string& name) {
  load_options options;
  options.pack_directories = {source_dir / "config/packs"};
  options.environment = [](const std::string&) -> std::optional<std::string> {
    return "x";
  };
  auto parsed = parse_config(text, name, options);
  std::string result;
  if (!parsed) {
    for (const auto& x : parsed.error())
      result += to_string(x) + '\n';
    return result;
  }
  for (const auto& pipeline : parsed->pipelines)
    for (const auto& x : check_expressions(pipeline))
      result += to_string(x) + '\n';
  return result;
}

/// Why a link leads nowhere, or nothing.
std::optional<std::string> broken(const fs::path& from,
                                  const std::string& target) {
  if (target.contains("://"))
    return std::nullopt;
  auto hash = target.find('#');
  auto to = target.substr(0, hash);
  auto file = to.empty() ? from : (from.parent_path() / to).lexically_normal();
  if (!fs::exists(file))
    return "no such file";
  if (file.string().starts_with(source_dir.string()) == false)
    return "leaves the project";
  if (hash == target.npos)
    return std::nullopt;
  auto page = pages().find(file);
  if (page == pages().end())
    return "only pages have anchors";
  if (!page->second.anchors.contains(target.substr(hash + 1)))
    return "no such heading";
  return std::nullopt;
}

} // namespace

TEST_CASE("links, blocks and headings are found, but not within code") {
  auto x = parse_markdown("# One: `two` & Three\n"
                          "a [b](c.md#d) `[e](f)` [g](h)\n"
                          "```toml\n# not a heading [i](j)\n```\n"
                          "  ```\nk\n  ```\n");
  REQUIRE(x.links.size() == 2);
  CHECK(x.links[0].target == "c.md#d");
  CHECK(x.links[0].line == 2);
  CHECK(x.links[1].target == "h");
  REQUIRE(x.blocks.size() == 2);
  CHECK(x.blocks[0].language == "toml");
  CHECK(x.blocks[0].text == "# not a heading [i](j)\n");
  CHECK(x.blocks[0].line == 4);
  CHECK(x.blocks[1].text == "k\n");
  CHECK(x.anchors == std::set<std::string>{"one-two--three"});
}

TEST_CASE("configurations in the guide are accepted as they stand") {
  int complete = 0;
  for (const auto& [file, content] : pages())
    for (const auto& block : content.blocks) {
      if (block.language != "toml" || !block.text.starts_with("# complete\n"))
        continue;
      ++complete;
      INFO(file.string() << ':' << block.line);
      CHECK(problems(block.text, file.filename().string()) == "");
    }
  CHECK(complete >= 5);
}

TEST_CASE("the containers' configuration is accepted") {
  auto file = source_dir / "deploy/compose/millrace.toml";
  CHECK(problems(read(file), file.string()) == "");
}

TEST_CASE("links between pages lead somewhere") {
  int links = 0;
  for (const auto& [file, content] : pages())
    for (const auto& x : content.links) {
      ++links;
      INFO(file.string() << ':' << x.line << ": " << x.target);
      CHECK(broken(file, x.target).value_or("") == "");
    }
  CHECK(links >= 40);
}

TEST_CASE("every metric is in the guide") {
  auto text = read(source_dir / "docs/operations.md");
  for (const auto* x : metric_names::all) {
    INFO(x->name);
    CHECK(text.contains('`' + std::string{x->name} + '`'));
  }
}

TEST_CASE("every reason to halt is a heading of the runbook") {
  auto anchors = pages().at(source_dir / "docs/runbook.md").anchors;
  for (auto x : {lane_halt::by_row, lane_halt::row_missing, lane_halt::data,
                 lane_halt::stuck, lane_halt::rejects, lane_halt::oversized}) {
    INFO(to_string(x));
    CHECK(anchors.contains(anchor_of(to_string(x))));
  }
  for (auto x : {partition_halt::truncated, partition_halt::by_row,
                 partition_halt::gap, partition_halt::source}) {
    INFO(to_string(x));
    CHECK(anchors.contains(anchor_of(to_string(x))));
  }
  CHECK(anchors.contains(anchor_of("RETENTION_LOSS")));
}

TEST_CASE("every rule of the protocol is there and says how far it is built") {
  auto text = read(source_dir / "docs/protocol.md");
  for (int i = 1; i <= 27; ++i) {
    INFO("rule " << i);
    auto at = text.find("**Rule " + std::to_string(i));
    REQUIRE(at != text.npos);
    auto next = text.find("**Rule " + std::to_string(i + 1), at);
    auto rule = text.substr(at, next - at);
    CHECK((rule.contains("[built]") || rule.contains("[in part]")
           || rule.contains("[not built]")));
  }
}
