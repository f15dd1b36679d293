// Events that PostgreSQL refuses, through a whole node: real Kafka, real
// PostgreSQL.

#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_producer.hpp"
#include "tests/nodes/process.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <chrono>
#include <csignal>
#include <format>
#include <functional>
#include <memory>
#include <set>
#include <thread>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

using namespace std::chrono_literals;

/// A topic of orders, a table that takes no amount of 1000 or more, and a node
/// between them.
struct shop {
  std::string brokers = servers::kafka_bootstrap();
  std::string topic = unique_name("poison");
  scratch_database db{"poison"};
  scratch_folder folder;
  process::variables environment{{"DB_URL", db.url()}};
  std::string file;
  std::unique_ptr<process> node;
  std::optional<kafka_producer> producer;

  explicit shop(int32_t partitions, const std::string& more = {}) {
    auto client = kafka_client::open({{"bootstrap.servers", brokers}});
    REQUIRE(client);
    REQUIRE(client->create_topic(topic, partitions, {}, 20s));
    auto opened = kafka_producer::open({{"bootstrap.servers", brokers}}, topic);
    REQUIRE(opened);
    producer = std::move(*opened);
    file = folder.write("node.toml", std::format(R"toml([postgresql]
url = {{ env = "DB_URL" }}
[kafka]
bootstrap = "{}"
[node.admin]
port = 0
[[tenant]]
name = "north"
[pipeline.orders]
topics = ["{}"]
tenant = "'north'"
lanes = 2
{}
[[pipeline.orders.event]]
name = "order"
route = ".id"
[[pipeline.orders.event.write]]
table = "orders"
[pipeline.orders.event.write.columns]
part = "@partition"
off = "@offset"
id = ".id"
amount = ".amount"
[[pipeline.orders.event.write]]
table = "names"
kind = "upsert"
key = ["id"]
[pipeline.orders.event.write.columns]
id = ".id"
note = ".note"
)toml",
                                                 brokers, topic, more));
    db.execute("CREATE SCHEMA tenant_north; CREATE TABLE tenant_north.orders "
               "(part int, off bigint, id bigint, amount numeric CONSTRAINT "
               "small CHECK (amount < 1000), PRIMARY KEY (part, off)); CREATE "
               "TABLE tenant_north.names (id bigint PRIMARY KEY, note text NOT "
               "NULL)");
    REQUIRE(run({"migrate", "up", "--config", file}, environment).code == 0);
  }

  ~shop() {
    stop();
  }

  void start() {
    node = std::make_unique<process>(std::vector<std::string>{"node", file},
                                     environment);
  }

  void stop() {
    if (!node)
      return;
    node->signal(SIGTERM);
    node->wait();
    node.reset();
  }

  /// One order, its bytes as they are.
  void order(int32_t where, const std::string& key, const std::string& value) {
    std::pair<std::string, std::string> headers[]{{"trace", "a\x01" + key},
                                                  {"empty", ""}};
    REQUIRE(producer->send({.key = key,
                            .value = value,
                            .headers = headers,
                            .timestamp_ms = 1'768'823'511'894,
                            .where = partition{where}},
                           20s));
  }

  static std::string good(int64_t id) {
    return std::format(R"({{"id":{},"amount":{}.5,"note":"n"}})", id, id % 900);
  }

  /// Bytes that only the record itself can tell: spaces, order, escapes.
  static std::string bad(int64_t id) {
    return std::format("{{ \"note\" : \"\\u00e4 \xc3\xa4\",\"amount\":12e3 , "
                       "\"x\":[1, 2],\"id\":{} }}",
                       id);
  }

  void deliver() {
    REQUIRE(producer->flush(30s));
  }

  bool wait_for(const std::function<bool()>& what) const {
    auto deadline = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < deadline) {
      if (what())
        return true;
      std::this_thread::sleep_for(50ms);
    }
    INFO(node->err_so_far());
    CHECK(what());
    return what();
  }

  int64_t count(const std::string& from) const {
    return std::stoll(db.value("SELECT count(*) FROM " + from));
  }

  std::string halt_reason() const {
    return db.value("SELECT string_agg(reason, '; ') FROM millrace.lane WHERE "
                    "state = 'halted'");
  }
};

std::string hex_of(const std::string& bytes) {
  std::string result;
  for (auto c : bytes)
    result += std::format("{:02x}", static_cast<unsigned char>(c));
  return result;
}

} // namespace

TEST_CASE("an event that PostgreSQL refuses is a dead letter with its raw "
          "bytes, and its neighbours are written: first, last and only in a "
          "partition") {
  shop all{5};
  std::set<std::pair<int32_t, int64_t>> poison{{0, 0},  {1, 39}, {2, 0},
                                               {3, 17}, {3, 18}, {4, 5}};
  constexpr int64_t sizes[]{40, 40, 1, 40, 40};
  for (int32_t p = 0; p < 5; ++p)
    for (int64_t i = 0; i < sizes[p]; ++i) {
      auto id = p * 100 + i;
      auto key = "k" + std::to_string(id);
      all.order(p, key, poison.contains({p, i}) ? all.bad(id) : all.good(id));
    }
  all.deliver();
  all.start();
  REQUIRE(all.wait_for([&] {
    return all.count("tenant_north.orders") + all.count("millrace.dead_letter")
           == 161;
  }));
  CHECK(all.count("tenant_north.orders") == 155);
  // Nothing of a refused event is written anywhere.
  CHECK(all.count("tenant_north.names") == 155);
  CHECK(all.count("tenant_north.orders WHERE id <> part * 100 + off") == 0);
  auto letters = all.db.rows(
    "SELECT partition, \"offset\", encode(key, 'hex'), encode(value, 'hex'), "
    "encode(headers, 'hex'), stage, sqlstate, reason, (extract(epoch FROM "
    "\"timestamp\") * 1000)::bigint, topic_name FROM millrace.dead_letter "
    "ORDER BY 1, 2");
  REQUIRE(letters.size() == poison.size());
  auto next = letters.begin();
  for (auto [p, at] : poison) {
    const auto& x = *next++;
    auto id = p * 100 + at;
    auto key = "k" + std::to_string(id);
    CHECK(x[0] == std::to_string(p));
    CHECK(x[1] == std::to_string(at));
    CHECK(x[2] == hex_of(key));
    CHECK(x[3] == hex_of(all.bad(id)));
    auto size = static_cast<char>(2 + key.size());
    CHECK(x[4]
          == "00000005" + hex_of("trace") + "000000" + hex_of({size})
               + hex_of("a\x01" + key) + "00000005" + hex_of("empty")
               + "00000000");
    CHECK(x[5] == "store");
    CHECK(x[6] == "23514");
    CHECK_THAT(x[7], ContainsSubstring("table tenant_north.orders"));
    CHECK_THAT(x[7], ContainsSubstring("constraint small"));
    CHECK(x[8] == "1768823511894");
    CHECK(x[9] == all.topic);
  }
  // The log says so without what the row holds.
  auto text = all.node->err_so_far();
  CHECK_THAT(text, ContainsSubstring("event-refused"));
  CHECK_THAT(text, !ContainsSubstring("Failing row"));
}

TEST_CASE("a dead letter that cannot be inserted halts its lane, and nothing "
          "is lost") {
  shop all{1, "max_reject_ratio = 1"};
  all.db.execute("ALTER TABLE millrace.dead_letter ADD CONSTRAINT never CHECK "
                 "(stage <> 'store')");
  for (int64_t i = 0; i < 30; ++i)
    all.order(0, "k", i == 11 ? all.bad(i) : all.good(i));
  all.deliver();
  all.start();
  REQUIRE(all.wait_for([&] { return !all.halt_reason().empty(); }));
  CHECK_THAT(all.halt_reason(), ContainsSubstring("never"));
  CHECK(all.count("millrace.dead_letter") == 0);
  all.stop();
  all.db.execute("ALTER TABLE millrace.dead_letter DROP CONSTRAINT never; "
                 "UPDATE millrace.lane SET state = 'active', reason = NULL");
  all.start();
  REQUIRE(all.wait_for([&] {
    return all.count("tenant_north.orders") == 29
           && all.count("millrace.dead_letter") == 1;
  }));
}

TEST_CASE("a record that is in its table already halts the lane and is no dead "
          "letter") {
  shop all{1};
  all.db.execute("INSERT INTO tenant_north.orders VALUES (0, 7, 7, 1)");
  for (int64_t i = 0; i < 10; ++i)
    all.order(0, "k", all.good(i));
  all.deliver();
  all.start();
  REQUIRE(all.wait_for([&] { return !all.halt_reason().empty(); }));
  CHECK_THAT(all.halt_reason(), ContainsSubstring("orders_pkey"));
  CHECK_THAT(all.halt_reason(), ContainsSubstring("coordinates"));
  CHECK(all.count("millrace.dead_letter") == 0);
}

TEST_CASE("a topic of rejects halts its lanes instead of becoming dead "
          "letters") {
  shop all{1, "max_reject_ratio = 0.05"};
  for (int64_t i = 0; i < 500; ++i)
    all.order(0, "k", "not json");
  all.deliver();
  all.start();
  REQUIRE(all.wait_for([&] { return !all.halt_reason().empty(); }));
  CHECK_THAT(all.halt_reason(),
             ContainsSubstring("max_reject_ratio = 0.05 allows 50"));
  CHECK(all.count("millrace.dead_letter") <= 100);
}
