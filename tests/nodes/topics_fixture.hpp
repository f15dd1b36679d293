#pragma once

// A node over topics of its own on the real broker, and a table that shows what
// it has read.

#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_producer.hpp"
#include "tests/nodes/process.hpp"
#include "tests/source/kafka_must.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <csignal>
#include <format>
#include <functional>
#include <memory>
#include <thread>

namespace millrace::test {

using namespace std::chrono_literals;

/// A slow machine must not fail a test; a broken node must not hang it.
inline constexpr auto patience = 60s;

/// A node that appends every record of its topics to `tenant_demo.seen`.
class topics_fixture {
public:
  topics_fixture() {
    db.execute("CREATE SCHEMA tenant_demo;"
               "CREATE TABLE tenant_demo.seen (topic text, part int, at "
               "bigint, v text)");
  }

  ~topics_fixture() {
    node_.reset();
    for (const auto& x : made_)
      static_cast<void>(client.delete_topic(x, 20s));
  }

  /// The pipeline's topics as TOML, and more lines of it.
  void start(const std::string& topics, const std::string& more = {}) {
    auto file = folder.write("node.toml",
                             std::format(R"toml([node.admin]
port = 0
[postgresql]
url = {{ env = "DB_URL" }}
[kafka]
bootstrap = "{}"
metadata_interval = "{}"
{}
[[tenant]]
name = "demo"
[pipeline.p]
topics = {}
tenant = "'demo'"
lanes = 2
limits.floor_interval = "{}"
{}
[[pipeline.p.event]]
name = "e"
route = ".k"
[[pipeline.p.event.write]]
table = "seen"
columns.topic = "@topic"
columns.part = "@partition"
columns.at = "@offset"
columns.v = ".v"
)toml",
                                         brokers, metadata_interval, kafka_more,
                                         topics, floor_interval, more));
    node_ = std::make_unique<process>(std::vector<std::string>{"node", file},
                                      process::variables{{"DB_URL", db.url()}});
  }

  void stop() {
    node_->signal(SIGTERM);
    auto x = node_->wait();
    INFO(x.err);
    CHECK(x.code == 0);
    node_.reset();
  }

  void signal(int number) {
    node_->signal(number);
  }

  std::string said() const {
    return node_->err_so_far();
  }

  std::string new_topic(int32_t partitions,
                        const kafka_properties& settings = {}) {
    auto name = prefix + std::to_string(made_.size());
    create(name, partitions, settings);
    made_.push_back(name);
    return name;
  }

  /// Also of a name that is just being deleted.
  void create(const std::string& name, int32_t partitions,
              const kafka_properties& settings = {}) {
    eventually([&] {
      return client.create_topic(name, partitions, settings, 20s).has_value();
    });
    eventually([&] {
      auto x = client.describe_topic(name, 20s);
      return x && x->partitions == partitions;
    });
  }

  /// Under the node that reads it.
  void make_again(const std::string& name) {
#ifdef __SANITIZE_THREAD__
    // librdkafka 2.4 to 2.9 reads then what it has freed (its #4778), and this
    // sanitizer's allocator has given it to somebody else by that time.
    SKIP("librdkafka's #4778 ends a node under the thread sanitizer");
#endif
    must(client.delete_topic(name, 20s));
    create(name, 1);
  }

  /// As `millrace lanes adopt-topic`: what has the name now is read.
  void adopt(const std::string& topic) {
    auto id = must(client.describe_topic(topic, 20s)).id;
    db.execute(std::format("INSERT INTO millrace.topic (pipeline, uuid, name, "
                           "partitions, start_offsets) VALUES ('p', '{}', "
                           "'{}', 0, '{{}}')",
                           to_string(*id), topic));
  }

  void send(const std::string& topic, int32_t where, int n,
            const std::string& v = "x") {
    auto producer = must(kafka_producer::open(properties, topic));
    put(producer, where, n, v);
    must(producer.flush(patience));
  }

  static void put(kafka_producer& producer, int32_t where, int n,
                  const std::string& v) {
    for (int i = 0; i < n; ++i) {
      auto key = std::format("{}{}", v, i);
      auto value = std::format(R"({{"k":"{}","v":"{}"}})", key, v);
      must(producer.send({.key = key,
                          .value = value,
                          .headers = {},
                          .timestamp_ms = {},
                          .where = partition{where}},
                         patience));
    }
  }

  void eventually(const std::function<bool()>& holds) {
    auto deadline = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) {
        if (node_)
          UNSCOPED_INFO(said());
        FAIL("it does not come about");
      }
      std::this_thread::sleep_for(50ms);
    }
  }

  int64_t rows(const std::string& where) const {
    return std::stoll(
      db.value("SELECT count(*) FROM tenant_demo.seen WHERE " + where));
  }

  /// Waits until there are exactly so many, none of them twice. (The same
  /// offset of two topics of one name holds another `v`.)
  void wait_for_rows(const std::string& where, int64_t n) {
    INFO(where);
    eventually([&] { return rows(where) >= n; });
    CHECK(rows(where) == n);
    CHECK(db.value("SELECT count(*) FROM (SELECT 1 FROM tenant_demo.seen "
                   "GROUP BY topic, part, at, v HAVING count(*) > 1) x")
          == "0");
  }

  std::string floor_interval = "500ms";
  std::string metadata_interval = "500ms";

  /// More lines of the table `kafka`, and further tables.
  std::string kafka_more;
  scratch_database db{"discovery"};
  scratch_folder folder;
  std::string brokers = servers::real_kafka_bootstrap();
  kafka_properties properties{{"bootstrap.servers", brokers}};
  kafka_client client = must(kafka_client::open(properties));
  std::string prefix = unique_name("found") + '-';

private:
  std::unique_ptr<process> node_;
  std::vector<std::string> made_;
};

} // namespace millrace::test
