#pragma once

// What tests with a node of their own have in common: a topic, a file, and the
// steps from sending records to an orderly stop.

#include "actors/source/kafka_client.hpp"
#include "tests/nodes/process.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace millrace::test {

using namespace std::chrono_literals;

class node_fixture {
public:
  node_fixture(const std::string& name, std::string brokers)
    : topic{unique_name(name)},
      brokers_{std::move(brokers)} {
  }

  virtual ~node_fixture() = default;

  /// Where the databases of `config` are.
  virtual process::variables environment() const = 0;

  void create_topic(int32_t partitions) {
    auto client = kafka_client::open({{"bootstrap.servers", brokers_}});
    REQUIRE(client);
    REQUIRE(client->create_topic(topic, partitions, {}, 20s));
  }

  /// Sends lines as they are; `tenant` becomes a header.
  void send_lines(const std::string& lines, const std::string& tenant = {}) {
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

  /// Waits until the statement answers `wanted`; a database that is away, or
  /// not made yet, is asked again.
  static void await(const scratch_database& db, const std::string& sql,
                    const std::string& wanted) {
    auto until = std::chrono::steady_clock::now() + 180s;
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

  scratch_folder folder;
  std::string topic;

  /// The node's file, once it is written.
  std::string config;

protected:
  std::string brokers_;
};

} // namespace millrace::test
