// Writes for records without a value.

#include "tests/decode/sample.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Records replace a row of `items`, tombstones delete it, and both are noted
/// in `notes`.
pipeline_config items() {
  auto result = pipeline("items", {{"id", "@key"}, {"v", ".v"}});
  auto& event = result.events[0];
  event.route.text = "@key";
  event.writes[0].kind = write_kind::upsert;
  event.writes[0].key = {"id"};
  auto gone = pipeline("items", {{"id", "@key"}}).events[0].writes[0];
  gone.kind = write_kind::remove;
  gone.on = write_occasion::tombstone;
  gone.key = {"id"};
  auto note = pipeline("notes",
                       {{"at", "@timestamp"}, {"why", "header('why')"}})
                .events[0]
                .writes[0];
  note.on = write_occasion::tombstone;
  event.writes.push_back(gone);
  event.writes.push_back(note);
  return result;
}

std::vector<table_schema> tables() {
  return {{"s",
           "items",
           {column("id", "bigint", 20, false), column("v", "text", 25, false)},
           {{"id"}}},
          {"s",
           "notes",
           {column("at", "bigint", 20), column("why", "text", 25)},
           {}}};
}

std::string problems_of(const pipeline_config& config) {
  auto result = compile(config, tables());
  std::string all;
  if (!result)
    for (const auto& x : result.error())
      all += to_string(x) + '\n';
  return all;
}

record_view record_of(std::optional<std::string_view> key,
                      std::optional<std::string_view> value) {
  return {
    .topic = "t", .offset = 5, .timestamp_ms = 9, .key = key, .value = value};
}

} // namespace

TEST_CASE("a tombstone makes the rows of the writes for tombstones, a record "
          "those of the others") {
  decoder decode{compiled(items(), tables())};
  memory_sink sink;
  REQUIRE(decode.decode(record_of("42", R"({"v":"x"})"), sink)
          == outcome::written);
  auto record_hash = sink.last_hash;
  header_view why{"why", "moved"};
  auto tombstone = record_of("42", std::nullopt);
  tombstone.headers = {&why, 1};
  REQUIRE(decode.decode(tombstone, sink) == outcome::written);
  CHECK(sink.last_hash == record_hash);
  const auto& batch = sink.of("demo");
  CHECK(batch.events == 2);
  CHECK(batch.rejects.empty());
  REQUIRE(batch.blocks.size() == 3);
  for (const auto& block : batch.blocks)
    CHECK(block.rows() == 1);
  CHECK(batch.blocks[0].keys == batch.blocks[1].keys);
  CHECK(batch.blocks[1].bytes.size() == 2 + 12);
  CHECK(batch.blocks[2].bytes.size() == 2 + 12 + 9);
}

TEST_CASE("a tombstone whose key is none of the column's is one reject") {
  decoder decode{compiled(items(), tables())};
  memory_sink sink;
  CHECK(decode.decode(record_of("4x", std::nullopt), sink)
        == outcome::rejected);
  auto& batch = sink.of("demo");
  REQUIRE(batch.rejects.size() == 1);
  CHECK(batch.rejects[0].stage == reject_stage::map);
  CHECK(batch.rejects[0].reason.contains("column id (bigint) from @key"));
  CHECK_FALSE(batch.rejects[0].has_value);
  for (const auto& block : batch.blocks)
    CHECK(block.rows() == 0);
}

TEST_CASE("an empty value is no tombstone") {
  decoder decode{compiled(items(), tables())};
  memory_sink sink;
  CHECK(decode.decode(record_of("42", ""), sink) == outcome::rejected);
  CHECK(sink.of("demo").rejects.at(0).reason.contains("payload is empty"));
}

TEST_CASE("what tombstones need cannot come from a payload") {
  auto config = items();
  CHECK(problems_of(config) == "");
  auto& event = config.events[0];
  SECTION("a column") {
    event.writes[1].columns[0].value.text = "coalesce(@key, .id)";
    CHECK(problems_of(config)
          == "p.toml:10:35: pipeline.p.event[0].write[1].columns.id: found "
             ".id, expected no payload: a tombstone has none\n");
  }
  SECTION("the whole payload") {
    event.writes[2].columns[1].value.text = "@payload";
    CHECK(problems_of(config).contains("found @payload, expected no payload"));
  }
  SECTION("the route") {
    event.route.text = ".id";
    CHECK(problems_of(config)
          == "p.toml:5:10: pipeline.p.event[0].route: found .id, expected what "
             "tombstones have too: the pipeline writes for them\n");
  }
  SECTION("the tenant") {
    config.tenant.text = "lower(.tenant)";
    CHECK(problems_of(config).contains("p.toml:3:17: pipeline.p.tenant: found "
                                       ".tenant"));
  }
}

TEST_CASE("an update needs no value for columns that a new row would need") {
  auto config = items();
  auto& write = config.events[0].writes[1];
  write.on = write_occasion::record;
  CHECK(problems_of(config) == "");
  write.kind = write_kind::update;
  CHECK(problems_of(config) == "");
  write.kind = write_kind::upsert;
  CHECK(problems_of(config).contains("found no value for v"));
}

TEST_CASE("deletes and updates need a key with a unique index") {
  auto config = items();
  auto& write = config.events[0].writes[1];
  write.key = {};
  CHECK(problems_of(config).contains("the columns that the delete finds its "
                                     "row by"));
  auto kinds = {write_kind::update, write_kind::soft_delete,
                write_kind::remove};
  for (auto kind : kinds) {
    config = items();
    config.events[0].writes[2].kind = kind;
    config.events[0].writes[2].key = {"at"};
    CHECK(problems_of(config).contains("without a unique index"));
  }
}

TEST_CASE("kind and occasion of a write are part of the map") {
  auto config = items();
  auto base = compiled(config, tables())->map_fingerprint();
  SECTION("occasion") {
    config.events[0].writes[2].on = write_occasion::record;
  }
  SECTION("kind") {
    config.events[0].writes[1].kind = write_kind::soft_delete;
  }
  CHECK(compiled(config, tables())->map_fingerprint() != base);
}
