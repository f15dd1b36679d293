#include "nodes/cli/connection_variables.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <map>

using namespace millrace;
using namespace millrace::cli;
using Catch::Matchers::ContainsSubstring;

namespace {

using variables = std::map<std::string, std::string>;
using texts = std::vector<std::string>;

auto lookup(const variables& all) {
  return [all](const std::string& name) -> std::optional<std::string> {
    auto i = all.find(name);
    return i == all.end() ? std::nullopt : std::optional{i->second};
  };
}

auto read(const variables& all) {
  return read_connection_variables(lookup(all));
}

} // namespace

TEST_CASE("the variables of a set-up script say where PostgreSQL is") {
  auto x = read({{"DB_HOST", "db.example"},
                 {"DB_PORT", "5433"},
                 {"DB_NAME", "engine"},
                 {"DB_USER", "me"},
                 {"DB_PASSWORD", "p w"},
                 {"DB_SSLMODE", "verify-full"}});
  REQUIRE(x);
  CHECK(libpq_keywords(*x)
        == std::vector<std::pair<std::string, std::string>>{
          {"host", "db.example"},
          {"port", "5433"},
          {"dbname", "engine"},
          {"user", "me"},
          {"password", "p w"},
          {"sslmode", "verify-full"}});
  auto least = read({{"DB_NAME", "engine"}});
  REQUIRE(least);
  CHECK(libpq_keywords(*least)
        == std::vector<std::pair<std::string, std::string>>{
          {"host", "localhost"}, {"port", "5432"}, {"dbname", "engine"}});
  CHECK(has_connection_variables(lookup({{"DB_HOST", "h"}})));
  CHECK(has_connection_variables(lookup({{"DB_NAME", "n"}})));
  CHECK_FALSE(has_connection_variables(lookup({{"DB_SSLMODE", "allow"}})));
}

TEST_CASE("the TLS mode has two names, and one value") {
  for (const auto& mode :
       {variables{{"DB_SSLMODE", "require"}},
        variables{{"DB_SSL_MODE", "require"}},
        variables{{"DB_SSLMODE", "require"}, {"DB_SSL_MODE", "require"}}}) {
    auto all = mode;
    all["DB_NAME"] = "engine";
    auto x = read(all);
    REQUIRE(x);
    CHECK(x->sslmode == ssl_mode::require);
  }
  auto both = read({{"DB_NAME", "engine"},
                    {"DB_SSLMODE", "require"},
                    {"DB_SSL_MODE", "disable"}});
  REQUIRE_FALSE(both);
  CHECK(both.error()
        == texts{"DB_SSLMODE and DB_SSL_MODE: found \"require\" and "
                 "\"disable\", expected one of the two variables, or the same "
                 "value in both"});
}

TEST_CASE("all that is wrong with the variables is told at once") {
  auto x = read({{"DB_HOST", "h"},
                 {"DB_PORT", "0"},
                 {"DB_PASSWORD", "geheim"},
                 {"DB_SSL_MODE", "verify_full"}});
  REQUIRE_FALSE(x);
  CHECK(x.error()
        == texts{"DB_NAME: the environment has no such variable, expected the "
                 "name of the database",
                 "DB_PORT: found \"0\", expected a number from 1 to 65535",
                 "DB_SSL_MODE: found \"verify_full\", expected \"disable\", "
                 "\"allow\", \"prefer\", \"require\", \"verify-ca\" or "
                 "\"verify-full\""});
  for (const auto* port : {"65536", "-1", "5432 ", "x", "54e1"})
    CHECK_FALSE(read({{"DB_NAME", "n"}, {"DB_PORT", port}}));
}

TEST_CASE("migrate reads them where nothing else says where PostgreSQL is") {
  using millrace::test::run;
  auto x = run({"migrate", "-up"}, {{"DB_HOST", "127.0.0.1"},
                                    {"DB_PORT", "1"},
                                    {"DB_NAME", "engine"},
                                    {"DB_SSLMODE", "require"},
                                    {"DB_SSL_MODE", "prefer"}});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, ContainsSubstring("DB_SSLMODE and DB_SSL_MODE"));
  x = run({"migrate", "-up"}, {{"DB_HOST", "127.0.0.1"},
                               {"DB_PORT", "1"},
                               {"DB_NAME", "engine"},
                               {"DB_PASSWORD", "geheim"},
                               {"DB_SSL_MODE", "prefer"}});
  CHECK(x.code == 3);
  CHECK_THAT(x.err,
             ContainsSubstring("127.0.0.1") && !ContainsSubstring("geheim"));
  // First options, then the URL, then the parts.
  const test::process::variables parts{{"DATABASE_URL",
                                        "postgresql://127.0.0.1:1/d"},
                                       {"DB_NAME", "engine"},
                                       {"DB_PORT", "wrong"}};
  CHECK(run({"migrate", "up"}, parts).code == 3);
  CHECK(run({"migrate", "up", "--conn", "postgresql://127.0.0.1:1/d"},
            {{"DB_NAME", "engine"}, {"DB_PORT", "wrong"}})
          .code
        == 3);
  // What is asked for by name is not looked for elsewhere.
  x = run({"migrate", "up", "--pg-env", "DB_URL"}, {{"DB_NAME", "engine"}});
  CHECK(x.code == 2);
}
