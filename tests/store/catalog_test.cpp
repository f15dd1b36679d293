#include "actors/store/catalog.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE_METHOD(store_fixture,
                 "a table's columns and unique keys are read as the "
                 "decoder needs them") {
  db.execute(
    "CREATE TYPE tenant_demo.side AS ENUM ('buy', 'sell');"
    "CREATE TABLE tenant_demo.t (a bigint GENERATED ALWAYS AS IDENTITY, "
    "\"odd \"\"name\" numeric(20, 8) NOT NULL, dropped int, c timestamptz "
    "DEFAULT now(), d text[], e tenant_demo.side, f int GENERATED ALWAYS AS "
    "(1) STORED, PRIMARY KEY (e, a)); ALTER TABLE tenant_demo.t DROP dropped;"
    "CREATE UNIQUE INDEX ON tenant_demo.t (c) INCLUDE (d);"
    "CREATE UNIQUE INDEX ON tenant_demo.t (f) WHERE f > 0;"
    "CREATE UNIQUE INDEX ON tenant_demo.t (lower(d[1]))");
  auto t = must(read_table_schema(*conn, "tenant_demo", "t"));
  REQUIRE(t.columns.size() == 6);
  CHECK(t.columns[0].generated);
  CHECK(t.columns[1].name == "odd \"name");
  CHECK(t.columns[1].type == "numeric");
  CHECK(t.columns[1].typmod == ((20 << 16) | 8) + 4);
  CHECK_FALSE(t.columns[1].nullable);
  CHECK(t.columns[2].type == "timestamp with time zone");
  CHECK(t.columns[2].has_default);
  CHECK(t.columns[3].type == "text[]");
  CHECK(t.columns[4].type_kind == 'e');
  CHECK(t.columns[4].type_oid >= 16'384);
  CHECK(t.columns[5].generated);
  using keys = std::vector<std::vector<std::string>>;
  CHECK(t.unique_keys == keys{{"e", "a"}, {"c"}});
  auto missing = read_table_schema(*conn, "tenant_demo", "nothing");
  CHECK(missing.error().code == store_errc::misconfigured);
  CHECK_THAT(missing.error().message, ContainsSubstring("no such table"));
}
