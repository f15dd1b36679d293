#include "actors/coordinator/partition_catalog.hpp"
#include "actors/coordinator/partition_roller.hpp"
#include "actors/coordinator/partition_round.hpp"
#include "actors/coordinator/partition_store.hpp"
#include "tests/coordinator/roller_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <thread>

using namespace millrace;
using namespace std::chrono_literals;
using std::chrono::days;

using fixture = test::roller_fixture;

TEST_CASE_METHOD(fixture, "a table gets its partitions, which take rows, and a "
                          "second go has nothing to do") {
  auto first = roll();
  CHECK(first.failure.empty());
  CHECK(first.done == 5);
  CHECK(children() == "5");
  for (auto i = -1; i <= 3; ++i)
    CHECK(exists("tickers_" + day(i)));
  db.execute("INSERT INTO shop.tickers (id, ts) SELECT i, now() + i * interval "
             "'1 day' FROM generate_series(0, 3) i");
  CHECK(db.value("SELECT twice FROM shop.tickers WHERE id = 3") == "6");
  CHECK(db.value("SELECT count(*) FROM pg_constraint WHERE conname = "
                 "'millrace_bound'")
        == "0");
  // Indexes, and the key, belong to it.
  CHECK(db.value("SELECT count(*) FROM pg_index WHERE indrelid = 'shop.tickers_"
                 + day(0) + "'::regclass")
        == "2");
  auto second = roll();
  CHECK(second.failure.empty());
  CHECK(second.done == 0);
}

TEST_CASE_METHOD(fixture,
                 "partitions are made while rows are being written, and "
                 "readers and writers are not kept waiting") {
  auto writer = open();
  REQUIRE(roll().done == 5);
  policy.rules.ahead = days{6};
  auto written = writer.in_transaction([&]() -> store_result<void> {
    REQUIRE(writer.run("INSERT INTO shop.tickers VALUES (1, now())"));
    auto grown = roll();
    CHECK(grown.failure.empty());
    CHECK(grown.done == 3);
    return writer.run("INSERT INTO shop.tickers VALUES (2, now() + interval "
                      "'6 days')");
  });
  CHECK(written);
  CHECK(db.value("SELECT count(*) FROM shop.tickers") == "2");
}

TEST_CASE_METHOD(fixture,
                 "where somebody holds the table it comes again before "
                 "long, and the others are looked after") {
  auto other = policy;
  other.table = "orders";
  db.execute("CREATE TABLE shop.orders (at date) PARTITION BY RANGE (at)");
  auto holder = open();
  auto held = holder.in_transaction([&]() -> store_result<void> {
    REQUIRE(holder.run("LOCK TABLE shop.tickers IN ACCESS EXCLUSIVE MODE"));
    auto session = open();
    auto done = partitions_in_term({policy, other}, 50ms, "one")(session,
                                                                 *lease, stop);
    CHECK(done.passing);
    CHECK(done.failure.contains("shop.tickers"));
    CHECK(done.failure.contains("55P03"));
    CHECK(done.done == 5);
    CHECK(exists("orders_" + day(3)));
    return {};
  });
  REQUIRE(held);
  CHECK(roll().done == 5);
}

TEST_CASE_METHOD(fixture,
                 "old partitions are detached without a lock that keeps "
                 "others out, and dropped") {
  db.execute("CREATE TABLE shop.old PARTITION OF shop.tickers FOR VALUES FROM "
             "('2025-01-01 00:00:00+00') TO ('2025-01-02 00:00:00+00')");
  REQUIRE(roll().done == 5);
  CHECK(exists("old"));
  policy.rules.keep = days{30};
  auto done = roll();
  CHECK(done.failure.empty());
  CHECK(done.done == 1);
  CHECK_FALSE(exists("old"));
  CHECK(children() == "5");
  CHECK(removals() == "0");
}

TEST_CASE_METHOD(fixture,
                 "a removal that was interrupted at any step is brought "
                 "to its end") {
  auto note = [this] {
    db.execute("CREATE TABLE shop.old PARTITION OF shop.tickers FOR VALUES "
               "FROM ('2025-01-01 00:00:00+00') TO ('2025-01-02 00:00:00+00'); "
               "INSERT INTO millrace.partition_removal (schema_name, "
               "table_name, partition_name, partition_oid, bounds) VALUES "
               "('shop', 'shop.tickers', 'old', 'shop.old'::regclass::oid, "
               "'')");
  };
  REQUIRE(roll().done == 5);
  policy.rules.keep = days{30};
  SECTION("noted") {
    note();
    CHECK(roll().done == 1);
  }
  SECTION("half detached") {
    note();
    // Somebody reads the table: the second half waits, and gives up.
    auto reader = open();
    auto read = reader.in_transaction([&]() -> store_result<void> {
      REQUIRE(reader.run("SELECT count(*) FROM shop.old"));
      CHECK(roll(100ms).passing);
      return {};
    });
    REQUIRE(read);
    CHECK(db.value("SELECT count(*) FROM pg_inherits WHERE inhdetachpending")
          == "1");
    CHECK(roll(5s).done == 1);
  }
  SECTION("detached") {
    note();
    db.execute("ALTER TABLE shop.tickers DETACH PARTITION shop.old");
    CHECK(roll().done == 1);
  }
  SECTION("dropped by somebody else") {
    note();
    db.execute("DROP TABLE shop.old");
    CHECK(roll().failure.empty());
  }
  CHECK_FALSE(exists("old"));
  CHECK(removals() == "0");
  CHECK(children() == "5");
}

TEST_CASE_METHOD(fixture, "a table that took the name of a partition that is "
                          "gone is not dropped in its place") {
  db.execute("CREATE TABLE shop.precious (); INSERT INTO "
             "millrace.partition_removal (schema_name, table_name, "
             "partition_name, partition_oid, bounds) VALUES ('shop', "
             "'shop.tickers', 'precious', 1, '')");
  CHECK_FALSE(partition_catalog{conn}.removals(policy)->at(0).there);
  auto done = roll();
  CHECK(done.failure.empty());
  CHECK(done.done == 5);
  CHECK(exists("precious"));
  CHECK(removals() == "0");
}

TEST_CASE_METHOD(fixture, "a partition that is to be kept after all is not "
                          "dropped because somebody noted it once") {
  db.execute("CREATE TABLE shop.old PARTITION OF shop.tickers FOR VALUES FROM "
             "('2025-01-01 00:00:00+00') TO ('2025-01-02 00:00:00+00'); INSERT "
             "INTO millrace.partition_removal (schema_name, table_name, "
             "partition_name, partition_oid, bounds) VALUES ('shop', "
             "'shop.tickers', 'old', 'shop.old'::regclass::oid, '')");
  CHECK(roll().done == 5);
  CHECK(exists("old"));
}

TEST_CASE_METHOD(fixture,
                 "rows in the default partition move into partitions of "
                 "their own, none is lost and none is there twice") {
  policy.rules.late = late_rows::catch_all;
  CHECK(roll().done == 6);
  CHECK(exists("tickers_default"));
  db.execute("INSERT INTO shop.tickers (id, ts) SELECT i, '2025-03-01 12:00+00'"
             "::timestamptz + i * interval '8 h' FROM generate_series(0, 8) i; "
             "INSERT INTO shop.tickers (id, ts) VALUES (100, 'infinity')");
  auto done = roll();
  CHECK(done.failure.empty());
  CHECK(done.done == 4);
  CHECK(db.value("SELECT count(*) FROM shop.tickers_default") == "1");
  CHECK(db.value("SELECT count(*) FROM shop.tickers_2025_03_02") == "3");
  CHECK(db.value("SELECT count(*) || ' ' || sum(twice) FROM shop.tickers")
        == "10 272");
  // Where there is a default partition a short lock is taken.
  policy.rules.keep = days{30};
  done = roll();
  CHECK(done.failure.empty());
  CHECK(done.done == 4);
  CHECK_FALSE(exists("tickers_2025_03_02"));
}

TEST_CASE_METHOD(fixture, "a default partition is made and an old partition "
                          "dropped in one go") {
  db.execute("CREATE TABLE shop.old PARTITION OF shop.tickers FOR VALUES FROM "
             "('2025-01-01 00:00:00+00') TO ('2025-01-02 00:00:00+00')");
  policy.rules.late = late_rows::catch_all;
  policy.rules.keep = days{30};
  auto done = roll();
  CHECK(done.failure.empty());
  CHECK(done.done == 7);
  CHECK(exists("tickers_default"));
  CHECK_FALSE(exists("old"));
}

TEST_CASE_METHOD(fixture,
                 "a go tells how far ahead each table is, and which are "
                 "not as far as declared") {
  policy.pipeline = "feed";
  policy.tenant = "demo";
  auto done = roll();
  REQUIRE(done.ahead.size() == 1);
  CHECK(done.ahead[0].pipeline == "feed");
  CHECK(done.ahead[0].tenant == "demo");
  CHECK(done.ahead[0].table == "tickers");
  CHECK(done.ahead[0].periods == 3);
  CHECK(done.lacking.empty());
  policy.rules.ahead = days{5};
  auto holder = open();
  auto held = holder.in_transaction([&]() -> store_result<void> {
    REQUIRE(holder.run("LOCK TABLE shop.tickers IN SHARE UPDATE EXCLUSIVE "
                       "MODE"));
    done = roll(50ms);
    return {};
  });
  REQUIRE(held);
  CHECK(done.passing);
  CHECK(done.ahead.at(0).periods == 3);
  CHECK(done.lacking
        == "shop.tickers has partitions for 3 of 5 periods ahead; see millrace "
           "partitions plan");
}

TEST_CASE_METHOD(fixture, "the catalog tells how large partitions are, and "
                          "which removals have begun") {
  REQUIRE(roll().done == 5);
  auto today = "tickers_" + day(0);
  db.execute("INSERT INTO shop.tickers (id, ts) SELECT i, now() FROM "
             "generate_series(1, 50) i; ANALYZE shop."
             + today);
  partition_catalog catalog{conn};
  REQUIRE(catalog.prepare());
  auto sizes = catalog.sizes(policy);
  REQUIRE(sizes);
  CHECK(sizes->size() == 5);
  for (const auto& x : *sizes) {
    CHECK(x.schema == "shop");
    CHECK(x.bytes > 0);
    CHECK(x.rows
          == (x.name == today ? std::optional<int64_t>{50} : std::nullopt));
  }
  CHECK(catalog.removals(policy)->empty());
  auto note = [this](const std::string& name) {
    db.execute("INSERT INTO millrace.partition_removal (schema_name, "
               "table_name, partition_name, partition_oid, bounds) VALUES "
               "('shop', 'shop.tickers', '"
               + name + "', 'shop." + name + "'::regclass::oid, '')");
  };
  note("tickers_" + day(1));
  note("tickers_" + day(2));
  db.execute("ALTER TABLE shop.tickers DETACH PARTITION shop.tickers_"
             + day(2));
  auto begun = catalog.removals(policy);
  REQUIRE(begun);
  REQUIRE(begun->size() == 1);
  CHECK(begun->front().what.name == "tickers_" + day(2));
  CHECK(begun->front().detached);
}

TEST_CASE_METHOD(fixture, "bigint milliseconds, dates and times of a zone are "
                          "partitioned as they are") {
  db.execute("CREATE TABLE shop.klines (t bigint) PARTITION BY RANGE (t); "
             "CREATE TABLE shop.days (t date) PARTITION BY RANGE (t); CREATE "
             "TABLE shop.walls (t timestamp) PARTITION BY RANGE (t)");
  for (const auto* table : {"klines", "days", "walls"}) {
    policy.table = table;
    policy.rules.timezone = "Europe/Berlin";
    policy.rules.key = policy.table == "klines" ? partition_key::milliseconds
                                                : partition_key::timestamp;
    CHECK(roll().done >= 5);
    auto again = roll();
    CHECK(again.failure.empty());
    CHECK(again.done == 0);
  }
  db.execute(
    "INSERT INTO shop.klines VALUES ((extract(epoch FROM now()) * "
    "1000)::bigint); INSERT INTO shop.days VALUES ((now() AT TIME ZONE "
    "'Europe/Berlin')::date); INSERT INTO shop.walls VALUES (now() AT "
    "TIME ZONE 'Europe/Berlin')");
}

TEST_CASE_METHOD(fixture,
                 "whoever has lost the lease makes and drops nothing") {
  db.execute("CREATE TABLE shop.old PARTITION OF shop.tickers FOR VALUES FROM "
             "('2025-01-01 00:00:00+00') TO ('2025-01-02 00:00:00+00'); UPDATE "
             "millrace.coordinator SET epoch = epoch + 1");
  policy.rules.keep = days{30};
  auto done = roll();
  CHECK(done.failure.contains("MR006"));
  CHECK(done.done == 0);
  CHECK(children() == "1");
  // It believes so as well: then nothing is asked.
  lease->hold_until(held_lease::clock::time_point::min());
  CHECK(roll().failure == lease_in_doubt);
  CHECK(children() == "1");
}

TEST_CASE_METHOD(fixture, "a table that cannot be looked after is named") {
  policy.table = "nothing";
  CHECK(roll().failure.contains("shop.nothing does not exist"));
  db.execute("CREATE TABLE shop.plain (ts timestamptz)");
  policy.table = "plain";
  auto done = roll();
  CHECK(done.failure.contains("is not partitioned by range"));
  CHECK_FALSE(done.passing);
}

TEST_CASE_METHOD(fixture, "of two sessions one is at the partitions") {
  auto first = open();
  partition_store store{first, *lease, stop, "one"};
  CHECK(store.take(1s).value());
  auto done = roll();
  CHECK(done.passing);
  CHECK(done.failure == partitions_busy);
}
