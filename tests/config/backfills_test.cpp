// What a backfill has to do with the pipeline that it makes up for.

#include "config/backfills.hpp"
#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace millrace;
using names = std::vector<std::string>;

namespace {

write_config write(std::string table, write_kind kind = write_kind::append,
                   std::string guard = {}) {
  write_config result;
  result.table = std::move(table);
  result.kind = kind;
  result.only_if_newer = std::move(guard);
  result.columns = {{"id", {".id", {}}, {}}};
  return result;
}

/// With one event for each write.
pipeline_config pipeline(std::string name, std::vector<write_config> writes) {
  pipeline_config result;
  result.name = std::move(name);
  for (auto& x : writes) {
    auto& event = result.events.emplace_back();
    event.name = x.table;
    event.writes.push_back(std::move(x));
  }
  return result;
}

} // namespace

TEST_CASE("tables are known by their names, each once") {
  CHECK(written_tables(pipeline("p", {write("b"), write("a"), write("b")}))
        == names{"a", "b"});
  CHECK(written_tables(pipeline("p", {})).empty());
}

TEST_CASE("a backfill writes its own tables alone, and its events stay") {
  auto x = pipeline("past", {write("a"), write("b"), write("c")});
  x.partitions.emplace_back();
  CHECK(keep_own_tables(x).empty());
  CHECK(written_tables(x) == names{"a", "b", "c"});
  CHECK(x.partitions.size() == 1);
  x.tables = {"b", "d"};
  CHECK(keep_own_tables(x) == names{"d"});
  CHECK(written_tables(x) == names{"b"});
  CHECK(x.events.size() == 3);
  CHECK(x.partitions.empty());
}

TEST_CASE("the order of events matters unless rows are appended, or the newer "
          "one wins by itself") {
  auto none = pipeline("orders", {write("orders", write_kind::remove)});
  auto matters = [&](write_config x) {
    return order_matters(pipeline("past", {std::move(x)}), none);
  };
  CHECK_FALSE(matters(write("fees")));
  CHECK_FALSE(matters(write("fees", write_kind::upsert, "version")));
  CHECK(matters(write("fees", write_kind::upsert)));
  CHECK(matters(write("fees", write_kind::update, "version")));
  CHECK(matters(write("fees", write_kind::remove)));
  CHECK(matters(write("fees", write_kind::soft_delete, "version")));
  // What the other one does to the table counts as well.
  CHECK(order_matters(pipeline("past", {write("orders")}), none));
}

TEST_CASE("a backfill makes the same rows as the other pipeline") {
  auto past = pipeline("past", {write("fees")});
  CHECK(differing_table(past, pipeline("orders", {write("orders")})).empty());
  CHECK(differing_table(past, pipeline("orders", {write("fees")})).empty());
  auto differs = [&](auto change) {
    auto other = pipeline("orders", {write("orders"), write("fees")});
    change(other.events[1]);
    return differing_table(past, other) == "fees";
  };
  CHECK_FALSE(differs([](event_config&) {}));
  CHECK(differs([](event_config& x) { x.name = "fee"; }));
  CHECK(differs([](event_config& x) { x.writes.push_back(x.writes[0]); }));
  CHECK(
    differs([](event_config& x) { x.writes[0].kind = write_kind::upsert; }));
  CHECK(differs([](event_config& x) { x.writes[0].key = {"id"}; }));
  CHECK(differs([](event_config& x) { x.writes[0].when.text = ".a"; }));
  CHECK(differs([](event_config& x) { x.writes[0].each.text = "a in .b"; }));
  CHECK(differs([](event_config& x) { x.writes[0].always = true; }));
  CHECK(differs([](event_config& x) { x.writes[0].only_if_newer = "v"; }));
  CHECK(differs(
    [](event_config& x) { x.writes[0].columns[0].value.text = ".no"; }));
}

TEST_CASE("a pack may be its own pipeline's backfill") {
  auto all = parse_config("[postgresql]\nurl = \"postgresql://h/d\"\n"
                          "[kafka]\nbootstrap = \"h:9092\"\n"
                          "[[tenant]]\nname = \"demo\"\n"
                          "[pipeline.pme]\npack = \"pme-online\"\n"
                          "tenant = \"'demo'\"\n"
                          "[pipeline.past]\npack = \"pme-online\"\n"
                          "tenant = \"'demo'\"\nbackfills = \"pme\"\n"
                          "tables = [\"event_log\"]\n",
                          "x.toml", test::outside());
  REQUIRE(test::messages(all) == "");
  const auto& past = all->pipelines.at(1);
  CHECK(written_tables(past) == names{"event_log"});
  CHECK(backfilled_by(*all, past) == all->pipelines.data());
  CHECK(backfilled_by(*all, all->pipelines[0]) == nullptr);
  CHECK(past.partitions.empty());
}
