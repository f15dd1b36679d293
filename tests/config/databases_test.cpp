#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

const std::string rest
  = "[kafka]\nbootstrap = \"h:9092\"\n[[tenant]]\nname = \"demo\"\n"
    "[pipeline.ticks]\npack = \"ticks\"\ntenant = \"'demo'\"\n";

config parsed(const std::string& text) {
  auto result = parse_config(text + rest, "x.toml", test::outside());
  REQUIRE(test::messages(result) == "");
  return std::move(*result);
}

} // namespace

TEST_CASE("a database without a server is another one of the first server") {
  auto by_url = parsed("[postgresql]\nurl = \"postgresql://u@h/d\"\n"
                       "password = { env = \"SET\" }\nlock_timeout = \"2s\"\n"
                       "[database.west]\ndatabase = \"w\"\n");
  REQUIRE(by_url.databases.size() == 1);
  const auto& west = by_url.databases[0];
  CHECK(west.name == "west");
  CHECK(west.lock_timeout == 2s);
  CHECK(libpq_keywords(west)
        == pairs{{"dbname", "postgresql://u@h/d"},
                 {"dbname", "w"},
                 {"password", "t0p-s3cret"}});
  auto by_parts = parsed("[postgresql]\nhost = \"h\"\ndatabase = \"d\"\n"
                         "user = \"u\"\n"
                         "[database.west]\ndatabase = \"w\"\n"
                         "user = \"other\"\nlock_timeout = \"3s\"\n");
  CHECK(by_parts.databases[0].lock_timeout == 3s);
  CHECK(libpq_keywords(by_parts.databases[0])
        == pairs{
          {"host", "h"}, {"port", "5432"}, {"dbname", "w"}, {"user", "other"}});
}

TEST_CASE("a database with a server takes over limits, but no log-in") {
  auto x = parsed("[postgresql]\nurl = \"postgresql://u@h/d\"\n"
                  "password = { env = \"SET\" }\nsslmode = \"require\"\n"
                  "parameters = { keepalives_idle = 30 }\n"
                  "sessions = 7\nauto_migrate = false\n"
                  "[database.west]\nurl = \"postgresql://v@w/e\"\n");
  const auto& west = x.databases.at(0);
  CHECK(libpq_keywords(west) == pairs{{"dbname", "postgresql://v@w/e"}});
  CHECK(west.sessions == 7);
  CHECK_FALSE(west.auto_migrate);
}

TEST_CASE("a tenant is in the first database unless it names another one") {
  auto x = parsed("[postgresql]\nurl = \"postgresql://h/d\"\nsessions = 3\n"
                  "[database.west]\ndatabase = \"w\"\nsessions = 9\n"
                  "[[tenant]]\nname = \"a\"\nschema = \"s\"\n"
                  "[[tenant]]\nname = \"b\"\nschema = \"s\"\n"
                  "database = \"west\"\n");
  CHECK(all_databases(x).size() == 2);
  CHECK(&database_of(x, "a") == &x.postgresql);
  CHECK(&database_of(x, "b") == &x.databases[0]);
  CHECK(&database_of(x, "_unrouted") == &x.postgresql);
  CHECK(x.tenants[0].sessions == 3);
  CHECK(x.tenants[1].sessions == 9);
  CHECK(find_database(x, "postgresql") == &x.postgresql);
  CHECK(find_database(x, "east") == nullptr);
}

TEST_CASE("a reading is called as its pipeline, and its database if it is not "
          "the first one") {
  CHECK(reading_name("ticks", control_database) == "ticks");
  CHECK(reading_name("ticks", "west") == "ticks@west");
}

TEST_CASE("a URL from the command line stands in for all that the file says of "
          "the server, and for nothing else") {
  auto outside = test::outside();
  outside.postgresql_url = "postgresql://me:t0p-s3cret@other:5433/o";
  auto read = [&](const std::string& text) {
    return parse_config(text + rest, "x.toml", outside);
  };
  for (const auto* file :
       {"[postgresql]\nurl = { env = \"NOT_SET\" }\nlock_timeout = \"2s\"\n",
        "[postgresql]\nhost = \"h\"\nport = 1\ndatabase = \"d\"\nuser = "
        "\"u\"\npassword = { env = \"NOT_SET\" }\nsslmode = \"verify-full\"\n"
        "sslrootcert = \"/c\"\nparameters.keepalives_idle = 30\nlock_timeout "
        "= \"2s\"\n"}) {
    auto result = read(file);
    REQUIRE(test::messages(result) == "");
    CHECK(libpq_keywords(result->postgresql)
          == pairs{{"dbname", outside.postgresql_url}});
    CHECK(result->postgresql.lock_timeout == 2s);
  }
  auto nothing = read("");
  REQUIRE(test::messages(nothing) == "");
  CHECK(nothing->postgresql.url.reveal() == outside.postgresql_url);
  auto wrong = read("[postgresql]\nurl = 1\nhots = \"h\"\n");
  CHECK(test::messages(wrong).contains("hots"));
  outside.postgresql_url = "t0p-s3cret";
  auto refused = test::messages(read("[postgresql]\n"));
  CHECK(refused.contains("postgresql.url: found a secret that is no such URL"));
  CHECK_FALSE(refused.contains("t0p-s3cret"));
}
