// Rule 26: rows are written only into the columns that they are encoded for.

#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

struct fixture : store_fixture {
  lane_row row = take();

  fixture() {
    write_target log{"tenant_demo",          "log", write_method::append,
                     {"id", "version", "v"}, {},    {}};
    auto latest = log;
    latest.table = "latest";
    latest.method = write_method::upsert;
    latest.key = {"id"};
    log.types = latest.types = {"20:-1", "20:-1", "25:-1"};
    plan = make_write_plan("p", "demo", rows_of, {log, latest});
  }

  /// A row for `log`.
  flush one_row() {
    auto data = batch_of(100, 101);
    data.blocks.resize(2);
    add_row(data.blocks[0], 100, event_row(1, 1, "a"), 1);
    return flush_of(row, std::move(data));
  }

  std::string rows() const {
    return db.value("SELECT count(*) FROM tenant_demo.log");
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a column of the same width and another type is "
                          "noticed before a row is sent") {
  std::string change;
  SECTION("in the table that gets rows") {
    change = "ALTER TABLE tenant_demo.log ALTER id TYPE double precision";
  }
  SECTION("in another one of the lane") {
    change = "ALTER TABLE tenant_demo.latest ALTER version TYPE timestamptz "
             "USING NULL";
  }
  SECTION("a modifier counts, too") {
    change = "ALTER TABLE tenant_demo.latest ALTER v TYPE varchar(3)";
  }
  SECTION("and a column that is gone") {
    change = "ALTER TABLE tenant_demo.log DROP COLUMN v";
  }
  db.execute(change);
  auto result = run(one_row());
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.sqlstate == "MR005");
  CHECK(result.action == failure_action::park);
  CHECK(rows() == "0");
  CHECK(db.value("SELECT next_seq FROM millrace.lane WHERE shard = 0") == "1");
}

// Another node has read the tables first: its batches and the lane have the new
// shape, the plan here the old one.
TEST_CASE_METHOD(fixture, "rows that another node encoded for new columns park "
                          "the lane until this one knows them") {
  db.execute("UPDATE millrace.lane SET shape = 5");
  auto work = one_row();
  auto data = std::make_shared<batch>(*work.sources.at(0).data);
  data->shape = shape{5};
  work.sources.at(0).data = data;
  work.claim.shape = shape{5};
  auto result = run(std::move(work));
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.sqlstate == "MR005");
  CHECK(result.action == failure_action::park);
  CHECK(rows() == "0");
  CHECK(conn->is_open());
}

TEST_CASE_METHOD(fixture, "columns that no write fills are nobody's business") {
  db.execute("ALTER TABLE tenant_demo.log ADD COLUMN more text; ALTER TABLE "
             "tenant_demo.log ALTER seq TYPE numeric");
  CHECK(run(one_row()).verdict == flush_verdict::committed);
  CHECK(rows() == "1");
}

TEST_CASE_METHOD(fixture, "a change that commits while the flush waits for the "
                          "table is noticed") {
  auto other = open();
  must(other.run("BEGIN; ALTER TABLE tenant_demo.log ALTER id TYPE double "
                 "precision"));
  flush_run aut{*conn, one_row(), 20s};
  // The flush waits for the lock of the table by now.
  auto waiting = [this] {
    return db.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND "
                    "relation = 'tenant_demo.log'::regclass");
  };
  while (waiting() == "0")
    REQUIRE(aut.advance(10ms) == flush_progress::pending);
  must(other.run("COMMIT"));
  while (aut.advance(100ms) == flush_progress::pending)
    continue;
  CHECK(aut.result().sqlstate == "MR005");
  CHECK(rows() == "0");
}

TEST_CASE_METHOD(fixture, "partitions are not locked for the look at their "
                          "parent") {
  db.execute("DROP TABLE tenant_demo.log; CREATE TABLE tenant_demo.log (id "
             "bigint, version bigint, v text) PARTITION BY RANGE (id); CREATE "
             "TABLE tenant_demo.log_1 PARTITION OF tenant_demo.log FOR VALUES "
             "FROM (0) TO (10); CREATE TABLE tenant_demo.log_2 PARTITION OF "
             "tenant_demo.log FOR VALUES FROM (10) TO (99)");
  auto other = open();
  must(other.run("BEGIN; LOCK TABLE tenant_demo.log_2"));
  CHECK(run(one_row()).verdict == flush_verdict::committed);
  must(other.run("ROLLBACK"));
}
