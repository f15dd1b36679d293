#include "migrations/embedded.hpp"
#include "tests/coordinator/migrator_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace millrace;
using Catch::Matchers::ContainsSubstring;

namespace {

const migration_target control{"millrace", std::nullopt};

using fixture = test::migrator_fixture;

migration_set set_of(std::string_view body) {
  auto text = "-- description: a test\n-- millrace:up\n" + std::string{body};
  migration_set result{"test", {}};
  result.files.push_back(parse_migration("001_first.sql", text).value());
  return result;
}

} // namespace

TEST_CASE_METHOD(fixture, "all built-in migrations apply to an empty database, "
                          "and a second run has nothing to do") {
  auto files = load_embedded_migrations("control");
  REQUIRE(files);
  auto pack = load_embedded_migrations("ticks");
  REQUIRE(pack);
  migration_target demo{"tenant_demo", "demo"};
  CHECK(up(*files, control).applied.size() == files->files.size());
  CHECK(up(*pack, demo).applied.size() == pack->files.size());
  CHECK(up(*files, control).applied.empty());
  CHECK(up(*pack, demo).applied.empty());
  CHECK(db.value("SELECT count(*) FROM tenant_demo.symbols") == "22");
  CHECK(db.value("SELECT schema FROM millrace.tenant WHERE name = 'demo'")
        == "tenant_demo");
  auto found = migrator{conn}.status(*pack, demo).value();
  for (const auto& x : found) {
    CHECK(x.state == migration_state::applied);
    CHECK_FALSE(x.applied_by.empty());
  }
}

TEST_CASE_METHOD(fixture, "a schema that another node made while this one "
                          "waited is found") {
  // A session's first DDL would look for news by itself.
  up(load_embedded_migrations("control").value(), control);
  auto other = open();
  REQUIRE(other.run("SELECT pg_advisory_lock("
                    "hashtext('millrace.migrations'), hashtext('raced'))"));
  std::expected<migration_report, std::string> result;
  std::jthread waiter{[&] {
    result = migrator{conn}.up(set_of("CREATE TABLE t (i int);"),
                               {"raced", std::nullopt});
  }};
  while (db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                  "current_database() AND pid <> pg_backend_pid() AND query "
                  "LIKE '%pg_try_advisory_lock%'")
         == "0")
    std::this_thread::yield();
  auto made = other.run("CREATE SCHEMA raced");
  other.close();
  waiter.join();
  CHECK(made);
  INFO(result.error_or(std::string{}));
  CHECK(result);
}

TEST_CASE_METHOD(fixture, "what up made, down takes away") {
  auto files = load_embedded_migrations("control").value();
  auto pack = load_embedded_migrations("ticks").value();
  up(files, control);
  up(pack, {"tenant_demo", "demo"});
  for (auto i = pack.files.rbegin(); i != pack.files.rend(); ++i)
    db.execute("SET search_path = tenant_demo, public;" + i->down);
  for (auto i = files.files.rbegin(); i != files.files.rend(); ++i)
    db.execute(i->down);
  CHECK(db.value("SELECT string_agg(relname, ' ' ORDER BY relname) FROM "
                 "pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE "
                 "nspname IN ('millrace', 'tenant_demo') AND relkind IN "
                 "('r', 'p') AND relname NOT LIKE 'schema\\_%'")
        == "");
  CHECK(db.value("SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid "
                 "= pronamespace WHERE nspname = 'millrace'")
        == "0");
}

TEST_CASE_METHOD(fixture, "an applied file that was edited is refused, and the "
                          "error says what to do") {
  up(set_of("CREATE TABLE a (x int);"), control);
  auto changed = set_of("CREATE TABLE a (x bigint);");
  auto result = migrator{conn}.up(changed, control);
  REQUIRE_FALSE(result);
  CHECK_THAT(result.error(), ContainsSubstring("test/001_first.sql was changed")
                               && ContainsSubstring("next number"));
  CHECK(migrator{conn}.status(changed, control).value().front().state
        == migration_state::edited);
}

TEST_CASE_METHOD(fixture,
                 "a database that is newer than the files is refused") {
  auto files = load_embedded_migrations("control").value();
  up(files, control);
  files.files.pop_back();
  auto result = migrator{conn}.up(files, control);
  REQUIRE_FALSE(result);
  CHECK_THAT(result.error(), ContainsSubstring("there is no such file"));
}

TEST_CASE_METHOD(fixture, "a file that fails leaves nothing behind, and the "
                          "ones before it stand") {
  auto files = set_of("CREATE TABLE a (x int);");
  files.files.push_back(parse_migration("002_second.sql",
                                        "-- description: bad\n-- millrace:up\n"
                                        "CREATE TABLE b (x int); SELECT 1/0;")
                          .value());
  auto result = migrator{conn}.up(files, control);
  REQUIRE_FALSE(result);
  CHECK_THAT(result.error(), ContainsSubstring("test/002_second.sql")
                               && ContainsSubstring("22012"));
  CHECK(db.value("SELECT to_regclass('millrace.a') IS NOT NULL") == "t");
  CHECK(db.value("SELECT to_regclass('millrace.b') IS NULL") == "t");
  CHECK(db.value("SELECT count(*) FROM millrace.schema_migrations") == "1");
}

TEST_CASE_METHOD(fixture, "a file that commits by itself is reported") {
  auto result = migrator{conn}.up(set_of("CREATE TABLE a (x int); COMMIT; "
                                         "BEGIN; CREATE TABLE c (x int);"),
                                  control);
  REQUIRE_FALSE(result);
  CHECK_THAT(result.error(), ContainsSubstring("ends its transaction itself"));
  CHECK(db.value("SELECT count(*) FROM millrace.schema_migrations") == "0");
}

TEST_CASE_METHOD(fixture, "two migrators at once apply every file once") {
  auto files = load_embedded_migrations("control").value();
  std::vector<std::size_t> applied(4);
  std::vector<std::string> errors(4);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < applied.size(); ++i)
    threads.emplace_back([&, i] {
      auto mine = open();
      auto result = migrator{mine}.up(files, control);
      if (result)
        applied[i] = result->applied.size();
      else
        errors[i] = result.error();
    });
  threads.clear();
  for (const auto& x : errors)
    CHECK(x == "");
  CHECK(applied[0] + applied[1] + applied[2] + applied[3]
        == files.files.size());
}

TEST_CASE_METHOD(fixture, "a file that meets a held lock is tried again") {
  up(set_of("CREATE TABLE a (x int);"), control);
  auto files = set_of("CREATE TABLE a (x int);");
  files.files.push_back(parse_migration("002_second.sql",
                                        "-- description: more\n-- millrace:up\n"
                                        "ALTER TABLE a ADD COLUMN y int;")
                          .value());
  auto holder = open();
  REQUIRE(holder.run("BEGIN; LOCK TABLE millrace.a"));
  std::jthread letting_go{[&holder] {
    std::this_thread::sleep_for(std::chrono::milliseconds{500});
    holder.close();
  }};
  auto result = migrator{conn, std::chrono::milliseconds{100}}.up(files, //
                                                                  control);
  INFO(result.error_or(std::string{}));
  CHECK(result);
}

TEST_CASE_METHOD(fixture, "a tenant's tables are changed between its flushes, "
                          "and not within one") {
  up(load_embedded_migrations("control").value(), control);
  db.execute("INSERT INTO millrace.pipeline (pipeline, map_fingerprint, lanes) "
             "VALUES ('p', 1, 1); INSERT INTO millrace.lane (pipeline, tenant, "
             "shard, map_version, shape, next_off) VALUES ('p', 'demo', 0, 1, "
             "1, '{}'), ('p', 'other', 0, 1, 1, '{}')");
  auto other = open();
  // As a claim holds it.
  REQUIRE(other.run("BEGIN; UPDATE millrace.lane SET next_seq = 2 WHERE tenant "
                    "= 'demo'"));
  std::expected<migration_report, std::string> result;
  std::jthread waiter{[&] {
    result = migrator{conn}.up(set_of("CREATE TABLE t (i int);"),
                               {"tenant_demo", "demo"});
  }};
  while (db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                  "current_database() AND wait_event_type = 'Lock'")
         == "0")
    std::this_thread::yield();
  CHECK(db.value("SELECT to_regclass('tenant_demo.t') IS NULL") == "t");
  CHECK(other.run("COMMIT"));
  waiter.join();
  INFO(result.error_or(std::string{}));
  CHECK(result);
}

TEST_CASE_METHOD(fixture, "day partitions are made once, in UTC, and take rows "
                          "from the first to the last microsecond of a day") {
  up(load_embedded_migrations("control").value(), control);
  db.execute("CREATE TABLE t (at timestamptz NOT NULL PRIMARY KEY) PARTITION "
             "BY RANGE (at)");
  auto make = [&](const char* from, const char* to) {
    return db.value("SET TimeZone = 'Asia/Kolkata'; SELECT "
                    "millrace.ensure_day_partitions('t', '"
                    + std::string{from} + "', '" + to + "')");
  };
  CHECK(make("2026-01-19", "2026-01-20") == "2");
  CHECK(make("2026-01-18", "2026-01-20") == "1");
  db.execute("INSERT INTO t VALUES ('2026-01-19 00:00:00+00'), "
             "('2026-01-19 23:59:59.999999+00')");
  CHECK(db.value("SELECT count(*) FROM t_2026_01_19") == "2");
  CHECK_THROWS(db.execute("INSERT INTO t VALUES ('2026-01-21 00:00:00+00')"));
}

TEST_CASE_METHOD(fixture,
                 "every bundled set of a pack applies, and its symbols "
                 "are those of the pack's code table") {
  std::string pack = GENERATE("ticks", "ticks_collapsed", "ticks-hypertable");
  up(load_embedded_migrations("control").value(), control);
  up(load_embedded_migrations(pack).value(), {"tenant_demo", "demo"});
  auto file = pack.substr(0, pack.find('-'));
  std::ifstream in{std::string{MILLRACE_PACKS} + '/' + file + ".toml"};
  REQUIRE(in);
  // `NAME = number` between the table's header and the next one.
  std::vector<std::vector<std::string>> codes;
  std::string line;
  while (std::getline(in, line) && !line.ends_with(".codes.symbols]"))
    continue;
  while (std::getline(in, line) && !line.starts_with('['))
    if (auto at = line.find(" = "); at != line.npos)
      codes.push_back({line.substr(at + 3), line.substr(0, at)});
  CHECK(codes.size() == 22);
  std::ranges::sort(codes, {}, [](const auto& x) { return std::stoi(x[0]); });
  CHECK(db.rows("SELECT symbol_id, symbol_name FROM tenant_demo.symbols "
                "ORDER BY symbol_id")
        == codes);
  CHECK(db.value("SELECT count(*) FROM tenant_demo.ticks") == "0");
}

TEST_CASE_METHOD(fixture, "the sets of the larger packs apply to two tenants, "
                          "those that extend a pack after it") {
  auto [pack, more] = GENERATE(table<std::string, std::string>(
    {{"pme-online", ""},
     {"trading-engine", "trading-engine-seed"},
     {"perps-stats", "perps-stats-exchanges"}}));
  up(load_embedded_migrations("control").value(), control);
  for (std::string tenant : {"north", "south"})
    for (const auto& set : {pack, more})
      if (!set.empty())
        up(load_embedded_migrations(set).value(), {"tenant_" + tenant, tenant});
}

TEST_CASE("a built-in file is the file of the source tree, byte for byte") {
  auto known = embedded_migrations();
  auto there = std::ranges::count_if(
    std::filesystem::recursive_directory_iterator{MILLRACE_MIGRATIONS},
    [](const auto& x) { return x.path().extension() == ".sql"; });
  CHECK(std::ssize(known) == there);
  for (const auto& x : known) {
    INFO(x.set << '/' << x.name);
    std::ifstream in{std::string{MILLRACE_MIGRATIONS} + '/' + std::string{x.set}
                       + '/' + std::string{x.name},
                     std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    CHECK(text == x.text);
  }
}
