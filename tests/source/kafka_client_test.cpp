#include "actors/source/kafka_admin.hpp"
#include "actors/source/kafka_reader.hpp"
#include "tests/source/kafka_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

struct client_fixture : mock_fixture {
  kafka_client client = must(kafka_client::open(properties));
  kafka_reader reader = must(kafka_reader::open(properties));
  kafka_partition t0{"t", {0}};
};

} // namespace

TEST_CASE(
  "an offset that nobody has told is no offset, but worth another try") {
  kafka_partition t0{"t", {0}};
  CHECK(must(kafka_detail::read_offset(0, 12, t0)) == 12);
  // By a time: no record is so late.
  CHECK(must(kafka_detail::read_offset(0, -1, t0)) == -1);
  auto untold = kafka_detail::read_offset(0, -1001, t0);
  REQUIRE_FALSE(untold);
  CHECK(untold.error().action == kafka_action::retry);
  CHECK_FALSE(kafka_detail::read_offset(3, 12, t0));
}

TEST_CASE_METHOD(client_fixture, "watermarks bound what the log has") {
  CHECK(must(client.watermarks(t0, patience)) == kafka_watermarks{{0}, {0}});
  fill(properties, "t", {0}, 12);
  CHECK(must(client.watermarks(t0, patience)) == kafka_watermarks{{0}, {12}});
  auto missing = client.watermarks({"t", {7}}, 5s);
  REQUIRE_FALSE(missing);
}

TEST_CASE_METHOD(client_fixture, "a topic of the embedded broker has an id") {
  must(cluster.create_topic("a", 3));
  auto t = must(client.describe_topic("t", patience));
  CHECK(t.partitions == 2);
  REQUIRE(t.id);
  CHECK(must(client.describe_topic("t", patience)).id == t.id);
  auto a = must(client.describe_topic("a", patience));
  CHECK(a.partitions == 3);
  CHECK(a.id != t.id);
}

TEST_CASE_METHOD(client_fixture, "an unknown topic is not an empty one") {
  auto answer = client.describe_topic("nope", patience);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == kafka_errc::topic_missing);
  CHECK(answer.error().action == kafka_action::halt);
}

TEST_CASE_METHOD(client_fixture, "topics are listed by name") {
  must(cluster.create_topic("a", 1));
  CHECK(must(client.topics(patience)) == std::vector<std::string>{"a", "t"});
}

TEST_CASE_METHOD(client_fixture, "many topics are described at once, and a "
                                 "missing one does not hurt the others") {
  must(cluster.create_topic("a", 3));
  auto all = must(client.describe_topics({"t", "nope", "a"}, patience));
  REQUIRE(all.size() == 3);
  CHECK(must(all[0]).id == must(client.describe_topic("t", patience)).id);
  REQUIRE_FALSE(all[1]);
  CHECK(all[1].error().code == kafka_errc::topic_missing);
  CHECK(must(all[2]).partitions == 3);
  CHECK(must(client.describe_topics({}, patience)).empty());
}

TEST_CASE_METHOD(client_fixture, "the watermarks of many partitions are asked "
                                 "at once") {
  fill(properties, "t", {1}, 7);
  std::vector<kafka_partition> both{{"t", {1}}, {"t", {0}}};
  auto marks = must(client.watermarks(both, patience));
  REQUIRE(marks.size() == 2);
  CHECK(must(marks[0]) == kafka_watermarks{{0}, {7}});
  CHECK(must(marks[1]) == kafka_watermarks{{0}, {0}});
  CHECK(
    must(client.watermarks(std::span<kafka_partition>{}, patience)).empty());
}

TEST_CASE_METHOD(client_fixture, "a log that cannot be measured does not hurt "
                                 "the others") {
  fill(properties, "t", {1}, 7);
  std::vector<kafka_partition> three{{"t", {1}}, {"t", {7}}, {"t", {0}}};
  auto marks = must(client.watermarks(three, patience));
  REQUIRE(marks.size() == 3);
  CHECK(must(marks[0]) == kafka_watermarks{{0}, {7}});
  REQUIRE_FALSE(marks[1]);
  CHECK(marks[1].error().message.contains("t [7]"));
  CHECK(must(marks[2]) == kafka_watermarks{{0}, {0}});
}

TEST_CASE_METHOD(client_fixture, "a property of SASL or TLS reaches librdkafka "
                                 "and its value no message") {
  auto opened = [](const kafka_properties& x) { return kafka_client::open(x); };
  CHECK(opened({{"security.protocol", "SASL_SSL"},
                {"sasl.mechanism", "SCRAM-SHA-512"},
                {"sasl.username", "u"},
                {"sasl.password", "hunter2"},
                {"ssl.endpoint.identification.algorithm", "https"}}));
  auto refused = opened({{"security.protocol", "hunter2"}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == kafka_errc::bad_config);
  CHECK(refused.error().message.contains("security.protocol"));
  CHECK_FALSE(refused.error().message.contains("hunter2"));
  refused = opened({{"security.protocol", "SSL"},
                    {"ssl.key.pem", "hunter2"},
                    {"ssl.key.password", "hunter2"}});
  REQUIRE_FALSE(refused);
  CHECK_FALSE(refused.error().message.contains("hunter2"));
  refused = opened({{"sasl.pasword", "hunter2"}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.contains("unknown"));
  CHECK_FALSE(refused.error().message.contains("hunter2"));
  refused = opened({{"isolation.level", "read_uncommitted"}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.contains("set by Millrace itself"));
}

TEST_CASE_METHOD(client_fixture, "an unreachable cluster is an answer too") {
  cluster.set_reachable(1, false);
  auto refused = client.watermarks(t0, 300ms);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().action == kafka_action::retry);
}

// A question that librdkafka 2.8 has given up by itself ends the process when
// the coordinator is there again (its #4605).
TEST_CASE_METHOD(client_fixture, "a coordinator that comes back late hurts "
                                 "nobody who has asked meanwhile") {
  cluster.set_reachable(1, false);
  auto refused = client.group_offsets("g", {&t0, 1}, 300ms);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().action == kafka_action::retry);
  cluster.set_reachable(1, true);
  auto until = std::chrono::steady_clock::now() + patience;
  auto told = client.group_offsets("g", {&t0, 1}, 1s);
  while (!told && std::chrono::steady_clock::now() < until)
    told = client.group_offsets("g", {&t0, 1}, 1s);
  CHECK(must(std::move(told)).next == std::vector<std::optional<offset>>{{}});
  // Nor does one who ends with the question still open.
  cluster.set_reachable(1, false);
  CHECK_FALSE(client.group_offsets("g", {&t0, 1}, 1ms));
}

TEST_CASE_METHOD(client_fixture, "a second reading lists the offsets it sees") {
  fill(properties, "t", {0}, 20);
  using list = std::vector<int64_t>;
  auto read = [&](int64_t from, int64_t to) {
    return must(reader.read_offsets(t0, {from}, {to}, patience));
  };
  CHECK(read(3, 7) == list{3, 4, 5, 6});
  CHECK(read(18, 20) == list{18, 19});
  CHECK(read(5, 5).empty());
  // Again and backwards: each reading is a new assignment.
  CHECK(read(0, 2) == list{0, 1});
}

TEST_CASE_METHOD(client_fixture,
                 "a second reading never guesses beyond the end") {
  fill(properties, "t", {0}, 5);
  must(reader.read_offsets(t0, {0}, {5}, patience));
  auto answer = reader.read_offsets(t0, {3}, {9}, 1s);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == kafka_errc::timed_out);
  CHECK(answer.error().message.contains("got to 5"));
  answer = reader.read_offsets(t0, {100}, {101}, patience);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == kafka_errc::offset_out_of_range);
}

TEST_CASE_METHOD(client_fixture, "a range beyond the limit is refused") {
  auto answer = reader.read_offsets(t0, {0}, {kafka_reader::max_range + 1}, 1s);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == kafka_errc::bad_config);
}

TEST_CASE_METHOD(client_fixture, "a single record can be read again") {
  fill(properties, "t", {0}, 5);
  auto record = must(reader.read_record(t0, {3}, patience));
  REQUIRE(record);
  CHECK(record->at == offset{3});
  CHECK(record->key == "k3");
  CHECK(record->value == "v3");
  CHECK(record->timestamp_ms == 1'700'000'000'003);
}

TEST_CASE_METHOD(client_fixture, "what the broker sends along with a record is "
                                 "read in one go") {
  fill(properties, "t", {0}, 50);
  int reads = 0;
  for (offset at{1}; at < offset{50}; ++reads) {
    auto x = must(reader.read_stretch(t0, at, 1'000, patience));
    CHECK(x.from == at);
    REQUIRE(x.to > at);
    CHECK(std::ssize(x.records) == x.to - x.from);
    for (const auto& record : x.records) {
      CHECK(record.at == at);
      CHECK(record.value == std::format("v{}", at.value));
      at = at + 1;
    }
  }
  CHECK(reads < 25);
  auto few = must(reader.read_stretch(t0, {10}, 7, patience));
  CHECK(few.records.size() <= 2);
  CHECK(few.to <= offset{12});
}
