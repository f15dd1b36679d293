#pragma once

// A small pipeline of its own table, for tests that look after lanes and dead
// letters: topic, database and configuration of one test's own.

#include "tests/nodes/json.hpp"
#include "tests/nodes/node_fixture.hpp"

#include <catch2/matchers/catch_matchers_string.hpp>

#include <chrono>
#include <filesystem>
#include <format>
#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace millrace::test {

/// Pipeline `notes`, tenant `north`, two lanes, one topic of one partition.
/// Each event {"id":…,"v":…} becomes a row of `notes` (append) and one of
/// `latest` (upsert, with the guard `version` unless told otherwise).
class lanes_fixture : public node_fixture {
public:
  explicit lanes_fixture(std::string brokers = servers::kafka_bootstrap())
    : node_fixture{"lanes", std::move(brokers)} {
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
    create_topic(1);
    write_config();
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

  process::variables environment() const override {
    return {{"DB_URL", db.url()}};
  }

  void send(const std::string& lines, const std::string& tenant = {}) {
    send_lines(lines, tenant);
  }

  /// Waits until the statement answers `wanted`.
  void await(const std::string& sql, const std::string& wanted) const {
    node_fixture::await(db, sql, wanted);
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
};

} // namespace millrace::test
