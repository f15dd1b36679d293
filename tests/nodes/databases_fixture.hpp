#pragma once

// A pipeline whose tenants are in two databases.

#include "tests/nodes/node_fixture.hpp"

#include <catch2/matchers/catch_matchers_string.hpp>

#include <format>
#include <optional>
#include <string>
#include <utility>

namespace millrace::test {

/// Pipeline `notes` with two lanes, one topic of two partitions. Tenant
/// `north` is in the control database, `south` in the one called `west`. Each
/// event {"t":TENANT,"id":…} becomes a row of `notes` with its coordinates;
/// the column `n` is an integer in the west and text in the control database.
class databases_fixture : public node_fixture {
public:
  /// West is a database of the shared server, or of another one.
  explicit databases_fixture(std::optional<std::string> west_server = {})
    : node_fixture{"databases", servers::kafka_bootstrap()},
      west{"west", std::move(west_server)} {
    control.execute(tables("north", "text"));
    west.execute(tables("south", "bigint"));
    create_topic(2);
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

  process::variables environment() const override {
    return {{"CONTROL_URL", control.url()}, {"WEST_URL", west.url()}};
  }

  /// `lanes change` with the file as it is now.
  std::vector<std::string> change_words() const {
    return {"lanes",    "change", "--pipeline", "notes",
            "--reason", "a test", "--yes"};
  }

  void change() const {
    auto done = run(change_words());
    INFO(done.out << done.err);
    REQUIRE(done.code == 0);
  }

  /// Events of a tenant with the ids [from, to).
  void send(const std::string& tenant, int from, int to) {
    std::string lines;
    for (auto i = from; i < to; ++i)
      lines += std::format("{{\"t\":\"{}\",\"id\":{},\"n\":{}}}\n", tenant, i,
                           tenant == "north" ? "\"x\"" : "1");
    send_lines(lines);
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
};

} // namespace millrace::test
