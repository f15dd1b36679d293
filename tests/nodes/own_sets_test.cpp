// Migrations and partitions that no pipeline brings: `[[migrations]]` and
// `[[partition]]`.

#include "tests/nodes/json.hpp"
#include "tests/nodes/node_fixture.hpp"

#include <catch2/matchers/catch_matchers_string.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace test = millrace::test;

namespace {

using words = std::vector<std::string>;

/// Two tenants, of which one has a set of its own and one the tables of the
/// trading engine. No Kafka: a node makes tables without it.
struct fixture : node_fixture {
  fixture() : node_fixture{"own_sets", "127.0.0.1:1"} {
    std::filesystem::create_directory(folder.path() + "/notes");
    write_file("001_notes.sql", "CREATE TABLE notes (id bigint, at date NOT "
                                "NULL) PARTITION BY RANGE (at);");
    config = folder.write("node.toml", R"toml(
[node]
name = "one"
admin.port = 0
[postgresql]
url = { env = "DB_URL" }
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "north"
[[tenant]]
name = "south"
[[migrations]]
set = "notes"
folder = "notes"
tenants = ["north"]
[[migrations]]
set = "trading-engine"
tenants = ["south"]
[[partition]]
tables = ["notes"]
every = "week"
tenants = ["north"]
[[partition]]
tables = ["audit_log"]
every = "month"
ahead = "1460d"
late = "default"
tenants = ["south"]
[pipeline.ticks]
pack = "ticks"
topics = ["ticks"]
tenant = "'north'"
)toml");
  }

  process::variables environment() const override {
    return {{"DB_URL", db.url()}};
  }

  void write_file(const std::string& name, const std::string& up) const {
    folder.write("notes/" + name, "-- description: d\n-- millrace:up\n" + up
                                    + "\n-- millrace:down\n");
  }

  void await_value(const std::string& sql, const std::string& wanted) const {
    await(db, sql, wanted);
  }

  scratch_database db{"own_sets"};
};

} // namespace

TEST_CASE_METHOD(fixture, "a node applies the user's own folder beside the "
                          "packs, and makes partitions of tables that no "
                          "pipeline writes") {
  auto node = start_node();
  await_value("SELECT count(*) FROM tenant_north.schema_migrations WHERE pack "
              "= 'notes'",
              "1");
  // Four years of months ahead, for ever: nothing else makes them.
  await_value("SELECT count(*) > 48 FROM pg_inherits WHERE inhparent = "
              "'tenant_south.audit_log'::regclass",
              "t");
  await_value("SELECT count(*) >= 3 FROM pg_inherits WHERE inhparent = "
              "'tenant_north.notes'::regclass",
              "t");
  CHECK(db.value("SELECT to_regclass('tenant_south.notes') IS NULL AND "
                 "to_regclass('tenant_north.audit_log') IS NULL AND "
                 "to_regclass('tenant_north.ticks') IS NOT NULL")
        == "t");
  stop(node);

  // What comes into the folder is applied with the next start.
  write_file("002_text.sql", "ALTER TABLE notes ADD COLUMN text text;");
  auto lacks = test::run({"validate", "--timeout", "2s", config},
                         environment());
  CHECK_THAT(lacks.err, ContainsSubstring("lacks 1 migration(s) of 'notes'"));
  node = start_node();
  await_value("SELECT count(*) FROM tenant_north.schema_migrations WHERE pack "
              "= 'notes'",
              "2");
  stop(node);

  // A folder that a node would not start with is told, for each set once.
  auto doctor = [&] { return run({"db", "doctor"}).out; };
  const std::string broken = "/notes cannot be applied: ";
  CHECK_THAT(doctor(), !ContainsSubstring("cannot be applied"));
  write_file("004_gap.sql", "SELECT 1;");
  CHECK_THAT(doctor(), ContainsSubstring(broken));
  std::filesystem::remove(folder.path() + "/notes/004_gap.sql");
  const auto notes = folder.path() + "/notes";
  std::filesystem::rename(notes, folder.path() + "/kept");
  std::filesystem::create_directory(notes);
  CHECK_THAT(doctor(), ContainsSubstring(broken));
  std::filesystem::remove(notes);
  std::filesystem::rename(folder.path() + "/kept", notes);

  json_document list{
    run({"partitions", "list", "--table", "audit_log", "--json"}).out};
  REQUIRE(list.size() == 1);
  CHECK(list.text("/0/tenant") == "south");
  CHECK(list.text("/0/pipeline").empty());
  // An audit log is kept, whatever else is cleaned.
  auto clean = run({"db", "clean", "--older-than", "1", "--dry-run"});
  INFO(clean.out << clean.err);
  CHECK_FALSE(clean.out.contains("audit_log"));
}

TEST_CASE_METHOD(fixture, "verify --deep tells per tenant what is not as the "
                          "migrations make it, and leaves nothing behind") {
  const words deep{"migrate", "verify", "--deep"};
  REQUIRE(run({"db", "init"}).code == 0);
  auto sound = run(deep);
  INFO(sound.out << sound.err);
  CHECK(sound.code == 0);
  // Partitions that are there are no difference, and a schema is told once.
  for (const auto* schema : {"millrace", "tenant_north", "tenant_south"})
    CHECK_THAT(sound.out, ContainsSubstring(std::string{schema}
                                            + ": as its migrations make it\n"));
  db.execute("ALTER TABLE tenant_north.notes ALTER id TYPE int; CREATE TABLE "
             "tenant_north.by_hand (a int); DROP INDEX "
             "tenant_south.idx_trades_symbol_executed; ALTER TABLE "
             "tenant_south.orders DISABLE TRIGGER audit_orders; ALTER TABLE "
             "tenant_south.orders ALTER time_in_force SET DEFAULT 'DAY'");
  auto told = run(deep);
  CHECK(told.code == 1);
  CHECK_THAT(told.out,
             ContainsSubstring("millrace: as its migrations make it\n")
               && ContainsSubstring(
                 "tenant_north: 2 differences from what its migrations make\n"
                 "  foreign    table by_hand\n"
                 "  different  column notes.id\n"
                 "    expected bigint\n"
                 "    found    integer\n")
               && ContainsSubstring("tenant_south: 3 differences"));
  // Beside the set that is asked for all others of the schema count.
  auto json = deep;
  json.insert(json.end(),
              {"--json", "--tenant", "south", "--set", "trading-engine"});
  json_document one{run(json).out};
  REQUIRE(one.size() == 1);
  auto difference = [&](int i, const std::string& member) {
    return one.text("/0/differences/" + std::to_string(i) + '/' + member);
  };
  CHECK(difference(0, "object") == "column orders.time_in_force");
  CHECK(difference(0, "kind") == "different");
  CHECK_THAT(difference(0, "expected"), ContainsSubstring("DEFAULT 'GTC'"));
  CHECK_THAT(difference(0, "found"), ContainsSubstring("DEFAULT 'DAY'"));
  CHECK(difference(1, "object") == "trigger orders.audit_orders");
  CHECK_THAT(difference(1, "found"), ContainsSubstring("(disabled)"));
  CHECK(difference(2, "object") == "index trades.idx_trades_symbol_executed");
  CHECK(difference(2, "kind") == "missing");
  // Files alone are sound all the same.
  CHECK(run({"migrate", "verify"}).code == 0);
  CHECK(db.value("SELECT count(*) FROM pg_database WHERE datname LIKE "
                 "'millrace_rehearsal_%'")
        == "0");
}

TEST_CASE("the example for perps-stats makes its tables, and keeps their days "
          "ahead and for ninety days") {
  scratch_database db{"perps"};
  scratch_folder folder;
  std::ifstream in{MILLRACE_SOURCE_DIR "/config/examples/perps-stats.toml"};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  auto url = text.find("url = ");
  REQUIRE(url != text.npos);
  auto end = text.find("\n[", url);
  text.replace(url, end - url, "url = { env = \"PERPS_DB_URL\" }\n");
  auto example = folder.write("perps.toml", text);
  auto at = [&](std::vector<std::string> args) {
    args.insert(args.end(), {"--config", example});
    auto x = test::run(args, {{"PERPS_DB_URL", db.url()}});
    INFO(x.out << x.err);
    CHECK(x.code == 0);
    return x;
  };
  at({"db", "init"});
  CHECK(db.value("SELECT count(*) FROM tenant_perps.exchanges") == "18");
  // The code table's ids are the table's.
  CHECK(db.value("SELECT string_agg(id || ' ' || name, ', ' ORDER BY id) FROM "
                 "tenant_perps.exchanges WHERE id <= 7")
        == "1 binance, 2 bybit, 3 kucoin, 4 lighter, 5 paradex, 6 hyperliquid, "
           "7 cryptocom");
  // Its mapping fits the tables.
  auto events = folder.write(
    "trades.ndjson",
    R"({"headers":[["exchange","Bybit"]],"value":{"id":"4471203399",)"
    R"("symbol":"BTCUSDT","price":"63250.10","quantity":"0.015",)"
    R"("side":"sell","timestamp":1760090401}})"
    "\n");
  auto explained = test::run({"validate", example, "--timeout", "2s",
                              "--explain", "--events", events},
                             {{"PERPS_DB_URL", db.url()}});
  INFO(explained.out << explained.err);
  CHECK(explained.code == 0);
  CHECK_THAT(explained.out, ContainsSubstring("upsert trades")
                              && ContainsSubstring("2025-10-10"));
  // A day long ago, and one that only the default partition has.
  db.execute("SELECT tenant_perps.create_partition_if_not_exists('tickers', "
             "'tickers_2025_01_31', '2025-01-31', '2025-02-01'); INSERT INTO "
             "tenant_perps.tickers (exchange_id, symbol, ts) VALUES (1, 'BTC', "
             "'2025-01-31 12:00Z'), (1, 'BTC', now() - interval '20 days')");
  at({"partitions", "run"});
  for (const auto* table :
       {"tickers", "orderbooks", "trades", "funding_rates", "open_interest",
        "liquidity_depth", "klines", "slippage"}) {
    INFO(table);
    CHECK(db.value(std::string{"SELECT count(*) FROM generate_series(0, 7) i "
                               "WHERE to_regclass('tenant_perps."}
                   + table
                   + "_' || to_char((now() AT TIME ZONE 'UTC')::date + i, "
                     "'YYYY_MM_DD')) IS NOT NULL")
          == "8");
  }
  CHECK(db.value("SELECT to_regclass('tenant_perps.tickers_2025_01_31') IS "
                 "NULL")
        == "t");
  CHECK(db.value("SELECT tableoid::regclass::text = 'tenant_perps.tickers_' || "
                 "to_char(ts AT TIME ZONE 'UTC', 'YYYY_MM_DD') FROM "
                 "tenant_perps.tickers")
        == "t");
  CHECK_THAT(at({"partitions", "plan"}).out, ContainsSubstring("tickers"));
  // A fee that somebody changed is the pack's again.
  db.execute("UPDATE tenant_perps.exchanges SET taker_fee = 1");
  at({"db", "seed"});
  CHECK(db.value("SELECT taker_fee FROM tenant_perps.exchanges WHERE name = "
                 "'risex'")
        == "0.000150");
  // What a series names is cleaned by the days that the example declares.
  auto plan
    = at({"db", "clean", "--drop-partitions-older-than", "10", "--dry-run"});
  CHECK_THAT(plan.out, ContainsSubstring("tickers_"));
}

TEST_CASE_METHOD(fixture, "commands know the user's own folder by the "
                          "configuration") {
  CHECK(run({"migrate", "up", "--set", "control"}).code == 0);
  auto up = run({"migrate", "up", "--set", "notes"});
  INFO(up.out << up.err);
  CHECK(up.out.starts_with("notes in tenant_north: applied 1 in "));
  CHECK(up.code == 0);
  auto status = run({"migrate", "status", "--set", "notes"});
  CHECK_THAT(status.out, ContainsSubstring("Applied: 1 | Pending: 0"));

  // Everything that is wrong with the files is told before a server is asked.
  write_file("001_again.sql", "SELECT 1;");
  folder.write("notes/003_gap.sql", "-- millrace:up\nSELECT 1;\n");
  auto bad = test::run({"validate", "--offline", config}, environment());
  INFO(bad.err);
  CHECK(bad.code == 2);
  CHECK_THAT(bad.err, ContainsSubstring("node.toml:13:")
                        && ContainsSubstring("have the same number")
                        && ContainsSubstring("003_gap.sql"));
}
