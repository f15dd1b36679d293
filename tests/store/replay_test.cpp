// Flushes that move no offsets: rule 14b.

#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

struct fixture : store_fixture {
  fixture() {
    db.execute("INSERT INTO millrace.dead_letter (pipeline, tenant, shard, "
               "seq, topic, topic_name, partition, \"offset\", headers, stage, "
               "reason) VALUES ('p', '_unrouted', 0, 7, '"
               + to_string(topic_id) + "', 'events', 0, 42, '', 'map', 'why')");
  }

  /// One row of an offset that the lane has long passed.
  flush replay_of(const lane_row& row) const {
    auto data = batch_of(42, 43);
    add_row(data.blocks[0], 42, event_row(1, {}, "a"), 1);
    flush result = flush_of(row, std::move(data));
    result.claim.ranges.clear();
    result.sources[0].trim_below = offset{0};
    return result;
  }

  flush_result run_with(connection& on, flush work) const {
    flush_run aut{on, std::move(work), 20s, {take_letter}};
    while (aut.advance(100ms) == flush_progress::pending)
      continue;
    return aut.result();
  }

  /// Next seq, offset, rows of the table, dead letters.
  std::string state() const {
    return db.value("SELECT next_seq || ' ' || next_off[1] || ' ' || (SELECT "
                    "count(*) FROM tenant_demo.log) || ' ' || (SELECT count(*) "
                    "FROM millrace.dead_letter) FROM millrace.lane WHERE "
                    "tenant = 'demo' AND shard = 0");
  }

  const std::string take_letter
    = "SELECT millrace.take_dead_letter('p','_unrouted',0,7,'"
      + to_string(topic_id) + "',0,42,'me','here','')";
};

} // namespace

TEST_CASE_METHOD(fixture, "a flush without ranges moves no offset and takes "
                          "one seq") {
  auto result = run_with(*conn, replay_of(take()));
  INFO(result.message);
  CHECK(result.verdict == flush_verdict::committed);
  CHECK(state() == "2 100 1 0");
}

TEST_CASE_METHOD(fixture, "a flush whose prologue fails writes nothing") {
  auto row = take();
  db.execute("DELETE FROM millrace.dead_letter");
  auto result = run_with(*conn, replay_of(row));
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.sqlstate == "MR002");
  CHECK(state() == "1 100 0 0");
  CHECK(conn->is_open());
}

TEST_CASE_METHOD(fixture, "a replay of a lane that was taken over is refused "
                          "and keeps the dead letter") {
  auto row = take();
  take();
  auto result = run_with(*conn, replay_of(row));
  CHECK(result.verdict == flush_verdict::refused);
  CHECK(state() == "1 100 0 1");
}

TEST_CASE_METHOD(store_fixture, "a new tenant's lanes begin where the events "
                                "end that were set aside for want of it") {
  auto request = boot_of(2);
  request.tenants.push_back({"_unrouted", rows_of});
  must(store().boot(request));
  db.execute("UPDATE millrace.lane SET next_off = '{150,100}' WHERE tenant = "
             "'_unrouted' AND shard = 0;"
             "DELETE FROM millrace.lane WHERE tenant = 'demo' AND shard = 1");
  request.tenants.insert(request.tenants.begin(), {"late", rows_of});
  must(store().boot(request));
  auto offsets = [&](const std::string& tenant) {
    return db.value("SELECT string_agg(next_off::text, ' ' ORDER BY shard) "
                    "FROM millrace.lane WHERE tenant = '"
                    + tenant + "'");
  };
  CHECK(offsets("late") == "{150,100} {150,100}");
  // Not new: its lane was lost, and its events are not dead letters.
  CHECK(offsets("demo") == "{100,100} {100,100}");
}

TEST_CASE_METHOD(fixture, "rows that are refused keep the dead letter") {
  auto row = take();
  db.execute("ALTER TABLE tenant_demo.log ADD CHECK (id > 1)");
  auto result = run_with(*conn, replay_of(row));
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.action == failure_action::bisect);
  CHECK(state() == "1 100 0 1");
}
