#include "actors/coordinator/partition_catalog.hpp"
#include "actors/coordinator/partition_restore.hpp"
#include "actors/coordinator/partition_round.hpp"
#include "tests/coordinator/roller_fixture.hpp"
#include "tests/support/scratch_folder.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <fstream>
#include <thread>

using namespace millrace;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using std::chrono::days;

namespace {

namespace fs = std::filesystem;

const admin_note who{"anna", "desk", "partitions restore", "from a test"};

/// A table whose January 2025 is in an archive.
struct fixture : test::roller_fixture {
  test::scratch_folder folder;
  fs::path manifest = folder / "shop" / "tickers" / "old.json";
  std::string sum;

  fixture() {
    db.execute("ALTER TABLE shop.tickers ADD COLUMN note text, ADD COLUMN raw "
               "bytea, ADD COLUMN price numeric(20,8)[], ADD COLUMN gap "
               "interval, ADD COLUMN real float8");
    REQUIRE(roll().done == 5);
    db.execute(
      "CREATE TABLE shop.old PARTITION OF shop.tickers FOR VALUES FROM "
      "('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00'); INSERT INTO "
      "shop.tickers (id, ts, note, raw, price, gap, real) SELECT i, "
      "'2025-01-05 "
      "12:00+00'::timestamptz + i * interval '1.000001 s', CASE i % 3 WHEN 0 "
      "THEN NULL WHEN 1 THEN E'a\\tb\\\\n\\nc' ELSE '' END, "
      "decode(md5(i::text), 'hex'), ARRAY[i / 3.0, NULL], i * interval '1 day "
      "1 us', i / 7.0 FROM generate_series(1, 5000) i");
    sum = content("shop.tickers");
    policy.rules.keep = days{30};
    policy.rules.archive = folder.path();
    auto done = roll();
    INFO(done.failure);
    REQUIRE(done.done == 1);
    REQUIRE(content("shop.tickers") != sum);
  }

  std::string content(const std::string& table) const {
    return db.value("SELECT count(*) || ' ' || md5(string_agg(x::text, '|' "
                    "ORDER BY x.id)) FROM (SELECT id, ts, note, raw, price, "
                    "gap, real FROM "
                    + table + ") x");
  }

  restore_request request(bool attach) const {
    restore_request x{manifest, *read_manifest(manifest), "old", {}};
    if (attach)
      x.parent = partition_policy{"shop", "tickers", {}, {}, {}};
    return x;
  }

  std::vector<std::string> wrong(const restore_request& x) {
    auto session = open();
    auto result = partition_restore{session, stop, 200ms}.check(x);
    REQUIRE(result);
    return *result;
  }

  store_result<int64_t> restore(const restore_request& x) {
    auto session = open();
    return partition_restore{session, stop, 200ms}.restore(x, who);
  }

  std::string actions() const {
    return db.value("SELECT coalesce(string_agg(os_user || ' ' || command || "
                    "' ' || object, ',' ORDER BY id), '') FROM "
                    "millrace.admin_action");
  }
};

using strings = std::vector<std::string>;

} // namespace

TEST_CASE_METHOD(fixture, "an archive is a table of its own again, with every "
                          "value that it had") {
  auto x = request(false);
  x.table = "january";
  CHECK(wrong(x).empty());
  CHECK(restore(x) == 5'000);
  CHECK(content("shop.january") == sum);
  CHECK(children() == "5");
  CHECK(actions() == "anna partitions restore shop.january");
}

TEST_CASE_METHOD(fixture, "an archive is a partition again, and the roller "
                          "leaves it until it is told otherwise") {
  CHECK(wrong(request(true)).empty());
  CHECK(restore(request(true)) == 5'000);
  CHECK(content("shop.tickers") == sum);
  CHECK(db.value("SELECT sum(twice - 2 * id) FROM shop.tickers") == "0");
  CHECK(db.value("SELECT count(*) FROM pg_index WHERE indrelid = "
                 "'shop.old'::regclass")
        == "2");
  CHECK(roll().done == 0);
  CHECK(exists("old"));
  auto table = partition_catalog{conn}.read(policy);
  REQUIRE(table);
  CHECK(std::ranges::count_if(table->partitions, &known_partition::held) == 1);
  CHECK(release_partition(conn, "shop.old", who) == true);
  CHECK(release_partition(conn, "shop.old", who) == false);
  CHECK(roll().done == 1);
  CHECK_FALSE(exists("old"));
  // The archive of another table of that name is beside the first one.
  CHECK(read_manifest(manifest.parent_path() / "old.2.json")->content.rows
        == 5'000);
}

TEST_CASE_METHOD(fixture, "who asks for an archive by hand gets it, held or "
                          "not, and nothing that is not wholly past") {
  REQUIRE(restore(request(true)));
  auto session = open();
  round_config config;
  config.by = "anna on desk";
  auto archive = [&](std::chrono::milliseconds older_than) {
    return archive_partitions(session, *lease, stop, {policy}, older_than,
                              config);
  };
  policy.rules.keep = days{36'500};
  auto done = archive(days{30'000});
  CHECK(done.failure.empty());
  CHECK(done.done == 0);
  // Not that of today, but the one before.
  done = archive(0ms);
  CHECK(done.failure.empty());
  CHECK(done.done == 2);
  CHECK_FALSE(exists("old"));
  CHECK_FALSE(exists("tickers_" + day(-1)));
  CHECK(exists("tickers_" + day(0)));
  CHECK(db.value("SELECT count(*) FROM millrace.partition_hold") == "0");
  auto second = read_manifest(manifest.parent_path() / "old.2.json");
  REQUIRE(second);
  CHECK(second->by == "anna on desk");
  CHECK(second->content.rows == 5'000);
}

TEST_CASE_METHOD(fixture, "rows of the time that are in a default partition "
                          "move to the one that is brought back") {
  policy.rules.late = late_rows::catch_all;
  policy.rules.keep = 0ms;
  REQUIRE(roll().done == 1);
  db.execute("INSERT INTO shop.tickers (id, ts) VALUES (0, '2025-01-20')");
  CHECK(wrong(request(true)).empty());
  CHECK(restore(request(true)) == 5'000);
  CHECK(db.value("SELECT count(*) FROM shop.old") == "5001");
  CHECK(db.value("SELECT count(*) FROM shop.tickers_default") == "0");
}

TEST_CASE_METHOD(fixture, "everything that is wrong with a restore is told, "
                          "column by column, and nothing is made") {
  db.execute(
    "ALTER TABLE shop.tickers DROP COLUMN note, ALTER COLUMN real TYPE "
    "numeric, ADD COLUMN fresh int; CREATE TABLE shop.mine PARTITION "
    "OF shop.tickers FOR VALUES FROM ('2025-01-10') TO ('2025-01-11'); "
    "CREATE TABLE shop.old ()");
  CHECK(wrong(request(true))
        == strings{
          "shop.old is there already; choose another name with --as",
          "column note of the archive is not in shop.tickers",
          "column real is of type double precision in the archive, and of type "
          "numeric in shop.tickers",
          "column fresh of shop.tickers is not in the archive",
          "partition mine of shop.tickers has a part of its time"});
  auto x = request(false);
  x.said.schema = "nowhere";
  CHECK(wrong(x) == strings{"there is no schema nowhere"});
  x = request(false);
  x.table = std::string(64, 'a');
  CHECK(wrong(x).size() == 1);
  x = request(true);
  x.table = "new";
  x.parent->table = "nothing";
  CHECK(wrong(x) == strings{"shop.nothing does not exist"});
  CHECK(actions().empty());
}

TEST_CASE_METHOD(fixture, "a manifest's types are names of types and nothing "
                          "else") {
  auto x = request(false);
  x.said.columns[0].type = "bigint); DROP TABLE shop.tickers; --";
  x.said.columns[2].type = "no_such_type";
  auto all = wrong(x);
  REQUIRE(all.size() == 2);
  CHECK_THAT(all[0], ContainsSubstring("column id is of type bigint); DROP"));
  CHECK_THAT(all[1], ContainsSubstring("no_such_type, which is not known"));
  CHECK(exists("tickers"));
}

TEST_CASE_METHOD(fixture, "an archive that is not what its manifest says makes "
                          "no table") {
  auto file = archive_path(manifest);
  SECTION("changed") {
    std::ofstream{file, std::ios::app} << "more";
    auto all = wrong(request(false));
    REQUIRE(all.size() == 1);
    CHECK_THAT(all[0], ContainsSubstring("old.copy.zst is not whole"));
  }
  SECTION("another one") {
    auto other = archive_writer::create(file);
    REQUIRE(other);
    REQUIRE(other->write("1\t2025-01-05 12:00:01+00\n"));
    REQUIRE(other->finish());
    auto all = wrong(request(false));
    CHECK(all.size() == 4);
    CHECK_THAT(all[0], ContainsSubstring("found rows 1, and the manifest says "
                                         "5000"));
  }
  SECTION("gone") {
    fs::remove(file);
    CHECK_THAT(wrong(request(false)).at(0),
               ContainsSubstring("No such file or directory"));
  }
  CHECK_FALSE(restore(request(false)));
  CHECK_FALSE(exists("old"));
}

TEST_CASE_METHOD(fixture, "rows outside of the bounds make no partition") {
  auto x = request(true);
  x.said.to = *x.said.from + days{2};
  auto done = restore(x);
  REQUIRE_FALSE(done);
  CHECK(done.error().sqlstate == "23514");
  CHECK_FALSE(exists("old"));
}

TEST_CASE_METHOD(fixture, "a restore that is stopped leaves nothing") {
  stop = true;
  auto done = restore(request(true));
  REQUIRE_FALSE(done);
  CHECK_THAT(done.error().message, ContainsSubstring("stopped"));
  CHECK_FALSE(exists("old"));
  CHECK(db.value("SELECT count(*) FROM millrace.partition_hold") == "0");
}

TEST_CASE_METHOD(fixture, "a restore waits for a parent that is locked, and "
                          "does not lose the rows that it has copied") {
  auto holder = open();
  REQUIRE(holder.run("BEGIN; LOCK TABLE shop.tickers IN SHARE UPDATE EXCLUSIVE "
                     "MODE"));
  std::jthread release{[&holder, this] {
    auto waits = [this] {
      return db.value("SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database "
                      "d ON d.oid = l.database WHERE d.datname = "
                      "current_database() AND NOT l.granted)")
             == "t";
    };
    // Until it has asked once in vain.
    while (!waits())
      std::this_thread::yield();
    while (waits())
      std::this_thread::yield();
    static_cast<void>(holder.run("COMMIT"));
  }};
  CHECK(restore(request(true)) == 5'000);
  CHECK(content("shop.tickers") == sum);
}
