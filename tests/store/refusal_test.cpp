// Rows that PostgreSQL refuses, against a real server: what is said of them,
// what is left out, and which errors are none of the data.

#include "actors/store/coordinate_key.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct fixture : store_fixture {
  lane_row row = take();

  /// One row per text in `log`, at offsets from 100 on.
  batch rows(const std::vector<std::string>& texts) const {
    auto result = batch_of(100, 100 + std::ssize(texts));
    int64_t at = 100;
    for (const auto& x : texts) {
      add_row(result.blocks[0], at, event_row(at, {}, x), at);
      ++at;
    }
    return result;
  }

  std::string counts() const {
    return db.value("SELECT (SELECT count(*) FROM tenant_demo.log) || ' ' || "
                    "(SELECT count(*) FROM millrace.dead_letter) || ' ' || "
                    "(SELECT next_off[1] FROM millrace.lane WHERE shard = 0)");
  }

  static reject refused(int64_t at) {
    reject result;
    result.at = offset{at};
    result.stage = reject_stage::store;
    result.sqlstate = "23514";
    result.reason = "no";
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "what is logged names table and constraint but does "
                          "not quote the row; the dead letter's reason does") {
  auto result = run(flush_of(row, rows({"good", "bad"})));
  CHECK(result.action == failure_action::bisect);
  CHECK(result.schema == "tenant_demo");
  CHECK(result.table == "log");
  CHECK(result.constraint == "log_v_check");
  CHECK_THAT(result.message, ContainsSubstring("log_v_check"));
  CHECK_THAT(result.message, !ContainsSubstring("101"));
  CHECK_THAT(result.message, !ContainsSubstring("COPY"));
  CHECK_THAT(result.reason, ContainsSubstring("Failing row contains (101"));
  CHECK_THAT(result.reason, ContainsSubstring("COPY log, line 2"));
  CHECK_THAT(result.reason,
             ContainsSubstring(
               "; table tenant_demo.log; constraint log_v_check"));
}

TEST_CASE_METHOD(fixture, "an error that names no table is of the statement's "
                          "table") {
  db.execute("CREATE FUNCTION tenant_demo.no() RETURNS trigger LANGUAGE "
             "plpgsql AS $$BEGIN RAISE EXCEPTION 'not this one'; END$$; CREATE "
             "TRIGGER no BEFORE INSERT ON tenant_demo.log FOR EACH ROW EXECUTE "
             "FUNCTION tenant_demo.no()");
  auto result = run(flush_of(row, rows({"good"})));
  CHECK(result.sqlstate == "P0001");
  CHECK(result.action == failure_action::bisect);
  CHECK(result.message == "not this one");
  CHECK_THAT(result.reason,
             ContainsSubstring("; table \"tenant_demo\".\"log\""));
}

TEST_CASE_METHOD(fixture, "a part of a batch is flushed, then the rest with "
                          "its refused event as a dead letter") {
  auto data = rows({"a", "b", "bad", "d"});
  data.rejects.push_back(refused(103));
  auto first = flush_of(row, data);
  first.sources[0].keep_below = offset{102};
  first.claim.ranges[0].range.to = offset{102};
  first.claim.seqs = 1;
  auto done = run(first);
  INFO(done.message);
  REQUIRE(done.verdict == flush_verdict::committed);
  CHECK(counts() == "2 0 102");

  row = must(store().load({lane, false}));
  auto rest = flush_of(row, data);
  rest.sources[0].refused = {refused(102)};
  rest.claim.seqs = 3;
  rest.claim.ranges[0].first_event = offset{102};
  done = run(rest);
  INFO(done.message);
  REQUIRE(done.verdict == flush_verdict::committed);
  CHECK(done.rows == 1);
  CHECK(done.dead_letters == 2);
  CHECK(counts() == "3 2 104");
  CHECK(db.value("SELECT string_agg(\"offset\" || ' ' || seq || ' ' || stage, "
                 "', ' ORDER BY seq) FROM millrace.dead_letter")
        == "102 3 store, 103 4 store");
}

TEST_CASE_METHOD(fixture, "a refused event that the claim does not count halts "
                          "the lane") {
  auto work = flush_of(row, rows({"a"}));
  work.sources[0].refused = {refused(100)};
  CHECK(run(work).action == failure_action::halt);
  CHECK(counts() == "0 0 100");
}

TEST_CASE_METHOD(fixture, "a dead letter that is refused halts the lane and "
                          "loses nothing") {
  auto data = rows({"a"});
  data.rejects.push_back(refused(100));
  SECTION("at once") {
    db.execute("ALTER TABLE millrace.dead_letter ADD CHECK (reason <> 'no')");
  }
  SECTION("at COMMIT") {
    db.execute("CREATE FUNCTION tenant_demo.no() RETURNS trigger LANGUAGE "
               "plpgsql AS $$BEGIN RAISE EXCEPTION USING ERRCODE = '23514', "
               "MESSAGE = 'no', SCHEMA = 'millrace', TABLE = 'dead_letter', "
               "CONSTRAINT = 'c'; END$$; CREATE CONSTRAINT TRIGGER no AFTER "
               "INSERT ON millrace.dead_letter DEFERRABLE INITIALLY DEFERRED "
               "FOR EACH ROW EXECUTE FUNCTION tenant_demo.no()");
  }
  auto result = run(flush_of(row, data));
  CHECK(result.sqlstate == "23514");
  CHECK(result.action == failure_action::halt);
  CHECK(counts() == "0 0 100");
}

// -- unique keys --------------------------------------------------------------

namespace {

struct keyed : fixture {
  /// `id` and `version` stand for partition and offset.
  static write_plan_ptr plan_with(std::vector<std::string> coordinates) {
    write_target log{"tenant_demo",          "log", write_method::append,
                     {"id", "version", "v"}, {},    {}};
    log.coordinates = std::move(coordinates);
    return make_write_plan("p", "demo", rows_of, {log});
  }

  batch row_of(int64_t at, const std::string& text) const {
    auto result = batch_of(at, at + 1);
    result.blocks.resize(1);
    add_row(result.blocks[0], at, event_row(3, 7, text), at);
    return result;
  }

  /// Writes one event twice and judges the second time.
  flush_result write_twice() {
    plan = plan_with({"id", "version"});
    REQUIRE(run(flush_of(row, row_of(100, "a"))).verdict
            == flush_verdict::committed);
    row = must(store().load({lane, false}));
    auto result = run(flush_of(row, row_of(101, "a")));
    CHECK(result.sqlstate == "23505");
    CHECK(result.action == failure_action::bisect);
    judge_unique_violation(*conn, result, plan);
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(keyed, "a record that is there already by its coordinates "
                        "halts the lane") {
  SECTION("in a plain table") {
    db.execute("CREATE UNIQUE INDEX ON tenant_demo.log (version, id)");
  }
  SECTION("with more columns than these") {
    db.execute("ALTER TABLE tenant_demo.log ADD PRIMARY KEY (v, version, id)");
  }
  SECTION("in a partition of a partition") {
    db.execute("DROP TABLE tenant_demo.log; CREATE TABLE tenant_demo.log (id "
               "bigint, version bigint, v text, UNIQUE (id, version)) "
               "PARTITION BY RANGE (id); CREATE TABLE tenant_demo.a PARTITION "
               "OF tenant_demo.log FOR VALUES FROM (0) TO (9) PARTITION BY "
               "RANGE (version); CREATE TABLE tenant_demo.b PARTITION OF "
               "tenant_demo.a FOR VALUES FROM (0) TO (9)");
  }
  auto result = write_twice();
  CHECK(result.action == failure_action::halt);
  CHECK_THAT(result.message, ContainsSubstring("coordinates"));
}

TEST_CASE_METHOD(keyed, "any other unique key is the data's fault") {
  SECTION("without one of the coordinates") {
    db.execute("CREATE UNIQUE INDEX ON tenant_demo.log (id, v)");
  }
  SECTION("with one that is only stored along") {
    db.execute("CREATE UNIQUE INDEX ON tenant_demo.log (id) INCLUDE (version)");
  }
  SECTION("over an expression") {
    db.execute("CREATE UNIQUE INDEX ON tenant_demo.log ((id + version))");
  }
  CHECK(write_twice().action == failure_action::bisect);
}

TEST_CASE_METHOD(keyed, "a table that keeps no coordinates has no such key") {
  db.execute("CREATE UNIQUE INDEX ON tenant_demo.log (id, version)");
  flush_result failed;
  failed.action = failure_action::bisect;
  failed.sqlstate = "23505";
  failed.schema = "tenant_demo";
  failed.table = "log";
  failed.constraint = "log_id_version_idx";
  CHECK_FALSE(must(broke_coordinate_key(*conn, failed, *plan_with({}))));
  CHECK(
    must(broke_coordinate_key(*conn, failed, *plan_with({"id", "version"}))));
}

TEST_CASE_METHOD(keyed, "when the catalog cannot be asked nothing becomes a "
                        "dead letter") {
  flush_result failed;
  failed.action = failure_action::bisect;
  failed.sqlstate = "23505";
  failed.constraint = "log_id_version_idx";
  auto with = plan_with({"id", "version"});
  SECTION("because it does not answer in time") {
    must(conn->run("SET statement_timeout = 100"));
    auto other = open();
    must(other.run("BEGIN; LOCK TABLE pg_catalog.pg_inherits IN ACCESS "
                   "EXCLUSIVE MODE"));
    judge_unique_violation(*conn, failed, with);
    other.close();
    CHECK(failed.action == failure_action::retry);
  }
  SECTION("because the connection is lost") {
    db.execute("SELECT pg_terminate_backend("
               + std::to_string(conn->backend_pid()) + ")");
    judge_unique_violation(*conn, failed, with);
    CHECK(failed.action == failure_action::reconnect);
  }
}
