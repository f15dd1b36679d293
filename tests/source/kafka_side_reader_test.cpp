#include "actors/source/kafka_side_reader.hpp"
#include "tests/source/kafka_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

struct side_fixture : mock_fixture {
  kafka_side_reader side{config(), 60s};
  kafka_side_reader::clock::time_point now{1h};

  kafka_consumer_config config() const {
    kafka_consumer_config result;
    result.properties = properties;
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(side_fixture, "a partition is read by two clients at once, "
                               "each from its own offset") {
  fill(properties, "t", {0}, 20);
  auto consumer = open_consumer();
  auto main = must(consumer.assign(from(15)));
  auto second = must(side.assign(from(5), now));
  collector seen;
  collector again;
  drain_until(consumer, *main, seen, at_end);
  drain_until(consumer, *second, again, at_end);
  CHECK(seen.offsets().front() == 15);
  CHECK(seen.records.size() == 5);
  CHECK(again.offsets().front() == 5);
  CHECK(again.records.size() == 15);
}

TEST_CASE_METHOD(side_fixture, "an assignment ends with the last holder of its "
                               "queue") {
  auto first = must(side.assign(from(0), now));
  auto second = must(side.assign(from(0, 1), now));
  side.poll(now);
  CHECK(side.assigned() == 2);
  first.reset();
  side.poll(now);
  CHECK(side.assigned() == 1);
  // Taken over by a newer assignment, an old handle ends nothing.
  auto third = must(side.assign(from(0, 1), now));
  collector nothing;
  CHECK(second->drain({}, nothing).stale);
  second.reset();
  side.poll(now);
  CHECK(side.assigned() == 1);
  CHECK_FALSE(third->drain({}, nothing).stale);
}

TEST_CASE_METHOD(side_fixture, "a client that nobody needs is closed after a "
                               "while, and opened again") {
  CHECK_FALSE(side.is_open());
  auto queue = must(side.assign(from(0), now));
  now += 1h;
  side.poll(now);
  CHECK(side.is_open());
  queue.reset();
  side.poll(now);
  CHECK(side.is_open());
  side.poll(now + 59s);
  CHECK(side.is_open());
  side.poll(now + 60s);
  CHECK_FALSE(side.is_open());
  fill(properties, "t", {0}, 3);
  queue = must(side.assign(from(1), now));
  auto other = open_consumer();
  collector seen;
  drain_until(other, *queue, seen, at_end);
  CHECK(seen.records.size() == 2);
}

TEST_CASE_METHOD(side_fixture, "a queue outlives its client, and is stale") {
  auto queue = must(side.assign(from(0), now));
  side.close();
  collector nothing;
  CHECK(queue->drain({}, nothing).stale);
}
