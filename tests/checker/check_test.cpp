#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_producer.hpp"
#include "tests/checker/check.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>

#include <format>
#include <random>

using namespace millrace_check;
using millrace::test::scratch_database;
using millrace::test::servers;

namespace {

/// Tables as the migrations make them, as far as the checker looks.
constexpr auto schema_sql = R"(
CREATE SCHEMA millrace;
CREATE SCHEMA tenant_demo;
CREATE TABLE millrace.topic (pipeline text, uuid uuid, name text,
  start_offsets bigint[]);
CREATE TABLE millrace.lane (pipeline text, tenant text, shard int, state text,
  next_off bigint[]);
CREATE TABLE millrace.partition_floor (pipeline text, topic uuid,
  partition int, slot int, floor bigint);
CREATE TABLE millrace.dead_letter (pipeline text, topic_name text,
  partition int, "offset" bigint, key bytea, headers bytea, value bytea,
  stage text, reason text);
CREATE TABLE tenant_demo.symbols (symbol_id bigint, symbol_name text);
INSERT INTO tenant_demo.symbols VALUES (1, 'EURUSD');
CREATE TABLE tenant_demo.ticks (symbol_id bigint, symbol_name varchar(50),
  tick_time timestamptz, bid_price numeric, ask_price numeric, spread numeric,
  bid_volume numeric, ask_volume numeric, lp text, broker_id text,
  src_partition int, src_offset bigint);
)";

/// A topic with three ticks and a record that is none, and tables that hold
/// exactly that.
struct check_fixture {
  scratch_database database{"checker"};
  check_config config;

  check_fixture() {
    using namespace millrace;
    using namespace std::chrono_literals;
    config.bootstrap = servers::kafka_bootstrap();
    config.topic = test::unique_name("checker");
    config.database_url = database.url();
    kafka_properties properties{{"bootstrap.servers", config.bootstrap}};
    auto client = kafka_client::open(properties);
    REQUIRE(client);
    REQUIRE(client->create_topic(config.topic, 1, {}, 20s));
    auto producer = kafka_producer::open(properties, config.topic);
    REQUIRE(producer);
    std::vector<std::pair<std::string, std::string>> headers{{"h", "1"}};
    for (int i = 0; i < 4; ++i) {
      auto value = i == 3 ? std::string{"not a tick"}
                          : std::format(R"({{"symbol":"EURUSD","bid":1.{},)"
                                        R"("ask":2,"timestamp":)"
                                        R"("2026-01-19T00:00:0{}Z"}})",
                                        i, i);
      REQUIRE(producer->send({.key = "k",
                              .value = value,
                              .headers = headers,
                              .timestamp_ms = {},
                              .where = partition{0}},
                             20s));
    }
    REQUIRE(producer->flush(20s));
    auto info = client->describe_topic(config.topic, 20s);
    REQUIRE(info);
    database.execute(schema_sql);
    database.execute(std::format(
      "INSERT INTO millrace.topic VALUES ('ticks', '{0}', '{1}', '{{0}}');"
      "INSERT INTO millrace.lane VALUES ('ticks', 'demo', 0, 'active', "
      "'{{4}}'), ('ticks', 'demo', 1, 'active', '{{0}}');"
      "INSERT INTO millrace.partition_floor VALUES ('ticks', '{0}', 0, 1, 4);"
      "INSERT INTO tenant_demo.ticks SELECT 1, 'EURUSD', "
      "'2026-01-19 00:00:00Z'::timestamptz + i * interval '1 s', "
      "('1.' || i)::numeric, 2, NULL, NULL, NULL, NULL, NULL, 0, i "
      "FROM generate_series(0, 2) i;"
      "INSERT INTO millrace.dead_letter VALUES ('ticks', '{1}', 0, 3, 'k', "
      "'\\x00000001680000000131', 'not a tick', 'decode', 'not JSON')",
      to_string(*info->id), config.topic));
  }

  check_report run(std::string_view change = "") {
    if (!change.empty())
      database.execute(std::string{change});
    return run_check(config);
  }
};

} // namespace

TEST_CASE_METHOD(check_fixture, "tables that hold what the log says pass") {
  auto report = run();
  INFO(to_text(report));
  CHECK(report.ok);
  CHECK(report.records == 4);
  CHECK(report.rows_found == 3);
  CHECK(report.dead_letters_found == 1);
  CHECK(report.lanes == 2);
}

TEST_CASE_METHOD(check_fixture, "a missing row is found and shown") {
  auto report = run("DELETE FROM tenant_demo.ticks WHERE src_offset = 1");
  CHECK_FALSE(report.ok);
  CHECK(report.missing == 1);
  REQUIRE(report.examples.size() == 1);
  CHECK(report.examples[0].what.offset == 1);
  CHECK(
    report.examples[0].expected.starts_with("1\tEURUSD\t2026-01-19 00:00:01"));
}

TEST_CASE_METHOD(check_fixture, "a row that is there twice is found") {
  auto report = run("INSERT INTO tenant_demo.ticks SELECT * FROM "
                    "tenant_demo.ticks WHERE src_offset = 1");
  CHECK(report.twice == 1);
  CHECK_FALSE(report.ok);
}

TEST_CASE_METHOD(check_fixture, "one digit more in a price is found") {
  auto report = run("UPDATE tenant_demo.ticks SET bid_price = '1.10' "
                    "WHERE src_offset = 1");
  CHECK(report.different == 1);
  CHECK_FALSE(report.ok);
}

TEST_CASE_METHOD(check_fixture, "a microsecond off is found") {
  auto report = run("UPDATE tenant_demo.ticks SET tick_time = tick_time + "
                    "interval '1 us' WHERE src_offset = 1");
  CHECK(report.different == 1);
}

TEST_CASE_METHOD(check_fixture, "a byte changed in a dead letter is found") {
  CHECK(run("UPDATE millrace.dead_letter SET headers = "
            "'\\x00000001680000000132'")
          .different
        == 1);
  CHECK(run("UPDATE millrace.dead_letter SET key = NULL").different == 1);
}

TEST_CASE_METHOD(check_fixture, "a dead letter instead of a row is found") {
  auto report = run("DELETE FROM tenant_demo.ticks WHERE src_offset = 1;"
                    "INSERT INTO millrace.dead_letter SELECT pipeline, "
                    "topic_name, partition, 1, key, headers, value, stage, "
                    "reason FROM millrace.dead_letter");
  CHECK(report.unexpected == 1);
  CHECK_FALSE(report.ok);
}

TEST_CASE_METHOD(check_fixture, "a lane that is behind is found") {
  constexpr auto behind = "UPDATE millrace.partition_floor SET floor = 1;"
                          "DELETE FROM tenant_demo.ticks WHERE src_offset > 0;"
                          "DELETE FROM millrace.dead_letter";
  auto report = run(behind);
  CHECK(report.lanes_behind.size() == 1);
  CHECK(report.missing == 3);
  CHECK_FALSE(report.ok);
  config.allow_lag = true;
  report = run();
  INFO(to_text(report));
  CHECK(report.ok);
  CHECK(report.pending == 3);
}

TEST_CASE_METHOD(check_fixture, "a lane beyond the log is found") {
  auto report = run("UPDATE millrace.lane SET next_off = '{5}'");
  CHECK(report.lanes_beyond.size() == 2);
  CHECK_FALSE(report.ok);
}

TEST_CASE_METHOD(check_fixture, "a table that is not there is no verdict") {
  CHECK_THROWS_AS(run("DROP TABLE tenant_demo.ticks"), cannot_check);
}

TEST_CASE("the fold rounds and prints as a live PostgreSQL does") {
  database live{servers::pg_url()};
  std::mt19937_64 random{3};
  std::string numbers;
  std::string times;
  std::string expected_numbers;
  std::string expected_times;
  for (int i = 0; i < 10'000; ++i) {
    auto places = random() % 10;
    std::string fraction;
    for (std::size_t k = 0; k <= places; ++k)
      fraction += static_cast<char>('0' + random() % 10);
    // Half of them are ties, or nearly.
    if (random() % 2 == 0)
      fraction.resize(6, '5'), fraction += "5";
    auto time
      = std::format("2026-{:02}-{:02}T{:02}:{:02}:{:02}.{}{}{:02}:{:02}",
                    1 + random() % 12, 1 + random() % 28, random() % 24,
                    random() % 60, random() % 60, fraction,
                    random() % 2 ? '+' : '-', random() % 15, random() % 60);
    auto number = std::format("{}{}.{}e{}", random() % 2 ? "-" : "",
                              random() % 100'000, fraction,
                              static_cast<int>(random() % 21) - 10);
    numbers += (i ? "," : "") + number;
    times += (i ? "," : "") + time;
    expected_numbers += (i ? "," : "") + numeric_text(number).value_or("?");
    expected_times += (i ? "," : "") + timestamp_text(time).value_or("?");
  }
  auto printed = [&](const std::string& list, std::string_view type) {
    return live.value(
      std::format("SELECT string_agg(x::{}::text, ',' ORDER BY n) FROM "
                  "unnest(string_to_array('{}', ',')) WITH ORDINALITY t(x, n)",
                  type, list));
  };
  CHECK((printed(numbers, "numeric") == expected_numbers));
  CHECK((printed(times, "timestamptz") == expected_times));
}
