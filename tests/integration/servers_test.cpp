#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>

using namespace millrace::test;

TEST_CASE("every scratch database is a new one and goes with its object") {
  std::string name;
  {
    scratch_database first{"first"};
    scratch_database second{"second"};
    name = first.name();
    first.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (NULL)");
    CHECK(first.value("SELECT count(*) FROM t") == "2");
    CHECK(first.rows("SELECT n, 'x' FROM t ORDER BY n")
          == std::vector<std::vector<std::string>>{{"1", "x"}, {"", "x"}});
    CHECK(second.value("SELECT to_regclass('t')").empty());
    CHECK_THROWS_AS(second.execute("SELECT * FROM t"), std::runtime_error);
  }
  scratch_database third;
  CHECK(third.value("SELECT count(*) FROM pg_database WHERE datname = '" + name
                    + "'")
        == "0");
}

TEST_CASE("PostgreSQL is durable, preloads TimescaleDB, and is version 17") {
  scratch_database database;
  CHECK(database.value("SHOW fsync") == "on");
  CHECK(database.value("SHOW shared_preload_libraries") == "timescaledb");
  CHECK(database.value("SHOW server_version_num").starts_with("17"));
}

TEST_CASE("a private PostgreSQL keeps its rows and its address over a crash") {
  auto mine = servers::start_private({server::pg});
  scratch_database database{"crash", mine.pg_url()};
  database.execute("CREATE TABLE t AS SELECT 42 AS n");
  SECTION("restarted at once") {
    mine.restart(server::pg, stop_mode::immediate);
  }
  SECTION("killed, and started later") {
    mine.stop(server::pg, stop_mode::kill);
    CHECK_THROWS_AS(database.value("SELECT 1"), std::runtime_error);
    mine.start(server::pg);
  }
  CHECK(database.value("SELECT n FROM t") == "42");
}

TEST_CASE("a private Kafka keeps its address over a kill") {
  auto mine = servers::start_private({server::kafka});
  auto before = mine.kafka_bootstrap();
  REQUIRE(before.starts_with("127.0.0.1:"));
  mine.restart(server::kafka, stop_mode::kill);
  CHECK(mine.kafka_bootstrap() == before);
}

TEST_CASE("unique names differ and are fit for a schema") {
  auto name = unique_name("ticks");
  CHECK(name != unique_name("ticks"));
  CHECK(name.starts_with("ticks_"));
  CHECK(name.size() < 63);
  CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_")
        == std::string::npos);
}
