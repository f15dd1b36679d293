// From Kafka's null values to rows that are gone, with the node as a process.

#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_producer.hpp"
#include "tests/nodes/process.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <csignal>
#include <format>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

using namespace std::chrono_literals;

constexpr auto pipeline_text = R"toml(
[[tenant]]
name = "demo"
[pipeline.items]
topics = ["{}"]
tenant = "'demo'"
[[pipeline.items.event]]
name = "item"
route = "@key"
[[pipeline.items.event.write]]
table = "items"
kind = "upsert"
key = ["id"]
columns = {{ id = "@key", v = ".v" }}
[[pipeline.items.event.write]]
table = "items"
kind = "delete"
on = "tombstone"
key = ["id"]
columns = {{ id = "@key" }}
[[pipeline.items.event.write]]
table = "archive"
kind = "upsert"
key = ["id"]
columns = {{ id = "@key", v = ".v", deleted = "false" }}
[[pipeline.items.event.write]]
table = "archive"
kind = "soft_delete"
on = "tombstone"
key = ["id"]
columns = {{ id = "@key", deleted = "true", deleted_at = "@timestamp" }}
)toml";

} // namespace

TEST_CASE("tombstones delete rows, mark others as deleted, and a later record "
          "brings them back") {
  auto brokers = servers::kafka_bootstrap();
  scratch_database db{"tombstones"};
  auto topic = unique_name("tombstones");
  auto client = kafka_client::open({{"bootstrap.servers", brokers}});
  REQUIRE(client);
  REQUIRE(client->create_topic(topic, 2, {}, 20s));
  db.execute("CREATE SCHEMA tenant_demo; CREATE TABLE tenant_demo.items (id "
             "bigint PRIMARY KEY, v text); CREATE TABLE tenant_demo.archive "
             "(id bigint PRIMARY KEY, v text NOT NULL, deleted boolean NOT "
             "NULL, deleted_at timestamptz, note text DEFAULT 'new')");
  auto producer = kafka_producer::open({{"bootstrap.servers", brokers}}, topic);
  REQUIRE(producer);
  auto send = [&](std::string_view key, std::optional<std::string_view> value) {
    REQUIRE(producer->send({.key = key,
                            .value = value,
                            .headers = {},
                            .timestamp_ms = 1'768'823'511'894,
                            .where = {}},
                           20s));
  };
  send("1", R"({"v":"a"})");
  send("2", R"({"v":"b"})");
  send("3", R"({"v":"c"})");
  send("1", std::nullopt);
  send("2", std::nullopt);
  send("2", R"({"v":"again"})");
  send("4", std::nullopt);
  send("x", std::nullopt);
  REQUIRE(producer->flush(20s));

  scratch_folder folder;
  auto file = folder.write(
    "node.toml",
    std::format("postgresql.url = \"{}\"\nkafka.bootstrap = \"{}\"\n"
                "node.admin.port = 0\n",
                db.url(), brokers)
      + std::vformat(pipeline_text, std::make_format_args(topic)));
  process node{{"node", file}};
  auto until = [&](const std::string& question, const std::string& answer) {
    std::string found;
    auto deadline = std::chrono::steady_clock::now() + 60s;
    do {
      std::this_thread::sleep_for(100ms);
      found = db.value(question);
    } while (found != answer && std::chrono::steady_clock::now() < deadline);
    INFO(question << '\n' << node.err_so_far());
    REQUIRE(found == answer);
  };
  until("SELECT CASE WHEN to_regclass('millrace.dead_letter') IS NOT NULL THEN "
        "'there' END",
        "there");
  until("SELECT string_agg(concat_ws(' ', stage, convert_from(key, 'UTF8'), "
        "value IS NULL), ',') FROM millrace.dead_letter",
        "map x t");
  until("SELECT string_agg(concat(id, v), ' ' ORDER BY id) FROM "
        "tenant_demo.items",
        "2again 3c");
  // Not revived where the upsert does not say so: the time stays.
  until("SELECT string_agg(concat(id, v, deleted, extract(epoch FROM "
        "deleted_at)::bigint, note), ' ' ORDER BY id) FROM tenant_demo.archive",
        "1at1768823512new 2againf1768823512new 3cfnew");
  send("3", std::nullopt);
  send("1", R"({"v":"back"})");
  REQUIRE(producer->flush(20s));
  until("SELECT string_agg(concat(id, v), ' ' ORDER BY id) FROM "
        "tenant_demo.items",
        "1back 2again");
  until("SELECT string_agg(concat(id, deleted), ' ' ORDER BY id) FROM "
        "tenant_demo.archive",
        "1f 2f 3t");
  node.signal(SIGTERM);
  CHECK(node.wait().code == 0);
}
