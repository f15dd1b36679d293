// Events that wait for rows, against PostgreSQL itself (protocol.md,
// section 4).

#include "actors/store/retention.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Writes: 0 updates `latest` and waits for its row, 1 upserts into it, 2
/// deletes from it, 3 appends to `log` always.
struct fixture : store_fixture {
  fixture() {
    std::vector<std::string> columns{"id", "version", "v"};
    auto to = [](std::string table, write_method method,
                 std::vector<std::string> of, missing_row policy) {
      write_target result{"tenant_demo", std::move(table), method,
                          std::move(of), {"id"},           {}};
      result.on_missing = policy;
      return result;
    };
    auto log = to("log", write_method::append, columns, missing_row::wait);
    log.always = true;
    plan = make_write_plan(
      "p", "demo", rows_of,
      {to("latest", write_method::update, columns, missing_row::wait),
       to("latest", write_method::upsert, columns, missing_row::wait),
       to("latest", write_method::remove, {"id"}, missing_row::ignore), log});
  }

  static std::vector<std::byte> key_of(int64_t id) {
    std::vector<std::byte> out;
    append_be(out, 1, 2);
    append_be(out, 8, 4);
    append_be(out, static_cast<uint64_t>(id), 8);
    return out;
  }

  batch empty(int64_t from, int64_t to) const {
    auto result = batch_of(from, to);
    result.blocks.resize(4);
    return result;
  }

  static void put(batch& to, std::size_t write, int64_t at, int64_t id) {
    add_row(to.blocks[write], at,
            write == 2 ? key_of(id) : event_row(id, at, "v"), id);
  }

  static std::vector<std::pair<std::size_t, int64_t>>
  missing(const flush_result& x) {
    std::vector<std::pair<std::size_t, int64_t>> result;
    for (const auto& m : x.missing)
      result.emplace_back(m.block, m.at.value);
    return result;
  }

  flush_result commit(flush work) {
    auto result = run(std::move(work));
    INFO(result.message);
    REQUIRE(result.verdict == flush_verdict::committed);
    row = must(store().load({lane, false}));
    return result;
  }

  /// The flush with the event at `at` of its only source put aside.
  static flush put_aside(flush work, int64_t at,
                         std::vector<touched_row> touches = {}) {
    waiting_letter letter;
    letter.record.at = offset{at};
    letter.record.has_value = true;
    letter.record.value = std::string{"\0raw", 4};
    letter.record.headers = std::string(8, '\xff');
    letter.record.timestamp_ms = 1'700'000'000'123;
    letter.record.reason = "no row";
    letter.touches = std::move(touches);
    work.sources[0].waiting.push_back(std::move(letter));
    work.claim.seqs = 1 + reject_count(work);
    return work;
  }

  lane_row row = take();
};

using found = std::vector<std::pair<std::size_t, int64_t>>;

} // namespace

TEST_CASE_METHOD(fixture, "a flush whose updates lack their rows writes "
                          "nothing and says which") {
  db.execute("INSERT INTO tenant_demo.latest VALUES (2, 0, 'x')");
  auto data = empty(100, 110);
  put(data, 1, 100, 7);
  put(data, 0, 101, 1);
  put(data, 0, 102, 2);
  put(data, 0, 103, 3);
  put(data, 0, 104, 7);
  // The second of a key lacks it, too, until somebody makes it.
  put(data, 0, 105, 1);
  put(data, 1, 106, 1);
  put(data, 0, 107, 1);
  auto result = run(flush_of(row, std::move(data)));
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.action == failure_action::missing);
  CHECK(missing(result) == found{{0, 101}, {0, 103}, {0, 105}});
  CHECK(result.reason.contains("latest"));
  CHECK(db.value("SELECT count(*) FROM tenant_demo.latest") == "1");
  CHECK(db.value("SELECT next_off[1] FROM millrace.lane WHERE shard = 0")
        == "100");
}

TEST_CASE_METHOD(fixture, "an update of what the flush has deleted is known "
                          "to lack its row before anything is sent") {
  db.execute("INSERT INTO tenant_demo.latest VALUES (1, 0, 'x')");
  auto data = empty(100, 103);
  put(data, 2, 100, 1);
  put(data, 0, 101, 1);
  auto result = run(flush_of(row, std::move(data)));
  CHECK(result.action == failure_action::missing);
  CHECK(missing(result) == found{{0, 101}});
}

TEST_CASE_METHOD(fixture, "when all rows are there nothing is missing, and "
                          "deletes of nothing are counted") {
  db.execute("INSERT INTO tenant_demo.latest VALUES (1, 0, 'x')");
  auto data = empty(100, 103);
  put(data, 0, 100, 1);
  put(data, 2, 101, 2);
  auto result = commit(flush_of(row, std::move(data)));
  CHECK(result.not_found == std::vector<int64_t>{0, 0, 1, 0});
}

TEST_CASE_METHOD(fixture, "with a version guard a row that is newer is found "
                          "all the same") {
  write_target guarded{"tenant_demo",          "newest", write_method::update,
                       {"id", "version", "v"}, {"id"},   "version"};
  guarded.on_missing = missing_row::wait;
  plan = make_write_plan("p", "demo", rows_of, {guarded});
  db.execute("INSERT INTO tenant_demo.newest VALUES (1, 500, 'x')");
  auto data = batch_of(100, 104);
  data.blocks.resize(1);
  put(data, 0, 100, 1);
  put(data, 0, 101, 2);
  put(data, 0, 102, 2);
  auto result = run(flush_of(row, data));
  CHECK(missing(result) == found{{0, 101}, {0, 102}});
}

TEST_CASE_METHOD(fixture, "an event that is put aside is kept with its record, "
                          "and only what is always made is written") {
  auto data = empty(100, 103);
  put(data, 0, 101, 1);
  put(data, 3, 101, 1);
  put(data, 1, 102, 2);
  std::vector<touched_row> touches{{{1, 2}, true}, {{3, ~uint64_t{0}}, false}};
  auto result = commit(put_aside(flush_of(row, data), 101, touches));
  CHECK(result.waiting == 1);
  CHECK(result.rows == 2);
  CHECK(db.value("SELECT string_agg(id::text, ',') FROM tenant_demo.log")
        == "1");
  CHECK(db.value("SELECT string_agg(id::text, ',') FROM tenant_demo.latest")
        == "2");
  CHECK(db.value("SELECT concat_ws('|', seq, \"offset\", value, headers, "
                 "reason) FROM millrace.waiting")
        == "2|101|\\x00726177|\\xffffffffffffffff|no row");
  REQUIRE(row.waiting.size() == 1);
  CHECK(row.waiting[0].number == seq{2});
  CHECK(row.waiting[0].bytes == 12);
  CHECK(row.waiting[0].touches == touches);
  CHECK(row.next_seq == seq{3});

  auto read = must(store().waiting({lane, seq{}, 10, 1'000, 3'600'000}));
  REQUIRE(read.events.size() == 1);
  CHECK(read.count == 1);
  const auto& event = read.events[0];
  CHECK(event.source == data.source);
  CHECK(event.topic == "events");
  CHECK_FALSE(event.expired);
  CHECK(event.record.at == offset{101});
  CHECK_FALSE(event.record.has_key);
  CHECK(event.record.value == std::string{"\0raw", 4});
  CHECK(event.record.timestamp_ms == 1'700'000'000'123);
  CHECK(must(store().waiting({lane, seq{}, 10, 1'000, 0})).events[0].expired);
  CHECK(must(store().waiting({lane, seq{3}, 10, 1'000, 0})).events.empty());
}

TEST_CASE_METHOD(fixture, "waiting events are read in their order, as many as "
                          "fit, but one at least") {
  for (int64_t at = 100; at < 103; ++at) {
    auto data = empty(at, at + 1);
    put(data, 0, at, at);
    commit(put_aside(flush_of(row, std::move(data)), at));
  }
  auto offsets = [&](int32_t events, int64_t bytes) {
    std::vector<int64_t> result;
    for (const auto& x :
         must(store().waiting({lane, seq{}, events, bytes, 0})).events)
      result.push_back(x.record.at.value);
    return result;
  };
  CHECK(offsets(10, 1'000) == std::vector<int64_t>{100, 101, 102});
  CHECK(offsets(2, 1'000) == std::vector<int64_t>{100, 101});
  CHECK(offsets(10, 24) == std::vector<int64_t>{100, 101});
  CHECK(offsets(10, 1) == std::vector<int64_t>{100});
  CHECK(must(store().waiting({lane, seq{}, 0, 0, 0})).count == 3);
}

TEST_CASE_METHOD(fixture, "a retry takes the event away and writes it in one "
                          "transaction, or does neither") {
  auto data = empty(100, 101);
  put(data, 0, 100, 1);
  commit(put_aside(flush_of(row, data), 100));
  auto retry = flush_of(row, data);
  retry.sources[0].trim_below = offset{0};
  retry.claim.ranges.clear();
  retry.taken = {seq{2}};

  auto missed = run(retry);
  CHECK(missed.action == failure_action::missing);
  CHECK(db.value("SELECT count(*) FROM millrace.waiting") == "1");

  db.execute("INSERT INTO tenant_demo.latest VALUES (1, 0, 'x')");
  commit(retry);
  CHECK(db.value("SELECT count(*) FROM millrace.waiting") == "0");
  CHECK(db.value("SELECT v FROM tenant_demo.latest") == "v");
  CHECK(row.waiting.empty());

  // Somebody else has taken it: the lane has to look again.
  retry.claim.next_seq = row.next_seq;
  CHECK(run(retry).verdict == flush_verdict::refused);
}

TEST_CASE_METHOD(fixture, "a retry may end as a dead letter") {
  auto data = empty(100, 101);
  put(data, 0, 100, 1);
  commit(put_aside(flush_of(row, data), 100));
  auto retry = flush_of(row, data);
  retry.claim.ranges.clear();
  retry.sources[0].trim_below = offset{0};
  reject letter;
  letter.at = offset{100};
  letter.stage = reject_stage::waiting;
  letter.reason = "waited for 3600 s: no row";
  retry.sources[0].refused.push_back(letter);
  retry.taken = {seq{2}};
  retry.claim.seqs = 2;
  commit(retry);
  CHECK(db.value("SELECT concat_ws(' ', stage, reason, always_made) FROM "
                 "millrace.dead_letter")
        == "waiting waited for 3600 s: no row t");
  CHECK(db.value("SELECT count(*) FROM millrace.waiting") == "0");
}

TEST_CASE_METHOD(fixture, "a dead letter knows whether rows that are always "
                          "made were written with it") {
  auto data = empty(100, 105);
  auto letter = [](int64_t at) {
    reject result;
    result.at = offset{at};
    result.stage = reject_stage::map;
    return result;
  };
  for (int64_t at : {101, 103, 104})
    put(data, 3, at, at);
  data.rejects = {letter(101), letter(102)};
  auto work = flush_of(row, data);
  work.sources[0].refused = {letter(103), letter(104)};
  work.sources[0].silent = {offset{104}};
  work.claim.seqs += 2;
  commit(work);
  CHECK(db.value("SELECT string_agg(id::text, ',') FROM tenant_demo.log")
        == "101,103");
  CHECK(
    db.value("SELECT string_agg(\"offset\" || '=' || always_made, ' ' ORDER "
             "BY \"offset\") FROM millrace.dead_letter")
    == "101=true 102=false 103=true 104=false");
}

// -- retention ----------------------------------------------------------------

TEST_CASE_METHOD(store_fixture, "dead letters go by age and by size, oldest "
                                "first, by one node at a time, and it is "
                                "written down before") {
  auto letter = [this](int seq, const char* age, int bytes) {
    db.execute(
      "INSERT INTO millrace.dead_letter (pipeline, tenant, shard, seq, "
      "topic, topic_name, partition, \"offset\", headers, value, "
      "stage, reason, at) VALUES ('p', 'demo', 0, "
      + std::to_string(seq)
      + ", gen_random_uuid(), 't', 0, 1, '', convert_to(repeat('x', "
      + std::to_string(bytes) + "), 'UTF8'), 'map', 'r', now() - interval '"
      + age + "')");
  };
  letter(1, "10 days", 10);
  letter(2, "3 days", 100);
  letter(3, "2 days", 100);
  letter(4, "1 day", 100);
  constexpr int64_t day = 24 * 3'600'000;
  retention_rules rules{9 * day, 250};
  retention aut{*conn, rules, "n1"};
  REQUIRE(must(aut.take()));
  auto other = open();
  CHECK_FALSE(must(retention{other, rules, "n2"}.take()));

  auto found = must(aut.survey());
  CHECK(found.all.number == 4);
  CHECK(found.all.bytes == 310);
  CHECK(found.oldest_ms >= 10 * day);
  CHECK(found.beyond.number == 2);
  CHECK(found.beyond.bytes == 110);
  std::atomic<bool> stop = false;
  CHECK(must(aut.remove(found, stop)) == 2);
  CHECK(db.value("SELECT string_agg(seq::text, ',' ORDER BY seq) FROM "
                 "millrace.dead_letter")
        == "3,4");
  CHECK(db.value("SELECT command || ' ' || host || ' ' || before::text FROM "
                 "millrace.admin_action")
        == "retention n1 {\"bytes\": 110, \"number\": 2}");
  CHECK(must(aut.survey()).until.empty());
}

TEST_CASE("a warning comes at four fifths of the bytes, and a week before the "
          "age or at four fifths of it") {
  constexpr int64_t day = 24 * 3'600'000;
  retention_rules rules{90 * day, 1'000};
  auto near = [&rules](int64_t bytes, int64_t days) {
    retention_survey x;
    x.all.bytes = bytes;
    x.oldest_ms = days * day;
    return comes_near(x, rules);
  };
  CHECK_FALSE(near(800, 83));
  CHECK(near(801, 0));
  CHECK(near(0, 84));
  rules.keep_ms = 10 * day;
  CHECK_FALSE(near(0, 8));
  CHECK(near(0, 9));
}
