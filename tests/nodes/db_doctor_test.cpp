// `millrace db doctor` against a real server.

#include "tests/nodes/db_fixture.hpp"

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE_METHOD(db_fixture, "a database as init leaves it has no error, once "
                             "its partitions are made") {
  init({"--create-partitions-days", "15"});
  auto x = run({"doctor"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.out, !ContainsSubstring("error:"));
}

TEST_CASE_METHOD(db_fixture, "the doctor finds what is gone, half made, held "
                             "and not made ahead") {
  init({"--create-partitions-days", "1"});
  db.execute("DROP INDEX tenant_perps.idx_ingest_events_status; CREATE INDEX "
             "half ON tenant_perps.markets (symbol); UPDATE pg_index SET "
             "indisvalid = false WHERE indexrelid = "
             "'tenant_perps.half'::regclass; DROP TABLE "
             "tenant_perps.kline_discovery_cache; INSERT INTO "
             "tenant_perps.trades (exchange_id, symbol, price, size, ts) "
             "VALUES (1, 'BTC', 1, 1, '2020-01-01')");
  auto x = run({"doctor"});
  INFO(x.out << x.err);
  CHECK(x.code == 1);
  for (const auto* line :
       {"error: indexes: the index tenant_perps.idx_ingest_events_status of "
        "the migrations of perps-stats is gone",
        "error: tables: the table tenant_perps.kline_discovery_cache",
        "error: indexes: the index tenant_perps.half is not valid",
        "error: partitions: tenant_perps.tickers has partitions for 0 of 14 "
        "periods ahead",
        "warning: partitions: tenant_perps.trades has rows in its default "
        "partition"})
    CHECK_THAT(x.out, ContainsSubstring(line));
  json_document json{run({"doctor", "--json"}).out};
  CHECK_FALSE(json.boolean("/healthy"));
  CHECK(json.text("/databases/0/database") == "postgresql");
  CHECK(json.text("/databases/0/findings/0/severity") == "error");
}

TEST_CASE_METHOD(db_fixture, "the doctor tells what a role lacks, and the "
                             "statement that gives it") {
  init({"--create-partitions-days", "15"});
  auto role = unique_name("writer");
  db.execute("CREATE ROLE " + role + " LOGIN");
  auto url = db.url();
  auto at = url.find("//") + 2;
  url.replace(at, url.find('@') - at, role);
  words args{"db", "doctor", "--config", file};
  process::variables environment{{"DB_URL", url}};
  auto x = millrace::test::run(args, environment);
  INFO(x.out << x.err);
  CHECK(x.code != 0);
  db.execute("GRANT USAGE ON SCHEMA millrace, tenant_perps TO " + role
             + "; GRANT SELECT ON ALL TABLES IN SCHEMA millrace, "
               "tenant_perps TO "
             + role);
  x = millrace::test::run(args, environment);
  INFO(x.out << x.err);
  CHECK(x.code == 1);
  CHECK_THAT(x.out,
             ContainsSubstring("error: grants: the role " + role
                               + " lacks INSERT, UPDATE on "
                                 "tenant_perps.trades\n    mend: GRANT INSERT, "
                                 "UPDATE ON \"tenant_perps\".\"trades\" TO \""
                               + role + '"')
               && ContainsSubstring("lacks ownership of tenant_perps.tickers")
               && ContainsSubstring(" lacks INSERT, UPDATE, DELETE on "
                                    "millrace.partition_floor\n")
               && !ContainsSubstring("EXECUTE"));
  db.execute("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA millrace FROM PUBLIC; "
             "DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM "
             "PUBLIC', current_database()); END $$");
  x = millrace::test::run(args, environment);
  INFO(x.out << x.err);
  CHECK_THAT(x.out,
             ContainsSubstring("lacks EXECUTE on functions of millrace: "
                               "begun_later, check_columns, claim, held_by, "
                               "hold_coordinator, ")
               && ContainsSubstring("mend: GRANT EXECUTE ON FUNCTION ")
               && ContainsSubstring("millrace.claim(")
               && ContainsSubstring("lacks TEMPORARY on the database "));
  // What it says mends it.
  for (const auto* mend : {"GRANT EXECUTE", "GRANT TEMPORARY"}) {
    auto from = x.out.find(mend);
    REQUIRE(from != x.out.npos);
    db.execute(x.out.substr(from, x.out.find('\n', from) - from));
  }
  CHECK_THAT(millrace::test::run(args, environment).out,
             !ContainsSubstring("EXECUTE") && !ContainsSubstring("TEMPORARY"));
  db.execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}
