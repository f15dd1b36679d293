// `millrace map` and `millrace validate --explain`, as a user calls them.

#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

using words = std::vector<std::string>;

constexpr auto shop = R"toml(
[postgresql]
url = "postgresql://millrace@127.0.0.1:1/shop"
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "north"
[pipeline.shop]
topics = ["orders"]
tenant = "'north'"
lanes = 1
event_type = "header('event-type')"
[[pipeline.shop.event]]
name = "Order"
route = ".nid"
  [[pipeline.shop.event.write]]
  table = "orders"
  kind = "upsert"
  key = ["nid"]
  columns = { nid = ".nid", tags = ".tags", at = "@timestamp" }
  [[pipeline.shop.event.write]]
  table = "legs"
  each = "leg in .legs"
  columns = { nid = ".nid", side = "leg.side", n = "@index" }
)toml";

constexpr auto events
  = R"({"headers":[["event-type","Order"]],"timestamp":1768824000000,)"
    R"("value":{"nid":254430383091757056,"tags":["a"],"legs":[{"side":"B"},{}]}})"
    "\n\n"
    R"({"nid":1})"
    "\n";

} // namespace

TEST_CASE("map shows the rows of each event without a server") {
  scratch_folder folder;
  auto file = folder.write("shop.toml", shop);
  auto samples = folder.write("events.ndjson", events);
  auto x = run({"map", file, "--events", samples});
  CHECK(x.code == 1);
  CHECK(
    x.out
    == "line 1: written, tenant north, lane 0\n"
       "  upsert orders by nid (Order)\n"
       "    nid   254430383091757056\n"
       "    tags  [\"a\"]\n"
       "    at    2026-01-19T12:00:00Z\n"
       "  append legs (Order)\n"
       "    nid   254430383091757056\n"
       "    side  B\n"
       "    n     0\n"
       "  append legs (Order)\n"
       "    nid   254430383091757056\n"
       "    side  NULL\n"
       "    n     1\n"
       "line 3: rejected: map: found no event type (header('event-type') is "
       "nothing)\n");
  auto first
    = run({"map", file, "--events", samples, "--limit", "1", "--json"});
  CHECK(first.code == 0);
  CHECK(first.out
        == R"({"line":1,"outcome":"written","tenant":"north","lane":0,"rows":[)"
           R"({"event":"Order","table":"orders","kind":"upsert","key":["nid"],)"
           R"("columns":{"nid":"254430383091757056","tags":"[\"a\"]",)"
           R"("at":"2026-01-19T12:00:00Z"}},)"
           R"({"event":"Order","table":"legs","kind":"append","key":[],)"
           R"("columns":{"nid":"254430383091757056","side":"B","n":"0"}},)"
           R"({"event":"Order","table":"legs","kind":"append","key":[],)"
           R"("columns":{"nid":"254430383091757056","side":null,"n":"1"}}]})"
           "\n");
}

TEST_CASE("what stands beside a payload can be said on the command line") {
  scratch_folder folder;
  auto file = folder.write("shop.toml", shop);
  auto samples = folder.write("events.ndjson", "{\"nid\":7}\n");
  auto x
    = run({"map", file, "--events", samples, "--header", "event-type=Order"});
  CHECK(x.code == 0);
  CHECK_THAT(x.out, ContainsSubstring("nid   7\n"));
  auto bad = run({"map", file, "--events", samples, "--header", "Order"});
  CHECK(bad.code == 2);
  CHECK_THAT(bad.err, ContainsSubstring("expected NAME=VALUE"));
  auto none = run({"map", file, "--events", file + ".none"});
  CHECK(none.code == 2);
}

TEST_CASE("validate --explain says where each value comes from") {
  scratch_folder folder;
  auto file = folder.write("shop.toml", shop);
  auto samples = folder.write("events.ndjson", events);
  words offline{"validate", "--offline", "--explain", "--events",
                samples,    "--limit",   "1",         file};
  auto x = run(offline);
  CHECK(x.code == 0);
  CHECK(x.out
        == file
             + ": valid; servers were not asked\n"
               "line 1: written, tenant north, lane 0\n"
               "  upsert orders by nid (Order)\n"
               "    nid   254430383091757056  <- .nid\n"
               "    tags  [\"a\"]  <- .tags\n"
               "    at    2026-01-19T12:00:00Z  <- @timestamp\n"
               "  append legs (Order)\n"
               "    nid   254430383091757056  <- .nid\n"
               "    side  B  <- leg.side\n"
               "    n     0  <- @index\n"
               "  append legs (Order)\n"
               "    nid   254430383091757056  <- .nid\n"
               "    side  NULL  <- leg.side\n"
               "    n     1  <- @index\n");
  offline.push_back("--json");
  auto json = run(offline);
  CHECK(json.code == 0);
  CHECK(json.out
        == R"({"line":1,"outcome":"written","tenant":"north","lane":0,"rows":[)"
           R"({"event":"Order","table":"orders","kind":"upsert","key":["nid"],)"
           R"("columns":{"nid":{"value":"254430383091757056","from":".nid"},)"
           R"("tags":{"value":"[\"a\"]","from":".tags"},)"
           R"("at":{"value":"2026-01-19T12:00:00Z","from":"@timestamp"}}},)"
           R"({"event":"Order","table":"legs","kind":"append","key":[],)"
           R"("columns":{"nid":{"value":"254430383091757056","from":".nid"},)"
           R"("side":{"value":"B","from":"leg.side"},)"
           R"("n":{"value":"0","from":"@index"}}},)"
           R"({"event":"Order","table":"legs","kind":"append","key":[],)"
           R"("columns":{"nid":{"value":"254430383091757056","from":".nid"},)"
           R"("side":{"value":null,"from":"leg.side"},)"
           R"("n":{"value":"1","from":"@index"}}}]})"
           "\n");
  auto alone = run({"validate", "--offline", "--explain", file});
  CHECK(alone.code == 2);
  CHECK_THAT(alone.err, ContainsSubstring("one configuration and --events"));
}
