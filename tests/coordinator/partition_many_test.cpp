// Ten thousand partitions on a real server.

#include "actors/coordinator/partition_catalog.hpp"
#include "tests/coordinator/roller_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;
using namespace std::chrono;

namespace {

constexpr auto past = 9'000;
constexpr auto ahead = 999;

struct fixture : test::roller_fixture {
  /// A partition an hour, with names as the roller gives them. Few at a time,
  /// as each is a lock of its transaction.
  fixture() {
    db.execute("CREATE TABLE shop.hourly (at timestamptz NOT NULL) PARTITION "
               "BY RANGE (at)");
    db.execute(R"sql(
DO $$
DECLARE
  this timestamptz := date_trunc('hour', now());
  at timestamptz;
BEGIN
  SET TimeZone = 'UTC';
  FOR i IN -)sql"
               + std::to_string(past) + ".." + std::to_string(ahead) + R"sql(
  LOOP
    at := this + i * interval '1 hour';
    EXECUTE format('CREATE TABLE shop.hourly_%s PARTITION OF shop.hourly FOR '
                   'VALUES FROM (%L) TO (%L)', to_char(at, 'YYYY_MM_DD_HH24'),
                   at, at + interval '1 hour');
    IF i % 200 = 0 THEN
      COMMIT;
    END IF;
  END LOOP;
END $$)sql");
    policy.table = "hourly";
    policy.rules.tables = {"hourly"};
    policy.rules.every = partition_every::hour;
    policy.rules.ahead = hours{ahead - 2};
  }

  std::string count() const {
    return db.value("SELECT count(*) FROM pg_inherits WHERE inhparent = "
                    "'shop.hourly'::regclass");
  }

  std::string name(int from_now) const {
    return db.value("SELECT 'shop.hourly_' || to_char((now() + "
                    + std::to_string(from_now)
                    + " * interval '1 hour') AT TIME ZONE 'UTC', "
                      "'YYYY_MM_DD_HH24')");
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "ten thousand partitions are read, looked after, and "
                          "removed at their ends") {
  REQUIRE(count() == "10000");
  auto session = open();
  partition_catalog catalog{session};
  REQUIRE(catalog.prepare());
  auto table = catalog.read(policy);
  REQUIRE(table);
  CHECK(table->partitions.size() == 10'000);
  auto sizes = catalog.sizes(policy);
  REQUIRE(sizes);
  CHECK(sizes->size() == 10'000);
  auto now = catalog.now();
  REQUIRE(now);
  CHECK(reach_of(policy, *table, *now).ahead >= ahead - 3);

  // Nothing is lacking, and then what was taken away, and no more.
  auto idle = roll(5s);
  INFO(idle.failure);
  CHECK(idle.failure.empty());
  CHECK(idle.done == 0);
  auto lost = name(100);
  db.execute("DROP TABLE " + lost);
  auto made = roll(5s);
  INFO(made.failure);
  CHECK(made.done == 1);
  CHECK(db.value("SELECT to_regclass('" + lost + "') IS NOT NULL") == "t");

  // The oldest go, and the others stay.
  policy.rules.keep = hours{past - 4};
  auto removed = roll(5s);
  INFO(removed.failure);
  CHECK(removed.failure.empty());
  CHECK(removed.done >= 3);
  CHECK(db.value("SELECT to_regclass('" + name(-past) + "') IS NULL") == "t");
  CHECK(db.value("SELECT to_regclass('" + name(-past + 6) + "') IS NULL")
        == "f");
  CHECK(roll(5s).done == 0);
  db.execute("INSERT INTO shop.hourly VALUES (now())");
}
