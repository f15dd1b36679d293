// Hypertables of a real TimescaleDB.

#include "actors/coordinator/partition_catalog.hpp"
#include "actors/coordinator/partition_restore.hpp"
#include "actors/coordinator/partition_steps.hpp"
#include "tests/coordinator/roller_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;
using std::chrono::days;

namespace {

/// Ten days with a row each, up to today, a chunk a day.
struct fixture : test::roller_fixture {
  fixture() {
    if (db.value("SELECT count(*) FROM pg_available_extensions WHERE name = "
                 "'timescaledb'")
        == "0")
      SKIP("this server has no TimescaleDB");
    // Where functions are must not matter.
    db.execute(
      "CREATE SCHEMA scale; CREATE EXTENSION timescaledb SCHEMA scale");
    policy.table = "hyper";
  }

  void make(const std::string& type, const std::string& interval,
            const std::string& value) const {
    db.execute("CREATE TABLE shop.hyper (ts " + type
               + " NOT NULL, v int); SELECT scale.create_hypertable("
                 "'shop.hyper', scale.by_range('ts', "
               + interval + ")); INSERT INTO shop.hyper SELECT " + value
               + ", i FROM generate_series(0, 9) i");
  }

  void make_by_day() const {
    make("timestamptz", "interval '1 day'",
         "date_trunc('day', now(), 'UTC') - i * interval '1 day'");
  }

  std::string rows() const {
    return db.value("SELECT count(*) FROM shop.hyper");
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "chunks of a hypertable that are wholly older are "
                          "dropped, and none is made") {
  make_by_day();
  auto first = roll();
  INFO(first.failure);
  CHECK(first.failure.empty());
  CHECK(first.done == 0);
  CHECK(first.lacking.empty());
  // Nothing has to be ahead, so nobody is told of it.
  CHECK(first.ahead.empty());
  CHECK(rows() == "10");
  policy.rules.keep = days{3};
  auto done = roll();
  INFO(done.failure);
  CHECK(done.failure.empty());
  // Those of four to nine days ago.
  CHECK(done.done == 6);
  CHECK(rows() == "4");
  CHECK(roll().done == 0);
}

TEST_CASE_METHOD(fixture, "hypertables by date, by timestamp and by "
                          "milliseconds lose their old chunks, too") {
  policy.rules.keep = days{3};
  SECTION("date") {
    make("date", "interval '1 day'", "(now() AT TIME ZONE 'UTC')::date - i");
  }
  SECTION("timestamp") {
    make("timestamp", "interval '1 day'",
         "date_trunc('day', now() AT TIME ZONE 'UTC') - i * interval '1 day'");
  }
  SECTION("bigint") {
    policy.rules.key = partition_key::milliseconds;
    make("bigint", "86400000",
         "(extract(epoch FROM date_trunc('day', now(), 'UTC') - i * interval "
         "'1 day') * 1000)::bigint");
  }
  auto done = roll();
  INFO(done.failure);
  CHECK(done.failure.empty());
  CHECK(done.done == 6);
  CHECK(rows() == "4");
}

TEST_CASE_METHOD(fixture,
                 "what a go would drop of a hypertable is told before") {
  make_by_day();
  policy.rules.keep = days{8};
  partition_catalog catalog{conn};
  REQUIRE(catalog.prepare());
  auto table = catalog.read(policy);
  REQUIRE(table);
  CHECK(table->is_hypertable());
  CHECK(table->partitions.size() == 10);
  auto now = catalog.now();
  auto steps = steps_of(policy, *table, {},
                        plan_partitions(policy, *table, *now));
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].actions == std::vector<std::string_view>{"drop"});
  CHECK(steps[0].statements.at(0).starts_with(
    "SELECT \"scale\".drop_chunks('\"shop\".\"hyper\"'::regclass, older_than "
    "=> '"));
  CHECK(rows() == "10");
}

TEST_CASE_METHOD(fixture, "chunks are not dropped where they should be "
                          "archived") {
  make_by_day();
  policy.rules.keep = days{3};
  policy.rules.archive = "/";
  auto done = roll();
  CHECK(done.failure.contains("chunks of a hypertable cannot be archived"));
  CHECK(rows() == "10");
}

TEST_CASE_METHOD(fixture, "whoever has lost the lease drops no chunk") {
  make_by_day();
  policy.rules.keep = days{3};
  db.execute("UPDATE millrace.coordinator SET epoch = epoch + 1");
  CHECK(roll().failure.contains("MR006"));
  CHECK(rows() == "10");
}

TEST_CASE_METHOD(fixture, "a plain table beside hypertables is still refused") {
  db.execute("CREATE TABLE shop.hyper (ts timestamptz)");
  CHECK(roll().failure.contains("is not partitioned by range"));
}
