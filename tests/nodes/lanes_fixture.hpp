#pragma once

// A small pipeline of its own table, for tests that look after lanes and dead
// letters: topic, database and configuration of one test's own.

#include "actors/source/kafka_client.hpp"
#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <format>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace millrace::test {

using namespace std::chrono_literals;

/// Pipeline `notes`, tenant `north`, two lanes, one topic of one partition.
/// Each event {"id":…,"v":…} becomes a row of `notes` (append) and one of
/// `latest` (upsert, with the guard `version` unless told otherwise).
class lanes_fixture {
public:
  explicit lanes_fixture(std::string brokers = servers::kafka_bootstrap())
    : brokers_{std::move(brokers)} {
    db.execute("CREATE SCHEMA tenant_north;"
               "CREATE SCHEMA tenant_south;"
               "CREATE TABLE tenant_north.notes (id bigint NOT NULL, v text "
               "CHECK (v <> 'bad'), at bigint);"
               "CREATE TABLE tenant_south.notes (LIKE tenant_north.notes "
               "INCLUDING ALL);"
               "CREATE TABLE tenant_north.latest (id bigint PRIMARY KEY, "
               "version bigint, v text);"
               "CREATE TABLE tenant_south.latest (LIKE tenant_north.latest "
               "INCLUDING ALL)");
    create_topic();
    write_config();
  }

  void create_topic(int32_t partitions = 1) {
    auto client = kafka_client::open({{"bootstrap.servers", brokers_}});
    REQUIRE(client);
    REQUIRE(client->create_topic(topic, partitions, {}, 20s));
  }

  /// Deletes the topic and makes it again.
  void recreate_topic() {
    auto client = kafka_client::open({{"bootstrap.servers", brokers_}});
    REQUIRE(client);
    REQUIRE(client->delete_topic(topic, 20s));
    auto until = std::chrono::steady_clock::now() + 30s;
    for (;;) {
      if (client->create_topic(topic, 1, {}, 20s))
        return;
      REQUIRE(std::chrono::steady_clock::now() < until);
      std::this_thread::sleep_for(100ms);
    }
  }

  /// What the file says from now on.
  void write_config(bool south = false, bool guarded = true,
                    const std::string& append = {}) {
    config = folder.write(
      "node.toml",
      std::format(R"toml([node]
name = "n1"
admin.port = 0
[postgresql]
url = {{ env = "DB_URL" }}
[kafka]
bootstrap = "{}"
[[tenant]]
name = "north"
{}
[pipeline.notes]
topics = ["{}"]
tenant = "coalesce(header('tenant'), 'north')"
lanes = 2
limits.resync = "2s"
limits.floor_interval = "500ms"
[[pipeline.notes.event]]
name = "note"
route = "required(.id)"
[[pipeline.notes.event.write]]
table = "notes"
kind = "append"
[pipeline.notes.event.write.columns]
id = "required(.id)"
v = ".v"
at = "@offset"
[[pipeline.notes.event.write]]
table = "latest"
kind = "upsert"
key = ["id"]
{}
[pipeline.notes.event.write.columns]
id = "required(.id)"
version = "@offset"
v = ".v"
{})toml",
                  brokers_, south ? "[[tenant]]\nname = \"south\"" : "", topic,
                  guarded ? "only_if_newer = \"version\"" : "", append));
  }

  /// The same configuration with brokers that nobody is.
  std::string without_kafka() {
    auto brokers = std::exchange(brokers_, "127.0.0.1:1");
    write_config();
    auto text = folder.path() + "/away.toml";
    std::filesystem::rename(config, text);
    brokers_ = brokers;
    write_config();
    return text;
  }

  process::variables environment() const {
    return {{"DB_URL", db.url()}};
  }

  /// Sends lines as they are; `tenant` becomes a header.
  void send(const std::string& lines, const std::string& tenant = {}) {
    auto file = folder.write("lines.ndjson", lines);
    std::vector<std::string> args{"produce",     topic,    file,
                                  "--bootstrap", brokers_, "--quiet"};
    if (!tenant.empty()) {
      args.emplace_back("--header");
      args.push_back("tenant=" + tenant);
    }
    auto sent = test::run(args);
    INFO(sent.out << sent.err);
    REQUIRE(sent.code == 0);
  }

  /// A command with `--config`.
  outcome run(std::vector<std::string> args) const {
    args.emplace_back("--config");
    args.push_back(config);
    return test::run(args, environment());
  }

  std::unique_ptr<process> start_node() const {
    return std::make_unique<process>(std::vector<std::string>{"node", config},
                                     environment());
  }

  /// Stops a node in order.
  static void stop(std::unique_ptr<process>& node) {
    node->signal(SIGTERM);
    auto end = node->wait();
    INFO(end.err);
    CHECK(end.code == 0);
    node.reset();
  }

  /// Waits until the statement answers `wanted`.
  void await(const std::string& sql, const std::string& wanted) const {
    auto until = std::chrono::steady_clock::now() + 60s;
    std::string found;
    while (std::chrono::steady_clock::now() < until) {
      try {
        found = db.value(sql);
      } catch (const std::exception& e) {
        // The node has not made the control schema yet.
        found = e.what();
      }
      if (found == wanted)
        return;
      std::this_thread::sleep_for(50ms);
    }
    INFO(sql);
    CHECK(found == wanted);
  }

  /// Runs a node until all that was sent is written or set aside.
  void ingest(const std::string& sql, const std::string& wanted) const {
    auto node = start_node();
    await(sql, wanted);
    stop(node);
  }

  /// The lane that the event with this id belongs to, by where it is.
  std::string notes(const std::string& tenant = "north") const {
    return db.value("SELECT string_agg(id || ':' || v, ' ' ORDER BY at, id) "
                    "FROM tenant_"
                    + tenant + ".notes");
  }

  scratch_database db{"lanes"};
  scratch_folder folder;
  std::string topic = unique_name("lanes");
  std::string config;

private:
  std::string brokers_;
};

} // namespace millrace::test
