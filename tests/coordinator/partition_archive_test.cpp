#include "actors/coordinator/partition_archive.hpp"
#include "actors/coordinator/partition_catalog.hpp"
#include "actors/coordinator/partition_round.hpp"
#include "tests/coordinator/roller_fixture.hpp"
#include "tests/support/scratch_folder.hpp"

#include <catch2/catch_test_macros.hpp>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <optional>

using namespace millrace;
using namespace std::chrono_literals;
using std::chrono::days;

namespace {

namespace fs = std::filesystem;

/// While it lives the process can write nothing into files, as if the disc were
/// full.
class small_files {
public:
  small_files() {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    auto none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_FSIZE, &none);
  }
  small_files(const small_files&) = delete;
  small_files& operator=(const small_files&) = delete;
  ~small_files() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

/// A table with a partition of January 2025, which is beyond its retention.
struct fixture : test::roller_fixture {
  test::scratch_folder folder;
  fs::path manifest = folder / "shop" / "tickers" / "old.json";
  fs::path file = folder / "shop" / "tickers" / "old.copy.zst";

  fixture() {
    REQUIRE(roll().done == 5);
    policy.rules.keep = days{30};
    policy.rules.archive = folder.path();
    add_old(100);
  }

  void add_old(int rows) const {
    db.execute(
      "CREATE TABLE shop.old PARTITION OF shop.tickers FOR VALUES FROM "
      "('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00'); "
      "INSERT INTO shop.tickers (id, ts) SELECT i, '2025-01-05 "
      "12:00+00'::timestamptz + i * interval '1 s' FROM "
      "generate_series(1, "
      + std::to_string(rows) + ") i");
  }

  archive_manifest said() const {
    auto x = read_manifest(manifest);
    REQUIRE(x);
    return *x;
  }

  std::string text() const {
    auto from = archive_reader::open(file);
    REQUIRE(from);
    std::string result;
    for (auto piece = from->next(); piece && !piece->empty();
         piece = from->next())
      result += *piece;
    return result;
  }

  std::vector<std::string> files() const {
    std::vector<std::string> result;
    for (const auto& x : fs::directory_iterator{manifest.parent_path()})
      result.push_back(x.path().filename().string());
    std::ranges::sort(result);
    return result;
  }

  void expect_archived(int64_t rows) {
    auto done = roll();
    CHECK(done.failure.empty());
    CHECK(done.done == 1);
    CHECK_FALSE(exists("old"));
    CHECK(removals() == "0");
    CHECK(said().content.rows == rows);
    CHECK(read_archive(file, {}) == said().content);
    CHECK(files() == std::vector<std::string>{"old.copy.zst", "old.json"});
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a partition's rows are in a file with a manifest "
                          "beside it before it is dropped") {
  auto oid = db.value("SELECT 'shop.old'::regclass::oid::bigint");
  expect_archived(100);
  auto x = said();
  CHECK(x.database == db.value("SELECT current_database()"));
  CHECK(x.schema == "shop");
  CHECK(x.parent == "tickers");
  CHECK(x.child == "old");
  CHECK(std::to_string(x.relation) == oid);
  CHECK(x.bounds
        == "FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 "
           "00:00:00+00')");
  CHECK(x.from == partition_time{std::chrono::sys_days{2025y / 1 / 1}});
  CHECK(x.to == partition_time{std::chrono::sys_days{2025y / 2 / 1}});
  // What is generated is not in it.
  CHECK(x.columns
        == std::vector<archived_column>{{"id", "bigint"},
                                        {"ts", "timestamp with time zone"}});
  CHECK(x.file == "old.copy.zst");
  CHECK(x.by == "node one");
  CHECK(x.made.starts_with(db.value("SELECT to_char(now() AT TIME ZONE 'UTC', "
                                    "'YYYY-MM-DD\"T\"HH24')")));
  CHECK(text().starts_with("1\t2025-01-05 12:00:01+00\n2\t"));
  CHECK(children() == "5");
}

TEST_CASE_METHOD(fixture, "where there is a default partition the rows are "
                          "archived as well") {
  policy.rules.late = late_rows::catch_all;
  auto done = roll();
  CHECK(done.failure.empty());
  CHECK(done.done == 1 + 1);
  CHECK_FALSE(exists("old"));
  CHECK(said().content.rows == 100);
}

TEST_CASE_METHOD(fixture, "an archive that cannot be written leaves the "
                          "partition, is told, and keeps no row from its "
                          "partition") {
  policy.pipeline = "feed";
  policy.rules.ahead = days{4};
  std::string expected;
  SECTION("the folder is gone") {
    policy.rules.archive += "/none";
    expected = "the archive folder " + policy.rules.archive + " is not there";
  }
  SECTION("something else has the place") {
    std::ofstream{folder / "shop"} << "no folder";
    expected = "File exists";
  }
  std::optional<small_files> full;
  SECTION("the disc is full") {
    full.emplace();
    expected = "File too large";
  }
  auto done = roll();
  INFO(done.failure);
  CHECK(done.failure.contains("partition old is not archived and stays: "));
  CHECK(done.failure.contains(expected));
  CHECK_FALSE(done.passing);
  REQUIRE(done.ahead.size() == 1);
  CHECK(done.ahead[0].unarchived == 1);
  CHECK(exists("old"));
  CHECK(children() == "6");
  auto noted = partition_catalog{conn}.removals(policy);
  REQUIRE(noted);
  REQUIRE(noted->size() == 1);
  CHECK(noted->front().trouble.contains(expected));
  // Others that are too old stay where they are, and new ones are made.
  db.execute(
    "CREATE TABLE shop.older PARTITION OF shop.tickers FOR VALUES FROM "
    "('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')");
  policy.rules.ahead = days{5};
  done = roll();
  CHECK(done.done == 1);
  CHECK(exists("tickers_" + day(5)));
  CHECK(children() == "8");
  // Once it can be written it is.
  policy.rules.archive = folder.path();
  full.reset();
  if (fs::is_regular_file(folder / "shop"))
    fs::remove(folder / "shop");
  done = roll();
  CHECK(done.failure.empty());
  CHECK(done.done == 2);
  CHECK(done.ahead.at(0).unarchived == 0);
  CHECK_FALSE(exists("old"));
  CHECK_FALSE(exists("older"));
  CHECK(said().content.rows == 100);
}

TEST_CASE_METHOD(fixture, "what somebody who was broken off has left is "
                          "replaced") {
  fs::create_directories(file.parent_path());
  SECTION("half of a file") {
    std::ofstream{file.string() + ".0.tmp"} << "half";
    std::ofstream{file.string() + '.' + std::to_string(lease->term().epoch)
                  + ".tmp"}
      << "half";
  }
  SECTION("a file without a manifest") {
    std::ofstream{file} << "half";
  }
  SECTION("half of a manifest") {
    std::ofstream{file} << "half";
    std::ofstream{manifest.string() + ".tmp"} << "{";
  }
  SECTION("all but the end of the transaction") {
    // As it was with a row less.
    auto x = archive_manifest{};
    x.database = db.value("SELECT current_database()");
    x.schema = "shop";
    x.parent = "tickers";
    x.child = "old";
    x.relation = std::stoll(db.value("SELECT 'shop.old'::regclass::oid"));
    x.bounds = "FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 "
               "00:00:00+00')";
    x.columns = {{"id", "bigint"}};
    x.file = "old.copy.zst";
    x.content = {99, 1, 1, std::string(64, '0')};
    REQUIRE(write_file(manifest, to_json(x)));
    std::ofstream{file} << "something";
  }
  expect_archived(100);
}

TEST_CASE_METHOD(fixture, "an archive of another table of that name is not "
                          "replaced") {
  expect_archived(100);
  auto first = said();
  add_old(3);
  CHECK(roll().done == 1);
  CHECK(said() == first);
  CHECK(read_archive(file, {}) == first.content);
  auto second = read_manifest(manifest.parent_path() / "old.2.json");
  REQUIRE(second);
  CHECK(second->content.rows == 3);
  CHECK(second->file == "old.2.copy.zst");
  // Neither is one that nobody can read.
  add_old(4);
  std::ofstream{manifest.parent_path() / "old.3.json"} << "precious";
  CHECK(roll().done == 1);
  CHECK(read_manifest(manifest.parent_path() / "old.4.json")->content.rows
        == 4);
}

TEST_CASE_METHOD(fixture, "a partition that cannot be dropped is not copied "
                          "time and again") {
  db.execute("CREATE VIEW shop.seen AS SELECT * FROM shop.old");
  auto done = roll();
  CHECK(done.failure.contains("2BP01"));
  CHECK(exists("old"));
  CHECK_FALSE(fs::exists(file.parent_path()));
  db.execute("DROP VIEW shop.seen");
  expect_archived(100);
}

TEST_CASE_METHOD(fixture, "while an archive is written a node that is told to "
                          "stop leaves off, and the next one begins anew") {
  db.execute("INSERT INTO shop.tickers (id, ts) SELECT i, '2025-01-06 "
             "12:00+00' FROM generate_series(1000, 200000) i");
  begun_removal begun{{"shop", "old"}, 0, true, true, {}};
  auto session = open();
  // It sees that it shall stop at the first row.
  held_lease none{lease->term()};
  none.hold_until(held_lease::clock::time_point::min());
  db.execute("INSERT INTO millrace.partition_removal (schema_name, table_name, "
             "partition_name, partition_oid, bounds) VALUES ('shop', "
             "'shop.tickers', 'old', 'shop.old'::regclass::oid, ''); ALTER "
             "TABLE shop.tickers DETACH PARTITION shop.old");
  begun.oid = std::stoll(db.value("SELECT 'shop.old'::regclass::oid"));
  auto done = partition_archive{session, none, stop, "one"}.put_away(policy,
                                                                     begun);
  REQUIRE_FALSE(done);
  CHECK(done.error().message.contains("stopped while"));
  CHECK(session.is_open());
  CHECK(exists("old"));
  CHECK(files().empty());
  expect_archived(199'101);
}

TEST_CASE_METHOD(fixture, "a term that is over publishes no archive") {
  auto session = open();
  auto work = partitions_in_term({policy}, 200ms, "node one");
  db.execute("UPDATE millrace.coordinator SET epoch = epoch + 1");
  CHECK(work(session, *lease, stop).failure.contains("MR006"));
  CHECK(exists("old"));
  CHECK_FALSE(fs::exists(manifest));
}
