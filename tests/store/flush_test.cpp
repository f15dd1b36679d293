#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct fixture : store_fixture {
  lane_row row = take();

  /// Rows of write `w`, one per offset from 100 on: {id, version, v}.
  struct event {
    int64_t id;
    std::optional<int64_t> version;
    std::string v;
  };

  batch rows(std::size_t w, const std::vector<event>& xs,
             int64_t from = 100) const {
    auto result = batch_of(from, from + static_cast<int64_t>(xs.size()));
    for (const auto& x : xs)
      add_row(result.blocks[w], from++, event_row(x.id, x.version, x.v), x.id);
    return result;
  }

  std::string content(const std::string& table) const {
    return db.value("SELECT coalesce(string_agg(concat_ws('/', id, "
                    "coalesce(version::text, '-'), v), ' ' ORDER BY id, v), "
                    "'') FROM tenant_demo."
                    + table);
  }

  std::string state() const {
    return db.value("SELECT next_seq || ' ' || next_off::text FROM "
                    "millrace.lane WHERE shard = 0");
  }

  std::string counts() const {
    return db.value("SELECT (SELECT count(*) FROM tenant_demo.log) || ' ' || "
                    "(SELECT count(*) FROM tenant_demo.latest) || ' ' || "
                    "(SELECT count(*) FROM millrace.dead_letter)");
  }

  void commit(batch data) {
    auto result = run(flush_of(row, std::move(data)));
    INFO(result.message);
    REQUIRE(result.verdict == flush_verdict::committed);
    row = must(store().load({lane, false}));
  }

  static reject reject_at(int64_t at) {
    reject result;
    result.at = offset{at};
    result.reason = "found nonsense";
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a flush writes all its tables, its dead letters and "
                          "its claim at once") {
  auto data = batch_of(100, 110);
  add_row(data.blocks[0], 101, event_row(1, 5, "log"), 1);
  add_row(data.blocks[1], 102, event_row(2, 6, "latest"), 2);
  add_row(data.blocks[2], 103, event_row(3, 7, "newest"), 3);
  data.rejects.push_back(reject_at(104));
  data.rejects.push_back(reject_at(105));
  auto result = run(flush_of(row, data));
  INFO(result.message);
  REQUIRE(result.verdict == flush_verdict::committed);
  CHECK(result.rows == 3);
  CHECK(result.dead_letters == 2);
  CHECK(result.bytes > 100);
  CHECK(content("log") == "1/5/log");
  CHECK(content("latest") == "2/6/latest");
  CHECK(content("newest") == "3/7/newest");
  CHECK(state() == "4 {110,100}");
  CHECK(db.value("SELECT string_agg(seq::text, ' ' ORDER BY \"offset\") FROM "
                 "millrace.dead_letter")
        == "2 3");
  CHECK(db.value("SELECT seq FROM tenant_demo.log") == "1");
}

TEST_CASE_METHOD(fixture, "a flush without rows moves the claim alone") {
  commit(batch_of(100, 130));
  CHECK(state() == "2 {130,100}");
}

TEST_CASE_METHOD(fixture, "several batches of several partitions go into one "
                          "flush, each trimmed by its own bound") {
  auto first = rows(0, {{1, {}, "a"}, {2, {}, "b"}, {3, {}, "c"}});
  auto second = rows(0, {{4, {}, "d"}, {5, {}, "e"}}, 102);
  auto other = rows(0, {{6, {}, "f"}});
  other.source.number = partition{1};
  first.rejects.push_back(reject_at(100));
  second.rejects.push_back(reject_at(102));
  auto work = flush_of(row, first);
  work.sources[0].trim_below = offset{101};
  work.sources.push_back({std::make_shared<const batch>(second), offset{103}});
  work.sources.push_back({std::make_shared<const batch>(other), offset{100}});
  work.claim.seqs = 1;
  work.claim.ranges
    = {{slot{0}, offset{100}, {offset{100}, offset{104}}, offset{101}},
       {slot{1}, offset{100}, {offset{100}, offset{101}}, offset{100}}};
  auto result = run(work);
  INFO(result.message);
  REQUIRE(result.verdict == flush_verdict::committed);
  CHECK(content("log") == "2/-/b 3/-/c 5/-/e 6/-/f");
  CHECK(counts() == "4 0 0");
}

TEST_CASE_METHOD(fixture, "an upsert keeps the last row of each key, within a "
                          "flush and over flushes") {
  commit(rows(1, {{1, 1, "a"},
                  {2, 1, "b"},
                  {1, 2, "c"},
                  {3, 1, "d"},
                  {1, 0, "e"},
                  {2, 9, "f"}}));
  CHECK(content("latest") == "1/0/e 2/9/f 3/1/d");
  commit(rows(1, {{2, 3, "g"}, {4, 1, "h"}}, 106));
  CHECK(content("latest") == "1/0/e 2/3/g 3/1/d 4/1/h");
}

TEST_CASE_METHOD(fixture, "with a guard the greatest version wins wherever the "
                          "batches are cut, and the first of equals") {
  std::vector<event> xs{{1, 5, "a"}, {1, 7, "b"},  {1, 7, "c"},
                        {1, 6, "d"}, {2, {}, "e"}, {2, {}, "f"},
                        {2, 0, "g"}, {3, 1, "h"},  {3, {}, "i"}};
  SECTION("in one flush") {
    commit(rows(2, xs));
  }
  SECTION("each in its own") {
    for (std::size_t i = 0; i < xs.size(); ++i)
      commit(rows(2, {xs[i]}, 100 + static_cast<int64_t>(i)));
  }
  CHECK(content("newest") == "1/7/b 2/0/g 3/1/h");
}

TEST_CASE_METHOD(fixture, "a claim that is refused leaves nothing, and the "
                          "connection can be used again") {
  auto work = flush_of(row, rows(0, {{1, {}, "a"}}));
  ++work.claim.next_seq.value;
  auto result = run(work);
  CHECK(result.verdict == flush_verdict::refused);
  CHECK(result.sqlstate == "MR001");
  CHECK(counts() == "0 0 0");
  CHECK(state() == "1 {100,100}");
  commit(rows(0, {{1, {}, "a"}}));
}

TEST_CASE_METHOD(fixture, "an error in COPY takes the whole flush back, and "
                          "says what and where") {
  auto data = rows(1, {{1, {}, "x"}});
  add_row(data.blocks[0], 100, event_row(1, {}, "bad"), 1);
  data.rejects.push_back(reject_at(100));
  auto result = run(flush_of(row, data));
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.action == failure_action::bisect);
  CHECK(result.sqlstate == "23514");
  CHECK(result.constraint == "log_v_check");
  CHECK(result.table == "log");
  CHECK_THAT(result.reason, ContainsSubstring("COPY log, line 1"));
  CHECK(counts() == "0 0 0");
  CHECK(state() == "1 {100,100}");
  commit(rows(0, {{1, {}, "good"}}));
}

TEST_CASE_METHOD(fixture, "a constraint that is checked at COMMIT is a failure "
                          "of the data like any other") {
  db.execute("CREATE TABLE tenant_demo.parent (id bigint PRIMARY KEY); ALTER "
             "TABLE tenant_demo.log ADD FOREIGN KEY (id) REFERENCES "
             "tenant_demo.parent DEFERRABLE INITIALLY DEFERRED");
  auto result = run(flush_of(row, rows(0, {{1, {}, "a"}})));
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.action == failure_action::bisect);
  CHECK(result.sqlstate == "23503");
  CHECK(counts() == "0 0 0");
}

TEST_CASE_METHOD(fixture, "fields of a wrong length halt the lane") {
  auto data = rows(0, {{1, {}, "a"}});
  auto& block = data.blocks[0];
  SECTION("a bigint of seven bytes") {
    block.bytes[5] = std::byte{7};
    block.bytes.erase(block.bytes.begin() + 6);
    block.row_ends[0] -= 1;
  }
  SECTION("a bigint of nine bytes") {
    block.bytes[5] = std::byte{9};
    block.bytes.insert(block.bytes.begin() + 6, std::byte{0});
    block.row_ends[0] += 1;
  }
  auto result = run(flush_of(row, data));
  INFO(result.sqlstate);
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.action == failure_action::halt);
  commit(rows(0, {{1, {}, "a"}}));
}

TEST_CASE_METHOD(fixture, "a missing table parks the tenant") {
  db.execute("DROP TABLE tenant_demo.log");
  auto result = run(flush_of(row, rows(0, {{1, {}, "a"}})));
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.sqlstate == "42P01");
  CHECK(result.action == failure_action::park);
}

TEST_CASE_METHOD(fixture, "a missing partition is not the data's fault") {
  db.execute("DROP TABLE tenant_demo.log; CREATE TABLE tenant_demo.log (id "
             "bigint, version bigint, v text) PARTITION BY RANGE (id)");
  auto result = run(flush_of(row, rows(0, {{1, {}, "a"}})));
  CHECK(result.sqlstate == "23514");
  CHECK(result.action == failure_action::wait_partition);
}

TEST_CASE_METHOD(fixture, "what a claim says must be what its batches are") {
  auto work = flush_of(row, rows(0, {{1, {}, "a"}}));
  SECTION("shape") {
    ++work.claim.shape.value;
  }
  SECTION("map version") {
    ++work.claim.map_version.value;
  }
  SECTION("seqs") {
    work.claim.seqs = 2;
  }
  SECTION("plan") {
    work.plan = nullptr;
  }
  SECTION("lane") {
    work.claim.lane.number = shard{1};
  }
  auto result = run(work);
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.action == failure_action::halt);
  CHECK(counts() == "0 0 0");
}

TEST_CASE_METHOD(fixture, "a dead letter keeps the record byte for byte, null "
                          "apart from empty") {
  auto data = batch_of(100, 110);
  auto full = reject_at(101);
  full.stage = reject_stage::map;
  full.sqlstate = "22P02";
  full.has_key = full.has_value = true;
  full.key = std::string{"k\0\xff", 3};
  full.value = std::string{"\0\x01\xfe{", 4};
  full.headers = std::string{"\0\0\0\0", 4};
  full.timestamp_ms = 1'768'823'511'894;
  full.reason = std::string{"nul \0 and \xff, tab\t", 17};
  auto empty = reject_at(102);
  empty.has_key = empty.has_value = true;
  data.rejects = {full, empty, reject_at(103)};
  commit(std::move(data));
  auto found = db.rows(
    "SELECT pipeline, tenant, shard, topic, topic_name, partition, \"offset\", "
    "coalesce(encode(key, 'hex'), 'null'), encode(headers, 'hex'), "
    "coalesce(encode(value, 'hex'), 'null'), "
    "to_char(\"timestamp\" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), "
    "stage, sqlstate, reason FROM millrace.dead_letter ORDER BY seq");
  using strings = std::vector<std::string>;
  REQUIRE(found.size() == 3);
  CHECK(found[0]
        == strings{"p", "demo", "0", to_string(topic_id), "events", "0", "101",
                   "6b00ff", "00000000", "0001fe7b",
                   "2026-01-19 11:51:51.894000", "map", "22P02",
                   "nul \xef\xbf\xbd and \xef\xbf\xbd, tab\t"});
  CHECK(found[1][7] == "");
  CHECK(found[1][9] == "");
  CHECK(found[1][10] == "");
  CHECK(found[2][7] == "null");
  CHECK(found[2][9] == "null");
}

TEST_CASE_METHOD(fixture, "a dead letter whose value was cut has length and "
                          "SHA-256 of all of it, and others have neither") {
  auto data = batch_of(100, 110);
  auto cut = reject_at(101);
  cut.has_value = true;
  cut.value = "begin";
  cut.value_bytes = 9'000'000'000;
  cut.value_sha256 = std::string(31, '\xab') + '\0';
  auto whole = reject_at(102);
  whole.has_value = true;
  whole.value = "all";
  data.rejects = {cut, whole};
  commit(std::move(data));
  auto found = db.rows("SELECT convert_from(value, 'UTF8'), "
                       "coalesce(value_bytes::text, 'null'), "
                       "coalesce(encode(value_sha256, 'hex'), 'null') FROM "
                       "millrace.dead_letter ORDER BY seq");
  using strings = std::vector<std::string>;
  std::string sum;
  for (int i = 0; i < 31; ++i)
    sum += "ab";
  REQUIRE(found.size() == 2);
  CHECK(found[0] == strings{"begin", "9000000000", sum + "00"});
  CHECK(found[1] == strings{"all", "null", "null"});
}

TEST_CASE_METHOD(fixture, "big flushes never block longer than their slice") {
  auto data = batch_of(100, 300'100);
  std::string text(60, 'x');
  for (int64_t i = 0; i < 300'000; ++i)
    add_row(data.blocks[0], 100 + i, event_row(i, i, text), i);
  flush_run aut{*conn, flush_of(row, std::move(data)), 60s};
  auto longest = 0ms;
  for (auto done = false; !done;) {
    auto begin = std::chrono::steady_clock::now();
    done = aut.advance(20ms) == flush_progress::done;
    longest = std::max(longest,
                       std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::steady_clock::now() - begin));
  }
  CHECK(aut.result().verdict == flush_verdict::committed);
  CHECK(aut.result().rows == 300'000);
  CHECK(longest < 500ms);
  CHECK(counts() == "300000 0 0");
}

TEST_CASE_METHOD(fixture, "staging tables follow the shape and are made once "
                          "per connection") {
  commit(rows(1, {{1, 1, "a"}}));
  commit(rows(1, {{2, 1, "b"}}, 101));
  auto tables = must(conn->query("SELECT count(*) FROM pg_class WHERE relname "
                                 "LIKE 'mr\\_%' AND relpersistence = 't'"))
                  .rows;
  CHECK(tables[0][0] == "2");
  CHECK(content("latest") == "1/1/a 2/1/b");
  // A column changes its type, and with it the shape.
  db.execute("ALTER TABLE tenant_demo.latest ALTER id TYPE int; UPDATE "
             "millrace.lane SET shape = 5");
  plan = make_write_plan(
    "p", "demo", shape{5},
    {{"tenant_demo", "log", write_method::append, {"id"}, {}, {}},
     {"tenant_demo",
      "latest",
      write_method::upsert,
      {"id", "version", "v"},
      {"id"},
      {}}});
  auto data = batch_of(102, 103);
  data.shape = shape{5};
  data.blocks.resize(2);
  auto bytes = event_row(3, 1, "c");
  bytes[5] = std::byte{4};
  bytes.erase(bytes.begin() + 6, bytes.begin() + 10);
  add_row(data.blocks[1], 102, bytes, 3);
  row = must(store().load({lane, false}));
  commit(std::move(data));
  CHECK(content("latest") == "1/1/a 2/1/b 3/1/c");
}

TEST_CASE_METHOD(fixture, "rows go into day partitions and hypertables alike") {
  db.execute("DROP TABLE tenant_demo.log");
  SECTION("partitions") {
    db.execute("CREATE TABLE tenant_demo.log (id bigint, version bigint, v "
               "text) PARTITION BY RANGE (id); CREATE TABLE "
               "tenant_demo.log_1 PARTITION OF tenant_demo.log FOR VALUES "
               "FROM (0) TO (10); CREATE TABLE tenant_demo.log_2 PARTITION OF "
               "tenant_demo.log FOR VALUES FROM (10) TO (99)");
  }
  SECTION("hypertable") {
    db.execute("CREATE EXTENSION IF NOT EXISTS timescaledb");
    db.execute("CREATE TABLE tenant_demo.log (id bigint NOT NULL, version "
               "bigint, v text); SELECT create_hypertable('tenant_demo.log', "
               "'id', chunk_time_interval => 10)");
  }
  commit(rows(0, {{1, {}, "a"}, {11, {}, "b"}, {2, {}, "c"}}));
  CHECK(content("log") == "1/-/a 2/-/c 11/-/b");
}
