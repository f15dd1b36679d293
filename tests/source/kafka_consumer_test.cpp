#include "tests/source/kafka_fixture.hpp"
#include "tests/source/raw_batch.hpp"

#include <array>
#include <numeric>
#include <random>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

std::vector<int64_t> range(int64_t from, int64_t to) {
  std::vector<int64_t> result(static_cast<std::size_t>(to - from));
  std::iota(result.begin(), result.end(), from);
  return result;
}

} // namespace

TEST_CASE_METHOD(mock_fixture,
                 "a record arrives with key, value, headers and timestamp") {
  std::vector<std::pair<std::string, std::string>> headers{{"type", "Tick"},
                                                           {"empty", ""}};
  auto producer = must(kafka_producer::open(properties, "t"));
  must(producer.send({.key = "k",
                      .value = "v",
                      .headers = headers,
                      .timestamp_ms = 1'234'567,
                      .where = partition{0}},
                     patience));
  must(producer.flush(patience));
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  auto result = drain_until(consumer, *queue, seen, at_end);
  CHECK(result.position == offset{1});
  REQUIRE(seen.records.size() == 1);
  const auto& got = seen.records[0];
  CHECK(got.offset == 0);
  CHECK(got.timestamp_ms == 1'234'567);
  CHECK(got.key == "k");
  CHECK(got.value == "v");
  REQUIRE(got.headers.size() == 2);
  CHECK(got.headers[0].first == "type");
  CHECK(got.headers[0].second == "Tick");
  CHECK(got.headers[1].second == "");
}

TEST_CASE_METHOD(mock_fixture, "a null key or value is not an empty one") {
  auto producer = must(kafka_producer::open(properties, "t"));
  auto send = [&](std::optional<std::string_view> key,
                  std::optional<std::string_view> value) {
    must(producer.send({.key = key,
                        .value = value,
                        .headers = {},
                        .timestamp_ms = {},
                        .where = partition{0}},
                       patience));
  };
  send(std::nullopt, "v");
  send("", "v");
  send("k", std::nullopt);
  send("k", "");
  must(producer.flush(patience));
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  drain_until(consumer, *queue, seen, at_end);
  REQUIRE(seen.records.size() == 4);
  CHECK_FALSE(seen.records[0].key);
  CHECK(seen.records[1].key == "");
  CHECK_FALSE(seen.records[2].value);
  CHECK(seen.records[3].value == "");
}

TEST_CASE_METHOD(mock_fixture, "reading begins at the assigned offset") {
  fill(properties, "t", {0}, 100);
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(60)));
  collector seen;
  auto result = drain_until(consumer, *queue, seen, at_end);
  CHECK(seen.offsets() == range(60, 100));
  CHECK(seen.records[0].value == "v60");
  CHECK(result.position == offset{100});
  CHECK(queue->high_watermark() == offset{100});
}

TEST_CASE_METHOD(mock_fixture, "an empty partition is at its end at once") {
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  auto result = drain_until(consumer, *queue, seen, at_end);
  CHECK(result.position == offset{0});
  CHECK(seen.records.empty());
}

TEST_CASE_METHOD(mock_fixture, "a drain keeps to its limits and says more") {
  fill(properties, "t", {0}, 1000);
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  SECTION("records") {
    auto result = drain_until(consumer, *queue, seen,
                              [](const auto& x) { return x.records > 0; },
                              {.records = 7});
    CHECK(result.records == 7);
    CHECK(result.position == offset{7});
    CHECK(result.more);
    CHECK(queue->drain({.records = 3}, seen).position == offset{10});
  }
  SECTION("bytes") {
    // "k0" and "v0" are four bytes.
    auto result = drain_until(consumer, *queue, seen,
                              [](const auto& x) { return x.records > 0; },
                              {.bytes = 10});
    CHECK(result.records == 3);
    CHECK(result.bytes == 12);
    CHECK(result.more);
  }
  auto held = seen.records.size();
  drain_until(consumer, *queue, seen, at_end);
  CHECK(held < seen.records.size());
  CHECK(seen.offsets() == range(0, 1000));
}

TEST_CASE_METHOD(mock_fixture, "a visitor can end a drain after a record") {
  fill(properties, "t", {0}, 10);
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  struct one : record_visitor {
    bool visit(const record_view& x) override {
      last = x.offset;
      return false;
    }
    int64_t last = -1;
  } visitor;
  auto got = [](const drain_result& x) { return x.records > 0; };
  CHECK(drain_until(consumer, *queue, visitor, got).position == offset{1});
  CHECK(drain_until(consumer, *queue, visitor, got).position == offset{2});
  CHECK(visitor.last == 1);
}

TEST_CASE_METHOD(mock_fixture,
                 "a new assignment goes back without a stale record") {
  constexpr int n = 3000;
  fill(properties, "t", {0}, n);
  auto consumer = open_consumer(16 * 1024);
  std::mt19937 random{7};
  auto old = must(consumer.assign(from(0)));
  for (int round = 0; round < 100; ++round) {
    auto start = static_cast<int64_t>(random() % n);
    auto queue = must(consumer.assign(from(start)));
    CHECK(old->generation() < queue->generation());
    collector nothing;
    CHECK(old->drain({}, nothing).stale);
    CHECK(nothing.records.empty());
    // Sometimes read nothing, sometimes a part, sometimes all there is.
    auto wanted = static_cast<std::size_t>(random() % 3) * 200;
    wanted = std::min(wanted, static_cast<std::size_t>(n - start));
    collector seen;
    if (wanted > 0)
      drain_until(consumer, *queue, seen, [&](const drain_result&) {
        return seen.records.size() >= wanted;
      });
    auto count = static_cast<int64_t>(seen.records.size());
    REQUIRE(seen.offsets() == range(start, start + count));
    old = queue;
  }
}

TEST_CASE_METHOD(mock_fixture,
                 "assigning one partition leaves the others undisturbed") {
  fill(properties, "t", {0}, 500);
  fill(properties, "t", {1}, 500);
  auto consumer = open_consumer();
  auto other = must(consumer.assign(from(0, 1)));
  collector others;
  auto half = [&](const drain_result&) { return others.records.size() >= 250; };
  drain_until(consumer, *other, others, half, {.records = 10});
  for (int i = 0; i < 5; ++i) {
    auto queue = must(consumer.assign(from(100)));
    collector seen;
    drain_until(consumer, *queue, seen, at_end);
    CHECK(seen.offsets() == range(100, 500));
  }
  kafka_partition gone{"t", {0}};
  consumer.unassign(std::span{&gone, 1});
  drain_until(consumer, *other, others, at_end);
  CHECK(others.offsets() == range(0, 500));
}

TEST_CASE_METHOD(mock_fixture,
                 "a paused queue hands out nothing and loses nothing") {
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  drain_until(consumer, *queue, seen, at_end);
  bell wakeup;
  queue->set_wakeup([&] { wakeup.ring(); });
  REQUIRE(wakeup.wait());
  queue->pause();
  CHECK(queue->paused());
  fill(properties, "t", {0}, 20);
  REQUIRE(wakeup.wait());
  auto result = queue->drain({}, seen);
  CHECK(result.position == offset{0});
  CHECK_FALSE(result.stale);
  queue->resume();
  CHECK(wakeup.wait());
  drain_until(consumer, *queue, seen,
              [](const auto& x) { return x.position == offset{20}; });
  CHECK(seen.offsets() == range(0, 20));
}

TEST_CASE_METHOD(mock_fixture, "a queue wakes up for records that come later") {
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  drain_until(consumer, *queue, seen, at_end);
  bell wakeup;
  queue->set_wakeup([&] { wakeup.ring(); });
  REQUIRE(wakeup.wait());
  queue->drain({}, seen);
  fill(properties, "t", {0}, 1);
  CHECK(wakeup.wait());
  queue->set_wakeup({});
}

TEST_CASE_METHOD(mock_fixture,
                 "small queue bytes bound what is held, not what is read") {
  fill(properties, "t", {0}, 5000);
  auto consumer = open_consumer(4 * 1024);
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  drain_until(consumer, *queue, seen, at_end, {.bytes = 500});
  CHECK(seen.offsets() == range(0, 5000));
}

TEST_CASE_METHOD(mock_fixture, "an offset beyond the log halts the partition") {
  fill(properties, "t", {0}, 10);
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(1000)));
  collector seen;
  auto result = drain_until(consumer, *queue, seen, [](const drain_result& x) {
    return x.error.has_value();
  });
  CHECK(result.error->code == kafka_errc::offset_out_of_range);
  CHECK(result.error->action == kafka_action::halt);
  CHECK(result.error->message.contains("t [0]"));
  CHECK(result.error->message.contains("1000"));
  CHECK(seen.records.empty());
}

TEST_CASE_METHOD(mock_fixture, "records packed in a way that nobody knows halt "
                               "the partition, and none is passed over") {
  fill(properties, "t", {0}, 3);
  REQUIRE(send_raw_batch(cluster.bootstrap(), "t", 0, raw_batch(5, "packed")));
  fill(properties, "t", {0}, 3);
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  auto result = drain_until(consumer, *queue, seen, [](const drain_result& x) {
    return x.error.has_value();
  });
  CHECK(result.error->code == kafka_errc::corrupt);
  CHECK(result.error->action == kafka_action::halt);
  CHECK(result.error->message.contains("t [0]"));
  CHECK(seen.offsets() == range(0, 3));
}

TEST_CASE_METHOD(mock_fixture, "a failed fetch heals by itself") {
  fill(properties, "t", {0}, 10);
  // Not the leader, and a request that timed out.
  std::array<int16_t, 2> codes{6, 7};
  cluster.fail_fetches(codes);
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  drain_until(consumer, *queue, seen, at_end);
  CHECK(seen.offsets() == range(0, 10));
}

TEST_CASE_METHOD(mock_fixture,
                 "a lost cluster is told as something to wait for") {
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  drain_until(consumer, *queue, seen, at_end);
  cluster.set_reachable(1, false);
  auto deadline = std::chrono::steady_clock::now() + patience;
  std::vector<kafka_error> errors;
  while (errors.empty()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::yield();
    errors = consumer.poll();
  }
  CHECK(errors[0].code == kafka_errc::unreachable);
  CHECK(errors[0].action == kafka_action::retry);
  cluster.set_reachable(1, true);
  fill(properties, "t", {0}, 5);
  drain_until(consumer, *queue, seen,
              [](const auto& x) { return x.position == offset{5}; });
  CHECK(seen.offsets() == range(0, 5));
}

TEST_CASE_METHOD(mock_fixture, "a closed consumer leaves stale queues") {
  fill(properties, "t", {0}, 10);
  auto consumer = open_consumer();
  auto queue = must(consumer.assign(from(0)));
  collector seen;
  drain_until(consumer, *queue, seen,
              [](const auto& x) { return x.records > 0; }, {.records = 2});
  consumer.close();
  CHECK(queue->drain({}, seen).stale);
  CHECK_FALSE(queue->high_watermark());
  bool called = false;
  queue->set_wakeup([&] { called = true; });
  queue->resume();
  CHECK_FALSE(called);
  CHECK(seen.offsets() == range(0, 2));
}

TEST_CASE("an assignment needs a concrete offset") {
  auto consumer = must(kafka_consumer::open({}));
  auto refused = consumer.assign(kafka_assignment{{"t", {0}}, {-2}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == kafka_errc::bad_config);
}

TEST_CASE("a property that the protocol owns cannot be set") {
  for (std::string name :
       {"auto.offset.reset", "enable.auto.commit", "enable.auto.offset.store",
        "isolation.level", "enable.partition.eof", "check.crcs"}) {
    CHECK(protected_property(name));
    kafka_consumer_config config;
    config.properties = {{name, "true"}};
    auto refused = kafka_consumer::open(std::move(config));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == kafka_errc::bad_config);
    CHECK(refused.error().message.contains(name));
  }
  CHECK_FALSE(protected_property("fetch.min.bytes"));
}

TEST_CASE("a refused property does not show its value") {
  kafka_consumer_config config;
  config.properties = {{"fetch.min.bytes", "hunter2"}};
  auto refused = kafka_consumer::open(std::move(config));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.contains("fetch.min.bytes"));
  CHECK_FALSE(refused.error().message.contains("hunter2"));
}

TEST_CASE("an unknown property is named") {
  kafka_consumer_config config;
  config.properties = {{"fetch.min.bites", "1"}};
  auto refused = kafka_consumer::open(std::move(config));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().action == kafka_action::quit);
  CHECK(refused.error().message
        == "kafka property \"fetch.min.bites\" is unknown to librdkafka");
}

TEST_CASE("partitions share the bytes that a client may hold ready, none "
          "above its own limit, none below a quarter of a MiB") {
  constexpr std::size_t mib = 1 << 20;
  CHECK(queue_share(128 * mib, 4, 4 * mib) == 4 * mib);
  CHECK(queue_share(128 * mib, 64, 4 * mib) == 2 * mib);
  CHECK(queue_share(128 * mib, 10'000, 4 * mib) == mib / 4);
  CHECK(queue_share(128 * mib, 10'000, 1024) == 1024);
  CHECK(queue_share(128 * mib, 0, 4 * mib) == 4 * mib);
}

TEST_CASE("one fetch is a small part of a queue, because it may be a hundred "
          "times as large when it is unpacked") {
  constexpr std::size_t mib = 1 << 20;
  CHECK(fetch_bytes(4 * mib) == mib / 8);
  CHECK(fetch_bytes(1024 * mib) == mib);
  CHECK(fetch_bytes(1024) == mib / 16);
}
