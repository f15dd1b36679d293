#include "actors/coordinator/archive_manifest.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fstream>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

archive_manifest example() {
  return {.database = "prices",
          .schema = "shop",
          .parent = "tickers",
          .child = "tickers_2025_01",
          .relation = 16'400,
          .bounds = "FOR VALUES FROM (MINVALUE) TO ('2025-02-01')",
          .from = {},
          .to = partition_time{std::chrono::sys_days{2025y / 2 / 1}},
          .columns = {{"id", "bigint"}, {"odd \"one\"", "numeric(10,2)[]"}},
          .file = "tickers_2025_01.copy.zst",
          .content = {7, 300, 120, std::string(64, 'a')},
          .made = "2025-06-01T00:00:00Z",
          .by = "node one"};
}

std::string replaced(std::string text, const std::string& what,
                     const std::string& with) {
  auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

} // namespace

TEST_CASE("a manifest reads back as it was written") {
  CHECK(parse_manifest(to_json(example())) == example());
}

TEST_CASE("everything that is wrong with a manifest is told at once") {
  using problems = std::vector<std::string>;
  auto text = to_json(example());
  auto wrong = [&](const std::string& what, const std::string& with) {
    return parse_manifest(replaced(text, what, with)).error();
  };
  CHECK(parse_manifest("{").error() == problems{"expected a JSON object"});
  CHECK(wrong("\"format\":1", "\"format\":2").front().starts_with("format: "));
  CHECK(wrong("\"rows\":7", "\"rows\":-7").front().starts_with("rows: "));
  CHECK(wrong(std::string(64, 'a'), "abc").front().starts_with("sha256: "));
  CHECK(
    wrong("tickers_2025_01.copy", "../../etc/x").front().starts_with("file: "));
  CHECK(wrong("\"to_ms\":1", "\"to_ms\":\"\",\"x\":1")
          .front()
          .starts_with("to_ms: "));
  CHECK(wrong("\"name\":\"id\"", "\"name\":1").front().starts_with("columns"));
  auto both = replaced(text, "\"schema\"", "\"x\"");
  both = replaced(both, "\"bytes\"", "\"y\"");
  CHECK(parse_manifest(both).error().size() == 2);
}

TEST_CASE("a manifest that cannot be read is told with its name") {
  CHECK(read_manifest("/none/x.json")
          .error()
          .front()
          .starts_with("/none/x.json: "));
}

TEST_CASE("an archive's place means its table, whatever names hold") {
  CHECK(manifest_path("/a", "shop", "tickers", "tickers_2025_01", 1)
        == "/a/shop/tickers/tickers_2025_01.json");
  CHECK(manifest_path("/a", "shop", "tickers", "tickers_2025_01", 2)
        == "/a/shop/tickers/tickers_2025_01.2.json");
  CHECK(manifest_path("/a", "..", "a/b", "x.2 y", 1)
        == "/a/%2E%2E/a%2Fb/x%2E2%20y.json");
  CHECK(archive_path("/a/shop/x.2.json") == "/a/shop/x.2.copy.zst");
}
