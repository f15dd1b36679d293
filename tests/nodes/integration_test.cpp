#include "actors/source/kafka_client.hpp"
#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <chrono>
#include <csignal>
#include <format>
#include <thread>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

using namespace std::chrono_literals;

/// The pack `ticks` for two tenants. The URL comes from the environment: that
/// is how one that holds a password has to come.
std::string config_text(const std::string& brokers, const std::string& topic,
                        bool auto_migrate = true) {
  return std::format(R"toml([postgresql]
url = {{ env = "DB_URL" }}
auto_migrate = {}
[kafka]
bootstrap = "{}"
[[tenant]]
name = "north"
[[tenant]]
name = "south"
[pipeline.ticks]
pack = "ticks"
topics = ["{}"]
tenant = "header('tenant')"
)toml",
                     auto_migrate, brokers, topic);
}

process::variables database(const scratch_database& db) {
  return {{"DB_URL", db.url()}};
}

void create_topic(const std::string& brokers, const std::string& topic) {
  auto client = kafka_client::open({{"bootstrap.servers", brokers}});
  REQUIRE(client);
  REQUIRE(client->create_topic(topic, 2, {}, 20s));
  // A broker may answer for a while from metadata of before.
  auto deadline = std::chrono::steady_clock::now() + 20s;
  for (int32_t i = 0; i < 2; ++i)
    while (!client->watermarks({topic, partition{i}}, 20s)
           && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(20ms);
}

/// Records in all partitions of a topic.
int64_t records_in(const std::string& brokers, const std::string& topic,
                   int32_t partitions) {
  auto client = kafka_client::open({{"bootstrap.servers", brokers}});
  REQUIRE(client);
  int64_t result = 0;
  for (int32_t i = 0; i < partitions; ++i) {
    auto marks = client->watermarks({topic, partition{i}}, 20s);
    REQUIRE(marks);
    result += marks->high.value - marks->low.value;
  }
  return result;
}

} // namespace

TEST_CASE("migrate up applies everything once and status shows it") {
  scratch_database db{"cli"};
  scratch_folder folder;
  auto file = folder.write("node.toml", config_text("127.0.0.1:1", "ticks"));
  auto environment = database(db);

  auto before = run({"migrate", "status", "--config", file}, environment);
  CHECK(before.code == 0);
  CHECK_THAT(before.out, ContainsSubstring("Pending"));
  CHECK(db.value("SELECT to_regnamespace('millrace')").empty());

  auto first = run({"migrate", "up", "--config", file, "--json"}, environment);
  INFO(first.out << first.err);
  REQUIRE(first.code == 0);
  json_document applied{first.out};
  REQUIRE(applied.size() == 3);
  CHECK(applied.text("/0/set") == "control");
  CHECK(applied.text("/0/schema") == "millrace");
  CHECK(applied.integer("/0/applied/0") == 1);
  CHECK(applied.text("/1/schema") == "tenant_north");
  CHECK(applied.text("/2/tenant") == "south");
  CHECK(db.value("SELECT to_regclass('tenant_south.ticks') IS NOT NULL")
        == "t");

  auto second = run({"migrate", "up", "--config", file}, environment);
  CHECK(second.code == 0);
  CHECK(second.out
        == "control in millrace: up to date\n"
           "ticks in tenant_north: up to date\n"
           "ticks in tenant_south: up to date\n");

  auto status = run({"migrate", "status", "--config", file, "--json"},
                    environment);
  CHECK(status.code == 0);
  json_document all{status.out};
  CHECK(all.size() > 3);
  CHECK(all.text("/0/state") == "applied");
  CHECK_FALSE(all.text("/0/applied_at").empty());
  CHECK_FALSE(status.out.contains("pending"));
}

TEST_CASE("migrate works without a configuration") {
  scratch_database db{"cli"};
  auto environment = database(db);
  auto control = run({"migrate", "up", "--pg-env", "DB_URL"}, environment);
  INFO(control.err);
  REQUIRE(control.code == 0);
  auto pack = run({"migrate", "up", "--pg-env", "DB_URL", "--set", "ticks",
                   "--tenant", "demo"},
                  environment);
  INFO(pack.err);
  REQUIRE(pack.code == 0);
  CHECK(db.value("SELECT to_regclass('tenant_demo.ticks') IS NOT NULL") == "t");
}

TEST_CASE("a folder of one's own migrations goes to every tenant") {
  scratch_database db{"cli"};
  auto environment = database(db);
  scratch_folder folder;
  auto file = folder.write("node.toml", config_text("127.0.0.1:1", "ticks"));
  folder.write("001_orders.sql", "-- description: Orders\n"
                                 "-- millrace:up\n"
                                 "CREATE TABLE orders (id bigint);\n"
                                 "-- millrace:down\n"
                                 "DROP TABLE orders;\n");
  std::vector<std::string> own{"--config", file,    "--set",
                               "orders",   "--dir", folder.path()};
  auto with = [&](std::vector<std::string> command) {
    command.insert(command.end(), own.begin(), own.end());
    return run(command, environment);
  };
  REQUIRE(run({"migrate", "up", "--config", file}, environment).code == 0);
  auto up = with({"migrate", "up"});
  INFO(up.err);
  CHECK(up.code == 0);
  CHECK(db.value("SELECT to_regclass('tenant_north.orders') IS NOT NULL")
        == "t");
  CHECK(db.value("SELECT to_regclass('tenant_south.orders') IS NOT NULL")
        == "t");

  folder.write("001_orders.sql", "-- description: Orders\n"
                                 "-- millrace:up\n"
                                 "CREATE TABLE orders (id text);\n"
                                 "-- millrace:down\n"
                                 "DROP TABLE orders;\n");
  auto status = with({"migrate", "status"});
  CHECK(status.code == 1);
  CHECK_THAT(status.out, ContainsSubstring("Edited"));
  auto again = with({"migrate", "up"});
  CHECK(again.code == 1);
  CHECK_THAT(again.err, ContainsSubstring("changed after it had been applied"));
}

TEST_CASE("validate sees pending migrations, tables and topics") {
  auto brokers = servers::kafka_bootstrap();
  scratch_database db{"cli"};
  auto environment = database(db);
  auto topic = unique_name("cli");
  scratch_folder folder;
  auto file = folder.write("node.toml", config_text(brokers, topic));
  auto manual = folder.write("manual.toml", config_text(brokers, topic, false));

  auto early = run({"validate", file}, environment);
  CHECK(early.code == 2);
  CHECK_THAT(early.err, ContainsSubstring("warning: " + file
                                          + ": schema 'tenant_north' lacks"));
  CHECK_THAT(early.err, ContainsSubstring("pipeline.ticks.topics: found '"
                                          + topic + "', expected a topic "));
  CHECK(db.value("SELECT to_regnamespace('millrace')").empty());

  create_topic(brokers, topic);
  auto later = run({"validate", file}, environment);
  INFO(later.err);
  CHECK(later.code == 0);
  auto refused = run({"validate", manual}, environment);
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, ContainsSubstring("run 'millrace migrate up'"));

  REQUIRE(run({"migrate", "up", "--config", file}, environment).code == 0);
  for (const auto& x : {file, manual}) {
    auto ready = run({"validate", "--require-servers", x}, environment);
    CHECK(ready.err.empty());
    CHECK(ready.out == x + ": valid\n");
    CHECK(ready.code == 0);
  }

  db.execute("ALTER TABLE tenant_north.ticks DROP COLUMN lp CASCADE");
  auto broken = run({"validate", file}, environment);
  CHECK(broken.code == 2);
  CHECK_THAT(broken.err, ContainsSubstring("lp"));
}

TEST_CASE("validate tells all at once what does not fit the ledger's tables") {
  auto brokers = servers::kafka_bootstrap();
  scratch_database db{"cli"};
  auto topic = unique_name("cli");
  scratch_folder folder;
  auto file = folder.write(
    "node.toml", "postgresql.url = { env = \"DB_URL\" }\nkafka.bootstrap = \""
                   + brokers
                   + "\"\ntenant = [{ name = \"east\" }]\n[pipeline.pme]\n"
                     "pack = \"pme-online\"\ntenant = \"'east'\"\ntopics = [\""
                   + topic + "\"]\n");
  create_topic(brokers, topic);
  REQUIRE(run({"migrate", "up", "--config", file}, database(db)).code == 0);
  auto good = run({"validate", "--require-servers", file}, database(db));
  INFO(good.err);
  REQUIRE(good.code == 0);
  db.execute(
    "SET search_path = tenant_east; "
    "ALTER TABLE fact3_order DROP COLUMN rate; "
    "ALTER TABLE fact5_trade_event RENAME COLUMN message TO text; "
    "ALTER TABLE fact1_holiday ALTER description TYPE inet USING null; "
    "ALTER TABLE fact4_trade ADD COLUMN venue text NOT NULL; "
    "ALTER TABLE fact1_parameter ALTER kafka_offset TYPE boolean USING true");
  auto x = run({"validate", file}, database(db));
  INFO(x.err);
  CHECK(x.code == 2);
  for (const auto* wrong :
       {"rate: found a column that fact3_order does not have",
        "message: found a column that fact5_trade_event does not have",
        "description: found a column of type inet",
        "found no value for venue, which is NOT NULL", "kafka_offset"})
    CHECK_THAT(x.err, ContainsSubstring(wrong));
}

TEST_CASE("validate says which pattern matches no topic yet") {
  auto brokers = servers::kafka_bootstrap();
  scratch_database db{"cli"};
  auto topic = unique_name("cli");
  scratch_folder folder;
  auto file = folder.write("node.toml", config_text(brokers, '^' + topic));
  auto early = run({"validate", file}, database(db));
  INFO(early.err);
  CHECK(early.code == 0);
  CHECK_THAT(early.err, ContainsSubstring("pipeline.ticks.topics: no topic "
                                          "matches '^"
                                          + topic + "' yet"));
  create_topic(brokers, topic);
  CHECK_FALSE(run({"validate", file}, database(db)).err.contains("matches"));
}

TEST_CASE("validate checks properties of SASL and TLS without showing them") {
  scratch_database db{"cli"};
  scratch_folder folder;
  auto text = config_text("127.0.0.1:1", "ticks");
  auto with = [&](const std::string& lines) {
    auto file = folder.write("node.toml",
                             text + "[kafka.properties]\n" + lines);
    return run({"validate", file},
               {{"DB_URL", db.url()}, {"KAFKA_PASSWORD", "hunter2"}});
  };
  auto good = with("security.protocol = \"SASL_SSL\"\n"
                   "sasl.mechanism = \"SCRAM-SHA-256\"\n"
                   "sasl.username = \"u\"\n"
                   "sasl.password = { env = \"KAFKA_PASSWORD\" }\n");
  INFO(good.err);
  CHECK(good.code == 0);
  CHECK_FALSE((good.out + good.err).contains("hunter2"));
  auto bad = with("ssl.key.pem = { env = \"KAFKA_PASSWORD\" }\n"
                  "security.protocol = \"SASL_TLS\"\n");
  CHECK(bad.code == 2);
  CHECK_THAT(bad.err,
             ContainsSubstring("kafka.properties.security.protocol: found a "
                               "value that librdkafka refuses"));
  CHECK_FALSE((bad.out + bad.err).contains("hunter2"));
}

TEST_CASE("produce creates a topic, replays and gives its account") {
  auto brokers = servers::kafka_bootstrap();
  auto topic = unique_name("cli");
  scratch_folder folder;
  auto input = folder.write("lines.ndjson", R"({"symbol":"EURUSD","t":1})"
                                            "\nnot json\n"
                                            R"({"symbol":"XAUUSD","t":2})"
                                            "\n");
  auto x = run({"produce", topic, input, "--bootstrap", brokers, "--key",
                "symbol", "--timestamp-field", "t", "--header", "tenant=north",
                "--repeat", "4", "--partitions", "2", "--json"});
  INFO(x.out << x.err);
  REQUIRE(x.code == 0);
  json_document account{x.out};
  CHECK(account.text("/topic") == topic);
  CHECK(account.integer("/records") == 12);
  CHECK(account.integer("/delivered") == 12);
  CHECK(account.integer("/passes") == 4);
  CHECK(account.integer("/without_key") == 4);
  CHECK(account.integer("/partitions") == 2);
  CHECK(records_in(brokers, topic, 2) == 12);
}

TEST_CASE("produce without the topic says how it is created") {
  auto brokers = servers::kafka_bootstrap();
  scratch_folder folder;
  auto input = folder.write("lines.ndjson", "{}\n");
  auto x = run({"produce", unique_name("cli"), input, "--bootstrap", brokers});
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("--partitions N creates it"));
}

TEST_CASE("a signal ends an endless replay in order") {
  auto brokers = servers::kafka_bootstrap();
  auto topic = unique_name("cli");
  create_topic(brokers, topic);
  scratch_folder folder;
  auto input = folder.write("lines.ndjson", "{}\n");
  process endless{{"produce", topic, input, "--bootstrap", brokers, "--repeat",
                   "forever", "--rate", "200", "--quiet", "--json"}};
  auto deadline = std::chrono::steady_clock::now() + 60s;
  while (records_in(brokers, topic, 2) == 0
         && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(50ms);
  endless.signal(SIGINT);
  auto x = endless.wait();
  INFO(x.out << x.err);
  REQUIRE(x.code == 0);
  json_document account{x.out};
  CHECK(account.integer("/records") > 0);
  CHECK(account.integer("/records") == account.integer("/delivered"));
  CHECK(records_in(brokers, topic, 2) == account.integer("/delivered"));
}
