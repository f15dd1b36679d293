// `millrace db clean` against a real server.

#include "tests/nodes/db_fixture.hpp"

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Partitions of 200, 100 and 90 days ago, and a row in each, in the default
/// partition and in tables without partitions.
class clean_fixture : public db_fixture {
public:
  clean_fixture() {
    init({"--create-partitions-days", "1"});
    for (auto days : {200, 100, 90})
      partition(days);
    for (auto days : {300, 200, 100, 0})
      trade(days, "0 h");
    // The day of the limit holds both.
    trade(90, "1 min");
    trade(90, "-1 min");
    db.execute("INSERT INTO tenant_perps.ingest_events (ts) SELECT now() - i "
               "* interval '1 day' FROM generate_series(1, 100) i");
  }

  void partition(int days) const {
    db.execute("SELECT tenant_perps.create_partition_if_not_exists('trades', "
               "'trades' || to_char(d, '_YYYY_MM_DD'), d, d + 1) FROM (SELECT "
               "(now() AT TIME ZONE 'UTC')::date - "
               + std::to_string(days) + " AS d) t");
  }

  void trade(int days, const std::string& more) const {
    db.execute("INSERT INTO tenant_perps.trades (exchange_id, symbol, "
               "trade_id, price, size, ts) VALUES (1, 'BTC', '"
               + std::to_string(days) + '/' + more
               + "', 1, 1, now() - interval '" + std::to_string(days)
               + " days' - interval '" + more + "')");
  }

  /// A row of so many days ago in each table that grows, but for those that
  /// the constructor fills.
  void row_everywhere(int days) const {
    auto at = "now() - interval '" + std::to_string(days) + " days'";
    auto add = [&](const std::string& table, const std::string& columns,
                   const std::string& values) {
      db.execute("INSERT INTO tenant_perps." + table + " (exchange_id, symbol, "
                 + columns + ") VALUES (1, 'X" + std::to_string(days) + "', "
                 + at + values + ')');
    };
    add("tickers", "ts", "");
    add("orderbooks", "ts", "");
    add("open_interest", "ts", "");
    add("funding_rates", "ts, rate", ", 1");
    add("liquidity_depth",
        "ts, mid_price, bid_1bps, bid_2_5bps, bid_5bps, bid_10bps, bid_20bps, "
        "ask_1bps, ask_2_5bps, ask_5bps, ask_10bps, ask_20bps",
        ", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1");
    add("klines",
        "open_time, close_time, interval, open_price, high_price, low_price, "
        "close_price, volume, quote_volume",
        ", now(), '1m', 1, 1, 1, 1, 1, 1");
    add("slippage", "ts, mid_price, trade_amount, buy_feasible, sell_feasible",
        ", 1, 1, true, true");
    add("kline_discovery_cache", "discovered_at, interval, earliest_timestamp",
        ", '1m', now()");
  }

  /// Of the partition of so many days ago.
  std::string name_of(int days) const {
    return db.value("SELECT 'trades' || to_char((now() AT TIME ZONE "
                    "'UTC')::date - "
                    + std::to_string(days) + ", '_YYYY_MM_DD')");
  }

  void hold(int days) const {
    db.execute("INSERT INTO millrace.partition_hold (schema_name, "
               "partition_name, partition_oid, held_by) SELECT "
               "'tenant_perps', relname, oid, 'x' FROM pg_class WHERE relname "
               "= '"
               + name_of(days) + '\'');
  }

  std::string trades() const {
    return db.value("SELECT string_agg(trade_id, ' ' ORDER BY ts) FROM "
                    "tenant_perps.trades");
  }

  outcome clean(words more) const {
    more.insert(more.begin(), "clean");
    return run(std::move(more));
  }
};

} // namespace

TEST_CASE_METHOD(db_fixture, "perps-stats Q9: clean on an empty database is a "
                             "success that deletes no row") {
  init();
  auto x = run({"clean", "--older-than", "1", "--yes"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.out, ContainsSubstring("tenant_perps.slippage: 0 rows deleted, "
                                      "0 partitions dropped\n"));
  CHECK(db.value("SELECT count(*) FROM millrace.admin_action") == "0");
}

TEST_CASE_METHOD(clean_fixture, "perps-stats Q10, 23, 24: what is older goes "
                                "from every table, whole days as partitions, "
                                "and nothing else") {
  row_everywhere(200);
  row_everywhere(1);
  auto x = clean({"--older-than", "90", "--yes", "--batch", "1"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  for (const std::string table :
       {"tickers", "orderbooks", "funding_rates", "open_interest",
        "liquidity_depth", "klines", "slippage", "kline_discovery_cache"}) {
    INFO(table);
    CHECK(db.value("SELECT string_agg(symbol, ' ') FROM tenant_perps." + table)
          == "X1");
  }
  CHECK(trades() == "90/-1 min 0/0 h");
  CHECK_THAT(x.out, ContainsSubstring("tenant_perps.trades: 2 rows deleted, 2 "
                                      "partitions dropped\n")
                      && ContainsSubstring("tenant_perps.ingest_events: 11 "
                                           "rows deleted"));
  CHECK(children("trades") == "2");
  CHECK(db.value("SELECT count(*) FROM tenant_perps.ingest_events") == "89");
  CHECK(db.value("SELECT count(*) FROM tenant_perps.exchanges") == "7");
  CHECK(db.value("SELECT command || ' ' || object || ' ' || reason FROM "
                 "millrace.admin_action")
        == "db clean --older-than 90 not said");
  CHECK(db.value("SELECT x -> 'deleted' FROM millrace.admin_action, "
                 "jsonb_array_elements(after) x WHERE x ->> 'table' = 'trades'")
        == "2");
  CHECK(db.value("SELECT lease_until <= clock_timestamp() FROM "
                 "millrace.coordinator")
        == "t");
}

TEST_CASE_METHOD(clean_fixture, "perps-stats Q11, 26, 27: only partitions of "
                                "days before the limit go, not the default "
                                "one, whatever they are called") {
  db.execute("CREATE SCHEMA elsewhere; CREATE TABLE "
             "elsewhere.trades_2020_01_01 (); ALTER TABLE "
             "tenant_perps.trades_default RENAME TO trades_2020_01_01; "
             "CREATE TABLE tenant_perps.trades_2021_01_01 ()");
  auto x = clean({"--drop-partitions-older-than", "100", "--yes"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK(trades() == "300/0 h 100/0 h 90/1 min 90/-1 min 0/0 h");
  CHECK(children("trades") == "3");
  CHECK(db.value("SELECT to_regclass('elsewhere.trades_2020_01_01') IS NULL "
                 "OR to_regclass('tenant_perps.trades_2021_01_01') IS NULL")
        == "f");
  trade(0, "2 min");
  CHECK_THAT(trades(), ContainsSubstring("0/2 min"));
}

TEST_CASE_METHOD(clean_fixture, "perps-stats 3.5: rows and partitions may go "
                                "at once, each by its own age") {
  auto x = clean(
    {"--older-than", "290", "--drop-partitions-older-than", "100", "--yes"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK(trades() == "100/0 h 90/1 min 90/-1 min 0/0 h");
  CHECK_THAT(x.out, ContainsSubstring("tenant_perps.trades: 1 rows deleted, 1 "
                                      "partitions dropped\n"));
}

TEST_CASE_METHOD(clean_fixture, "truncate empties every table that grows, and "
                                "no other") {
  auto x = clean({"--truncate", "--yes", "--reason", "a new start"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.out, ContainsSubstring("tenant_perps.trades: emptied\n")
                      && ContainsSubstring("kline_discovery_cache: emptied"));
  CHECK(trades().empty());
  CHECK(db.value("SELECT count(*) FROM tenant_perps.ingest_events") == "0");
  CHECK(db.value("SELECT count(*) FROM tenant_perps.exchanges") == "7");
  CHECK(children("trades") == "4");
  CHECK(db.value("SELECT reason FROM millrace.admin_action") == "a new start");
}

TEST_CASE_METHOD(clean_fixture, "a partition that is held stays with all of "
                                "its rows, and is named") {
  hold(200);
  auto x = clean({"--older-than", "90", "--yes"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK(trades() == "200/0 h 90/-1 min 0/0 h");
  CHECK_THAT(x.err, ContainsSubstring("  keep " + name_of(200)
                                      + ": it is held; 'millrace partitions "
                                        "release tenant_perps."
                                      + name_of(200) + "' lets it go"));
  // Where there is nothing else to do, too.
  auto again = clean({"--drop-partitions-older-than", "100", "--yes"});
  CHECK(again.code == 0);
  CHECK_THAT(again.err, ContainsSubstring("  keep " + name_of(200)));
  auto all = clean({"--truncate", "--yes"});
  INFO(all.out << all.err);
  CHECK(all.code == 1);
  CHECK_THAT(all.err, ContainsSubstring("tenant_perps.trades: has partitions "
                                        "that are held, and TRUNCATE would "
                                        "empty them: tenant_perps."
                                        + name_of(200)));
  CHECK(trades() == "200/0 h 90/-1 min 0/0 h");
  CHECK(db.value("SELECT count(*) FROM tenant_perps.ingest_events") == "0");
}

TEST_CASE_METHOD(clean_fixture,
                 "old rows go from parts of partitions, too, and "
                 "as many as were told") {
  auto day = name_of(90);
  db.execute("ALTER TABLE tenant_perps.trades DETACH PARTITION tenant_perps."
             + day + "; ALTER TABLE tenant_perps." + day
             + " RENAME TO apart; CREATE TABLE tenant_perps." + day
             + " (LIKE tenant_perps.trades INCLUDING DEFAULTS INCLUDING "
               "CONSTRAINTS INCLUDING GENERATED) PARTITION BY "
               "RANGE (ts); CREATE TABLE tenant_perps.part PARTITION OF "
               "tenant_perps."
             + day + " DEFAULT; INSERT INTO tenant_perps." + day
             + " SELECT * FROM tenant_perps.apart; DROP TABLE "
               "tenant_perps.apart");
  db.execute("DO $$ DECLARE d date := (now() AT TIME ZONE 'UTC')::date - 90; "
             "BEGIN EXECUTE format('ALTER TABLE tenant_perps.trades ATTACH "
             "PARTITION tenant_perps."
             + day
             + " FOR VALUES FROM (%L) TO (%L)', d || ' 00:00:00+00', (d + 1) "
               "|| ' 00:00:00+00'); END $$");
  auto x = clean({"--older-than", "90", "--yes"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.err, ContainsSubstring("  delete 1 rows of part with ts"));
  CHECK(trades() == "90/-1 min 0/0 h");
}

TEST_CASE_METHOD(clean_fixture, "of hypertables whole chunks go, and rows of "
                                "the one at the limit") {
  if (db.value("SELECT count(*) FROM pg_available_extensions WHERE name = "
               "'timescaledb'")
      == "0")
    SKIP("there is no TimescaleDB");
  db.execute("CREATE EXTENSION timescaledb");
  db.execute("DROP TABLE tenant_perps.ingest_events; CREATE TABLE "
             "tenant_perps.ingest_events (ts timestamptz NOT NULL); SELECT "
             "create_hypertable('tenant_perps.ingest_events', 'ts', "
             "chunk_time_interval => interval '7 days'); INSERT INTO "
             "tenant_perps.ingest_events SELECT now() - i * interval '1 day' "
             "FROM generate_series(1, 100) i");
  auto rows = [this] {
    return db.value("SELECT count(*) FROM tenant_perps.ingest_events");
  };
  auto chunks = [this] {
    return std::stoi(db.value("SELECT count(*) FROM "
                              "timescaledb_information.chunks"));
  };
  words table{"--table", "ingest_events", "--yes"};
  auto with = [&table](words args) {
    args.insert(args.end(), table.begin(), table.end());
    return args;
  };
  auto before = chunks();
  auto x = clean(with({"--older-than", "50"}));
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK(rows() == "49");
  CHECK(chunks() < before);
  before = chunks();
  CHECK(clean(with({"--drop-partitions-older-than", "20"})).code == 0);
  CHECK(chunks() < before);
  CHECK(std::stoi(rows()) >= 19);
  CHECK(clean(with({"--truncate"})).code == 0);
  CHECK(rows() == "0");
}

TEST_CASE_METHOD(clean_fixture, "nothing goes without an answer: the plan is "
                                "told, and a dry run ends there") {
  auto before = trades();
  auto x = clean({"--older-than", "90"});
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("  drop trades_")
                      && ContainsSubstring("  delete 1 rows of trades_default "
                                           "with ts before ")
                      && ContainsSubstring("do not come back")
                      && ContainsSubstring("Remove this for ever? [y/N]")
                      && ContainsSubstring("nothing was changed"));
  auto dry = clean({"--older-than", "90", "--dry-run", "--table", "trades"});
  CHECK(dry.code == 0);
  CHECK_THAT(dry.out, ContainsSubstring("tenant_perps.trades\n  drop ")
                        && !ContainsSubstring("ingest_events"));
  CHECK(clean({"--older-than", "90", "--json"}).code == 2);
  auto json = clean({"--older-than", "90", "--json", "--dry-run"});
  CHECK(json.err.empty());
  json_document all{json.out};
  CHECK(all.text("/plan/0/database") == "postgresql");
  CHECK(trades() == before);
  CHECK(db.value("SELECT count(*) FROM millrace.admin_action") == "0");
}

TEST_CASE_METHOD(clean_fixture, "while a node coordinates, clean works in its "
                                "term and leaves it the lease") {
  db.execute("UPDATE millrace.coordinator SET epoch = 7, owner = "
             "gen_random_uuid(), node = 'one', lease_until = now() + interval "
             "'1 h'");
  CHECK(clean({"--older-than", "90", "--yes", "--json"}).code == 0);
  CHECK(db.value("SELECT epoch FROM millrace.coordinator") == "7");
  CHECK(trades() == "90/-1 min 0/0 h");
}

TEST_CASE_METHOD(clean_fixture, "a table that cannot be cleaned does not keep "
                                "the others from it") {
  db.execute("DROP TABLE tenant_perps.slippage; ALTER TABLE "
             "tenant_perps.ingest_events RENAME ts TO at");
  auto x = clean({"--older-than", "90", "--yes"});
  INFO(x.out << x.err);
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("tenant_perps.slippage: does not exist")
                      && ContainsSubstring("ingest_events: has no column ts"));
  CHECK(trades() == "90/-1 min 0/0 h");
}
