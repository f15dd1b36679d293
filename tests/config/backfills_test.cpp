// What a backfill has to do with the pipeline that it makes up for.

#include "config/backfills.hpp"
#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

using namespace millrace;
using Catch::Matchers::ContainsSubstring;
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
  keep_own_tables(x);
  CHECK(written_tables(x) == names{"a", "b", "c"});
  CHECK(x.partitions.size() == 1);
  x.tables = {"b", "d"};
  CHECK(unknown_tables(x) == names{"d"});
  CHECK(own_tables(x) == names{"b"});
  keep_own_tables(x);
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

namespace {

/// A configuration of `orders` and its backfill `past`, which is a copy of it
/// but for what `change` does to the text of the copy.
std::string copied(const std::function<void(std::string&)>& change) {
  std::string body = R"(topics = ["orders"]
tenant = "'demo'"
event_type = ".kind"
codes.sides = { buy = 1, sell = 2 }
[[pipeline.NAME.event]]
name = "order"
types = ["new", "old"]
when = ".live"
route = ".id"
write = [{ table = "orders", columns = { id = ".id" } }]
[[pipeline.NAME.event]]
name = "fee"
types = ["old"]
route = ".id"
write = [{ table = "fees", columns = { id = ".id", fee = ".fee" } }]
[[pipeline.NAME.event]]
name = "note"
route = ".id"
write = [{ table = "notes", columns = { id = ".id" } }]
)";
  auto named = [](std::string text, const std::string& name) {
    for (auto i = text.find("NAME"); i != std::string::npos;
         i = text.find("NAME"))
      text.replace(i, 4, name);
    return "[pipeline." + name + "]\n" + text;
  };
  auto copy = "backfills = \"orders\"\ntables = [\"fees\"]\n" + body;
  change(copy);
  return "[postgresql]\nurl = \"postgresql://h/d\"\n[kafka]\nbootstrap = "
         "\"h:9092\"\n[[tenant]]\nname = \"demo\"\n"
         + named(body, "orders") + named(copy, "past");
}

/// The problems when `from` stands as `to` in the copy.
std::string when_copied(const std::string& from, const std::string& to) {
  auto text = copied([&](std::string& copy) {
    auto i = copy.find(from);
    REQUIRE(i != std::string::npos);
    copy.replace(i, from.size(), to);
  });
  return test::messages(parse_config(text, "x.toml", test::outside()));
}

} // namespace

TEST_CASE("a backfill makes the same of each record as the other pipeline") {
  CHECK(when_copied("", "") == "");
  auto differs = [](const std::string& key, const std::string& from,
                    const std::string& to) {
    auto said = when_copied(from, to);
    INFO(said);
    CHECK(said.contains("pipeline.past." + key + ": found "));
    CHECK(said.contains("as pipeline.orders has it at x.toml:"));
    // A line, and no other problem.
    CHECK(std::ranges::count(said, '\n') == 1);
  };
  differs("tenant", "\"'demo'\"", "\".tenant\"");
  differs("event_type", ".kind", ".type");
  differs("member_names", "codes", "member_names = \"any_case\"\ncodes");
  differs("codes.sides", "sell = 2", "sell = 3");
  differs("event[1].types", "types = [\"old\"]", "types = [\"old\", \"x\"]");
  differs("event[1].when", "types = [\"old\"]",
          "types = [\"old\"]\nwhen = \".a\"");
  differs("event[1].write[0].columns.fee", "\".fee\"", "\".no\"");
  differs("event[1].write[0].columns.fee", ", fee = \".fee\"", "");
  differs("event[1].write[0].on_missing", "\"fees\", ",
          "\"fees\", on_missing = \"reject\", ");
  CHECK(when_copied("\"fees\", ", "\"fees\", on_missing = \"wait\", ") == "");
}

TEST_CASE(
  "a backfill takes the same records: the events before its own count") {
  // `order` takes those of its type that are live; it stands first.
  CHECK_THAT(when_copied("when = \".live\"", "when = \".dead\""),
             ContainsSubstring("pipeline.past.event[0].when: found \".dead\", "
                               "expected \".live\""));
  CHECK_THAT(when_copied("types = [\"new\", \"old\"]", "types = [\"new\"]"),
             ContainsSubstring(
               "pipeline.past.event[1]: found \"fee\" behind no "
               "event that could take its records, expected it "
               "behind [\"order\"], as pipeline.orders has it"));
  // Neither writes nor takes what it does.
  CHECK(when_copied("name = \"note\"", "name = \"note\"\nwhen = \".a\"") == "");
}

TEST_CASE("all that a backfill does in another way is told at once") {
  auto text = copied([](std::string& copy) {
    for (auto [from, to] : {std::pair{"\"'demo'\"", "\".tenant\""},
                            std::pair{"\".fee\"", "\".no\""},
                            std::pair{"\".live\"", "\".dead\""}})
      copy.replace(copy.find(from), std::string{from}.size(), to);
  });
  auto said = test::messages(parse_config(text, "x.toml", test::outside()));
  INFO(said);
  CHECK(std::ranges::count(said, '\n') == 3);
}

TEST_CASE("what the pipeline says of a table's partitions holds for its "
          "backfill") {
  auto text = copied([](std::string& copy) {
    copy += "[[pipeline.NAME.partition]]\ntables = [\"fees\"]\n"
            "keep = \"90d\"\n";
  });
  auto at = text.find("[pipeline.past]");
  text.insert(at, "[[pipeline.orders.partition]]\ntables = [\"fees\"]\n"
                  "keep = \"30d\"\nlate = \"reject\"\n");
  auto all = parse_config(text, "x.toml", test::outside());
  REQUIRE(test::messages(all) == "");
  const auto& past = all->pipelines.at(1);
  REQUIRE(past.name == "past");
  const auto* rules = partition_rules(*all, past, "fees");
  REQUIRE(rules);
  CHECK(rules->late == late_rows::reject);
  CHECK(rules->keep == std::chrono::hours{30 * 24});
  CHECK(partition_rules(*all, past, "notes") == nullptr);
  CHECK(partition_rules(*all, all->pipelines[0], "fees") == rules);
  all->pipelines[0].partitioning = partitioning_kind::hypertable;
  CHECK(partition_rules(*all, past, "fees") == nullptr);
  // One that the pipeline does not name yet.
  all->pipelines[0].partitions.clear();
  all->pipelines[1].partitions.emplace_back().tables = {"fees"};
  CHECK(partition_rules(*all, past, "fees")
        == all->pipelines[1].partitions.data());
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
