#pragma once

// A pipeline whose tenants are in two databases.

#include "actors/source/kafka_client.hpp"
#include "tests/nodes/process.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <chrono>
#include <csignal>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace millrace::test {

using namespace std::chrono_literals;

/// Pipeline `notes` with two lanes, one topic of two partitions. Tenant
/// `north` is in the control database, `south` in the one called `west`. Each
/// event {"t":TENANT,"id":…} becomes a row of `notes` with its coordinates;
/// the column `n` is an integer in the west and text in the control database.
class databases_fixture {
public:
  /// West is a database of the shared server, or of another one.
  explicit databases_fixture(std::optional<std::string> west_server = {})
    : west{"west", std::move(west_server)} {
    control.execute(tables("north", "text"));
    west.execute(tables("south", "bigint"));
    auto client = kafka_client::open({{"bootstrap.servers", brokers_}});
    REQUIRE(client);
    REQUIRE(client->create_topic(topic, 2, {}, 20s));
    write_config(two_tenants());
  }

  static std::string tables(const std::string& tenant,
                            const std::string& type) {
    return std::format("CREATE SCHEMA tenant_{0}; CREATE TABLE "
                       "tenant_{0}.notes (id bigint NOT NULL, n {1}, p int, "
                       "o bigint, at timestamptz DEFAULT clock_timestamp(), "
                       "who text DEFAULT current_user);",
                       tenant, type);
  }

  static std::string two_tenants(const std::string& south = {}) {
    return "[[tenant]]\nname = \"north\"\n"
           "[[tenant]]\nname = \"south\"\ndatabase = \"west\"\n"
           + south;
  }

  /// What the file says from now on; `limits` are lines of the pipeline.
  void write_config(const std::string& tenants,
                    const std::string& limits = {}) {
    config = folder.write("node.toml",
                          std::format(R"toml([node]
name = "n1"
admin.port = 0
[postgresql]
url = {{ env = "CONTROL_URL" }}
connect_timeout = "2s"
[database.west]
url = {{ env = "WEST_URL" }}
[kafka]
bootstrap = "{}"
{}
[pipeline.notes]
topics = ["{}"]
tenant = ".t"
lanes = 2
limits.resync = "2s"
limits.floor_interval = "500ms"
{}
[[pipeline.notes.event]]
name = "note"
route = "required(.id)"
[[pipeline.notes.event.write]]
table = "notes"
[pipeline.notes.event.write.columns]
id = "required(.id)"
n = ".n"
p = "@partition"
o = "@offset"
)toml",
                                      brokers_, tenants, topic, limits));
  }

  process::variables environment() const {
    return {{"CONTROL_URL", control.url()}, {"WEST_URL", west.url()}};
  }

  /// Events of a tenant with the ids [from, to).
  void send(const std::string& tenant, int from, int to) {
    std::string lines;
    for (auto i = from; i < to; ++i)
      lines += std::format("{{\"t\":\"{}\",\"id\":{},\"n\":{}}}\n", tenant, i,
                           tenant == "north" ? "\"x\"" : "1");
    send_lines(lines);
  }

  void send_lines(const std::string& lines) {
    auto file = folder.write("lines.ndjson", lines);
    auto sent
      = test::run({"produce", topic, file, "--bootstrap", brokers_, "--quiet"});
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

  /// Waits until the statement answers `wanted`; a database that is away, or
  /// not made yet, is asked again.
  static void await(const scratch_database& db, const std::string& sql,
                    const std::string& wanted) {
    auto until = std::chrono::steady_clock::now() + 60s;
    std::string found;
    while (std::chrono::steady_clock::now() < until) {
      try {
        found = db.value(sql);
      } catch (const std::exception& e) {
        found = e.what();
      }
      if (found == wanted)
        return;
      std::this_thread::sleep_for(50ms);
    }
    INFO(sql);
    CHECK(found == wanted);
  }

  /// "ids:rows:coordinates" of a tenant: all the same when each event was
  /// written once.
  static std::string count(const std::string& tenant) {
    return std::format("SELECT count(DISTINCT id) || ':' || count(*) || ':' "
                       "|| count(DISTINCT (p, o)) FROM tenant_{}.notes",
                       tenant);
  }

  static std::string once(int number) {
    return std::format("{0}:{0}:{0}", number);
  }

  scratch_database control{"control"};
  scratch_database west;
  scratch_folder folder;
  std::string topic = unique_name("databases");
  std::string config;

private:
  std::string brokers_ = servers::kafka_bootstrap();
};

} // namespace millrace::test
