// Partitions of tables as users have them, and of days that are not as others,
// on a real server.

#include "actors/coordinator/partition_catalog.hpp"
#include "actors/coordinator/partition_store.hpp"
#include "tests/coordinator/roller_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

using namespace millrace;
using namespace std::chrono_literals;
using namespace std::chrono;

namespace {

struct fixture : test::roller_fixture {
  void install(const std::string& pack) {
    db.execute("CREATE SCHEMA seed");
    up(load_embedded_migrations(pack).value(), {"seed", {}});
    policy.schema = "seed";
  }

  /// A go at that time.
  void make_at(partition_time now) {
    auto session = open();
    partition_store store{session, *lease, stop, "one"};
    REQUIRE(store.take(1s));
    auto table = partition_catalog{session}.read(policy);
    REQUIRE(table);
    for (const auto& x : plan_partitions(policy, *table, now).make) {
      auto done = store.make(policy, *table, x);
      INFO((done ? std::string{} : done.error().message));
      REQUIRE(done);
    }
  }

  std::string named(const std::string& like) const {
    return db.value(
      "SELECT coalesce(string_agg(c.relname, ' ' ORDER BY "
      "c.relname), '') FROM pg_inherits i JOIN pg_class c ON "
      "c.oid = i.inhrelid WHERE c.relkind = 'r' AND c.relname LIKE '"
      + like + "'");
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "days when clocks change, and leap days, have "
                          "partitions that take each half of their hours") {
  struct special {
    const char* zone;
    sys_days day;
    int halves;
  };
  auto x = GENERATE(special{"Europe/Berlin", 2025y / March / 30, 46},
                    special{"Europe/Berlin", 2025y / October / 26, 50},
                    special{"America/Sao_Paulo", 2018y / November / 4, 46},
                    special{"UTC", 2028y / February / 29, 48});
  policy.rules.timezone = x.zone;
  policy.rules.ahead = days{1};
  make_at(partition_time{x.day + 12h});
  auto date = std::format("{:%Y-%m-%d}", x.day);
  db.execute("INSERT INTO shop.tickers (id, ts) SELECT row_number() OVER (), t "
             "FROM generate_series(('"
             + date + " 12:00'::timestamp - interval '1 day') AT TIME ZONE '"
             + x.zone + "', ('" + date
             + " 12:00'::timestamp + interval '1 day') AT TIME ZONE '" + x.zone
             + "', interval '30 min') t");
  // Each row is in the partition of its own date, and the day is as long as it
  // is.
  CHECK(db.value("SELECT count(*) FROM shop.tickers WHERE "
                 "tableoid::regclass::text <> 'shop.tickers_' || to_char(ts AT "
                 "TIME ZONE '"
                 + std::string{x.zone} + "', 'YYYY_MM_DD')")
        == "0");
  CHECK(db.value("SELECT count(*) FROM shop.tickers_"
                 + std::format("{:%Y_%m_%d}", x.day))
        == std::to_string(x.halves));
}

TEST_CASE_METHOD(fixture, "audit_log has a partition a month for ever, and its "
                          "rows stay what they are when they move to it") {
  install("trading-engine");
  policy.table = "audit_log";
  policy.rules.every = partition_every::month;
  policy.rules.ahead = days{62};
  policy.rules.late = late_rows::catch_all;
  db.execute("INSERT INTO seed.audit_log (table_name, record_key, action, "
             "created_at) SELECT 'x', i::text, 'INSERT', "
             "'2000-01-15'::timestamptz + i * interval '1 month' FROM "
             "generate_series(0, 23) i");
  auto done = roll();
  INFO(done.failure);
  CHECK(done.failure.empty());
  CHECK(db.value("SELECT count(*) FROM seed.audit_log_default") == "0");
  CHECK(named("audit_log_2000%")
        == "audit_log_2000_01 audit_log_2000_02 audit_log_2000_03 "
           "audit_log_2000_04 audit_log_2000_05 audit_log_2000_06 "
           "audit_log_2000_07 audit_log_2000_08 audit_log_2000_09 "
           "audit_log_2000_10 audit_log_2000_11 audit_log_2000_12");
  CHECK(db.value("SELECT count(*) FROM seed.audit_log") == "24");
  // None is ever too old, and what was refused before is refused again.
  CHECK(roll().done == 0);
  for (const auto* table : {"audit_log", "audit_log_2000_05"})
    CHECK_THROWS(db.execute("DELETE FROM seed." + std::string{table}));
  db.execute("INSERT INTO seed.audit_log (table_name, record_key, action, "
             "created_at) VALUES ('x', '', 'INSERT', '1990-01-01')");
  CHECK_THROWS(db.execute("DELETE FROM seed.audit_log_default"));
  make_at(partition_time{sys_days{2099y / December / 31}});
  CHECK(named("audit_log_2099%") == "audit_log_2099_11 audit_log_2099_12");
  CHECK(named("audit_log_21%")
        == "audit_log_2100_01 audit_log_2100_02 "
           "audit_log_2100_03");
}

TEST_CASE_METHOD(fixture, "event_log has a partition a month for ever, by "
                          "milliseconds") {
  install("pme-online");
  policy.table = "event_log";
  policy.rules.every = partition_every::month;
  policy.rules.key = partition_key::milliseconds;
  policy.rules.ahead = days{31};
  policy.rules.late = late_rows::catch_all;
  db.execute("INSERT INTO seed.event_log (event_type, timestamp, "
             "kafka_partition, kafka_offset) SELECT 'x', (extract(epoch FROM "
             "'2000-02-29'::timestamptz) * 1000)::bigint, 0, i FROM "
             "generate_series(1, 5) i");
  auto done = roll();
  INFO(done.failure);
  CHECK(done.failure.empty());
  CHECK(db.value("SELECT count(*) FROM seed.event_log_2000_02") == "5");
  CHECK(roll().done == 0);
}

TEST_CASE_METHOD(fixture, "partitions have the names that perps-stats gives "
                          "them, beside those that it makes itself") {
  install("perps-stats");
  policy.rules.late = late_rows::catch_all;
  for (const auto* table : {"tickers", "klines", "slippage"}) {
    policy.table = table;
    auto done = roll();
    INFO(done.failure);
    CHECK(done.failure.empty());
    // Today's is there.
    CHECK(done.done == 4);
    for (auto i = -1; i <= 3; ++i)
      CHECK(named(std::string{table} + '_' + day(i)) != "");
    CHECK(roll().done == 0);
  }
  policy.table = "tickers";
  make_at(partition_time{sys_days{2025y / January / 31}});
  CHECK(named("tickers_2025_01_31") == "tickers_2025_01_31");
  CHECK(db.value("SELECT seed.create_daily_partitions(3)::int") == "10");
}
