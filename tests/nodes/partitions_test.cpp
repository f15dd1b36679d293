// `millrace partitions …` against a real server, and what a node does with rows
// that are too late.

#include "tests/nodes/lanes_fixture.hpp"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

using words = std::vector<std::string>;

/// Two tenants whose ticks shall reach further than the migrations begin them.
struct fixture {
  fixture() {
    auto up = millrace::test::run({"migrate", "up", "--config", file},
                                  environment());
    INFO(up.out << up.err);
    REQUIRE(up.code == 0);
    // One that is beyond its retention.
    for (const auto* tenant : {"north", "south"})
      db.execute("CREATE TABLE tenant_" + std::string{tenant}
                 + ".old PARTITION OF tenant_" + tenant
                 + ".ticks FOR VALUES FROM ('2025-01-01 00:00:00+00') TO "
                   "('2025-01-02 00:00:00+00')");
  }

  process::variables environment() const {
    return {{"DB_URL", db.url()}};
  }

  outcome run(words args) const {
    args.insert(args.begin(), "partitions");
    args.insert(args.end(), {"--config", file});
    return millrace::test::run(args, environment());
  }

  std::string children(const std::string& tenant) const {
    return db.value("SELECT count(*) FROM pg_inherits WHERE inhparent = "
                    "'tenant_"
                    + tenant + ".ticks'::regclass");
  }

  /// As if a node coordinated.
  void let_coordinate() const {
    db.execute("UPDATE millrace.coordinator SET epoch = 7, owner = "
               "gen_random_uuid(), node = 'one', lease_until = now() + "
               "interval '1 h'");
  }

  scratch_database db{"parts"};
  scratch_folder folder;
  std::string file = folder.write("node.toml", R"toml([postgresql]
url = { env = "DB_URL" }
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "north"
[[tenant]]
name = "south"
[pipeline.ticks]
pack = "ticks"
topics = ["ticks"]
tenant = "header('tenant')"
[[pipeline.ticks.partition]]
tables = ["ticks"]
ahead = "20d"
keep = "90d"
)toml");
};

} // namespace

TEST_CASE_METHOD(fixture, "partitions are listed with bounds, state and size, "
                          "and how far ahead they go") {
  auto before = children("north");
  auto x = run({"list", "--tenant", "north", "--json"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  json_document all{x.out};
  REQUIRE(all.size() == 1);
  CHECK(all.text("/0/table") == "ticks");
  CHECK(all.text("/0/schema") == "tenant_north");
  CHECK(all.text("/0/key_type") == "timestamptz");
  CHECK(all.integer("/0/ahead_declared") == 20);
  CHECK(all.integer("/0/ahead") < 20);
  CHECK(all.text("/0/partitions/0/name") == "old");
  CHECK(all.text("/0/partitions/0/state") == "attached");
  CHECK(all.text("/0/partitions/0/to") == "2025-01-02 00:00:00+00");
  CHECK(all.integer("/0/partitions/0/bytes") > 0);
  auto text = run({"list"});
  CHECK_THAT(text.out,
             ContainsSubstring("tenant_north.ticks: pipeline ticks, tenant "
                               "north; by day, ")
               && ContainsSubstring(" of 20 ahead, until ")
               && ContainsSubstring("\nold ")
               && ContainsSubstring("  planned  ")
               && ContainsSubstring("tenant_south.ticks: "));
  CHECK(children("north") == before);
}

TEST_CASE_METHOD(fixture, "a plan tells what a go would do, with the SQL, and "
                          "changes nothing") {
  auto before = children("north");
  auto x = run({"plan", "--tenant", "north"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(
    x.out, ContainsSubstring("tenant_north.ticks: pipeline ticks, tenant "
                             "north; would\n  make, attach ticks_")
             && ContainsSubstring("    CREATE TABLE \"tenant_north\".\"ticks_")
             && ContainsSubstring("  detach, drop old\n")
             && ContainsSubstring("DETACH PARTITION \"tenant_north\".\"old\" "
                                  "CONCURRENTLY;\n"));
  CHECK_THAT(x.out, !ContainsSubstring("south"));
  json_document json{run({"plan", "--json"}).out};
  CHECK(json.size() == 2);
  CHECK(json.text("/0/steps/0/actions/0") == "make");
  CHECK_THAT(json.text("/0/steps/0/sql/0"), ContainsSubstring("CREATE TABLE "));
  CHECK(children("north") == before);
  REQUIRE(run({"run"}).code == 0);
  CHECK_THAT(run({"plan"}).out, ContainsSubstring("north: nothing to do\n"));
}

TEST_CASE_METHOD(fixture, "run makes and removes at once what is declared, and "
                          "gives the lease back") {
  auto x = run({"run", "--tenant", "north"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.err, ContainsSubstring("tenant_north.ticks: made ticks_")
                      && ContainsSubstring("tenant_north.ticks: dropped old"));
  CHECK_THAT(x.out, ContainsSubstring(" dropped; 20 of 20 ahead\n"));
  CHECK(db.value("SELECT to_regclass('tenant_north.old') IS NULL") == "t");
  CHECK(db.value("SELECT to_regclass('tenant_south.old') IS NULL") == "f");
  CHECK(db.value("SELECT lease_until <= clock_timestamp() FROM "
                 "millrace.coordinator")
        == "t");
  auto again = run({"run", "--tenant", "north", "--json"});
  CHECK(again.err.empty());
  json_document json{again.out};
  CHECK(json.integer("/tables/0/ahead") == 20);
  CHECK_THAT(again.out, ContainsSubstring(R"("made":[],"dropped":[])")
                          && ContainsSubstring(R"("failures":[])"));
  // One row, of the go that changed something.
  CHECK(db.value("SELECT string_agg(command || ' ' || object || ' ' || reason "
                 "|| ' ' || (after->'dropped'->>0), ',') FROM "
                 "millrace.admin_action")
        == "partitions run tenant_north.ticks not said old");
  REQUIRE(run({"run", "--tenant", "south", "--reason", "a gap"}).code == 0);
  CHECK(db.value("SELECT object || ' ' || reason FROM millrace.admin_action "
                 "ORDER BY id DESC LIMIT 1")
        == "tenant_south.ticks a gap");
}

TEST_CASE_METHOD(fixture, "while a node coordinates, run works in its term and "
                          "leaves it the lease") {
  let_coordinate();
  auto until = db.value("SELECT lease_until FROM millrace.coordinator");
  auto x = run({"run"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.err, ContainsSubstring("node one coordinates"));
  CHECK(db.value("SELECT to_regclass('tenant_south.old') IS NULL") == "t");
  CHECK(db.value("SELECT lease_until FROM millrace.coordinator") == until);
  CHECK(db.value("SELECT epoch FROM millrace.coordinator") == "7");
}

TEST_CASE_METHOD(fixture, "a table that cannot be looked after does not keep "
                          "the others from it") {
  db.execute("ALTER TABLE tenant_north.ticks RENAME TO elsewhere");
  for (const auto* command : {"list", "plan", "run"}) {
    auto x = run({command});
    INFO(x.out << x.err);
    CHECK(x.code == 1);
    CHECK_THAT(x.err, ContainsSubstring("tenant_north.ticks")
                        && ContainsSubstring("does not exist"));
    CHECK_THAT(x.out, ContainsSubstring("tenant_south.ticks: "));
  }
  CHECK(db.value("SELECT to_regclass('tenant_south.old') IS NULL") == "t");
}

TEST_CASE_METHOD(fixture, "filters that leave no table are refused") {
  auto x = run({"run", "--table", "nothing"});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, ContainsSubstring("[[pipeline.NAME.partition]]"));
}

namespace {

/// The same, with an archive; January 2025 of `north` has rows.
struct archive_fixture : fixture {
  archive_fixture() {
    std::filesystem::create_directory(archive);
    std::ifstream in{file};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    folder.write("node.toml", text + "archive = \"archive\"\n");
    db.execute("CREATE TABLE tenant_north.january PARTITION OF "
               "tenant_north.ticks FOR VALUES FROM ('2025-01-02') TO "
               "('2025-02-01'); INSERT INTO tenant_north.ticks (symbol_id, "
               "symbol_name, tick_time, bid_price, ask_price, src_partition, "
               "src_offset) SELECT i, 'S', '2025-01-05'::timestamptz + i * "
               "interval '1 s', 1.5, 1.6, 0, i FROM generate_series(1, 20000) "
               "i");
  }

  std::string rows() const {
    return db.value("SELECT count(*) FROM tenant_north.ticks");
  }

  std::filesystem::path archive{folder.path() + "/archive"};
  std::string manifest = folder.path()
                         + "/archive/tenant_north/ticks/january.json";
};

} // namespace

TEST_CASE_METHOD(archive_fixture, "an archive by hand tells what it would do "
                                  "and asks, and comes back as a table or as a "
                                  "partition that is held") {
  auto x = run({"archive", "--older-than", "300d", "--tenant", "north"});
  INFO(x.out << x.err);
  CHECK(x.code == 1);
  CHECK_THAT(x.err,
             ContainsSubstring("  detach, archive, drop january\n")
               && ContainsSubstring("partitions into files and drop them?"));
  CHECK(rows() == "20000");
  x = run({"archive", "--older-than", "300d", "--tenant", "north", "--yes",
           "--json"});
  INFO(x.out << x.err);
  REQUIRE(x.code == 0);
  CHECK(x.err.empty());
  json_document done{x.out};
  CHECK(done.text("/tables/0/archived/1") == manifest);
  CHECK(done.text("/tables/0/dropped/1") == "january");
  CHECK(rows() == "0");
  CHECK(run({"archive", "--older-than", "300d", "--tenant", "north"}).code
        == 0);

  x = run({"restore", manifest, "--as", "beside"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK(x.out == "tenant_north.beside: 20000 rows; a table of its own\n");
  CHECK(db.value("SELECT count(*) FROM tenant_north.beside") == "20000");

  x = run({"restore", manifest, "--attach", "--json"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  json_document back{x.out};
  CHECK(back.integer("/restored/0/rows") == 20'000);
  CHECK(rows() == "20000");
  CHECK(db.value("SELECT string_agg(command, ',' ORDER BY id) FROM "
                 "millrace.admin_action")
        == "partitions archive,partitions restore,partitions restore");
  CHECK(db.value("SELECT (before->>'older_than_ms') || ' ' || "
                 "(after->'archived'->>1) FROM millrace.admin_action ORDER BY "
                 "id LIMIT 1")
        == "25920000000 " + manifest);

  // Older than `keep`, and still there.
  REQUIRE(run({"run", "--tenant", "north"}).code == 0);
  CHECK(rows() == "20000");
  CHECK_THAT(run({"list", "--tenant", "north"}).out,
             ContainsSubstring("january") && ContainsSubstring("  held "));
  CHECK(run({"release", "tenant_north.january"}).code == 0);
  CHECK(run({"release", "tenant_north.january"}).code == 1);
  REQUIRE(run({"run", "--tenant", "north"}).code == 0);
  CHECK(rows() == "0");
  CHECK(
    std::filesystem::exists(archive / "tenant_north/ticks/january.2.copy.zst"));
}

TEST_CASE_METHOD(archive_fixture, "a restore tells everything that is wrong "
                                  "with all of its manifests") {
  auto bad = folder.write("bad.json", "{}");
  auto x = run({"restore", bad, "/none/x.json", "--json"});
  CHECK(x.code == 1);
  CHECK_THAT(x.out, ContainsSubstring("bad.json: format: expected 1")
                      && ContainsSubstring("/none/x.json: "));
  REQUIRE(run({"archive", "--older-than", "300d", "--yes"}).code == 0);
  std::ofstream{archive / "tenant_north/ticks/january.copy.zst"} << "other";
  db.execute("CREATE TABLE tenant_north.january ()");
  x = run({"restore", manifest});
  CHECK(x.code == 1);
  CHECK_THAT(x.err,
             ContainsSubstring("january.copy.zst is not whole")
               && ContainsSubstring("tenant_north.january is there already"));
}

TEST_CASE_METHOD(archive_fixture, "an archive that is killed at any point is "
                                  "brought to its end by the next go, and no "
                                  "row is lost") {
  std::mt19937 random{std::random_device{}()};
  auto left = [this] {
    return db.value("SELECT count(*) FROM pg_class WHERE relname = 'january'");
  };
  // How long a go takes is not known, so that kills spread over all of it.
  std::chrono::microseconds longest{20'000};
  for (auto i = 0; i < 25 && left() == "1"; ++i) {
    process archiving{{"partitions", "run", "--tenant", "north", "--config",
                       file},
                      environment()};
    std::this_thread::sleep_for(std::chrono::microseconds{
      std::uniform_int_distribution<int64_t>{0, longest.count()}(random)});
    archiving.signal(SIGKILL);
    archiving.wait();
    longest += longest / 4;
  }
  // Until the killed one's session is gone the next one may have to wait.
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (run({"run", "--tenant", "north"}).code != 0)
    REQUIRE(std::chrono::steady_clock::now() < until);
  CHECK(left() == "0");
  auto x = run({"restore", manifest});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK(db.value("SELECT count(*) FROM tenant_north.january") == "20000");
  for (const auto& entry :
       std::filesystem::directory_iterator{archive / "tenant_north/ticks"})
    CHECK_FALSE(entry.path().string().ends_with(".tmp"));
}

TEST_CASE_METHOD(lanes_fixture, "an event whose row is older than its table "
                                "keeps becomes a dead letter, and the others "
                                "are written") {
  db.execute("DROP TABLE tenant_north.notes; CREATE TABLE tenant_north.notes "
             "(id bigint NOT NULL, v text, at bigint) PARTITION BY RANGE (id)");
  write_config(false, true, R"toml([[pipeline.notes.partition]]
tables = ["notes"]
key = "milliseconds"
ahead = "2d"
keep = "30d"
late = "reject"
)toml");
  auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
               .count();
  auto node = start_node();
  send(std::format("{{\"id\":1000,\"v\":\"late\"}}\n"
                   "{{\"id\":{},\"v\":\"now\"}}\n"
                   "{{\"id\":2000,\"v\":\"late\"}}\n",
                   now));
  await("SELECT count(*) FROM millrace.dead_letter", "2");
  await("SELECT string_agg(v, ' ') FROM tenant_north.notes", "now");
  CHECK(db.value("SELECT string_agg(stage || ' ' || sqlstate, ', ') FROM "
                 "millrace.dead_letter")
        == "store 23514, store 23514");
  CHECK_THAT(db.value("SELECT min(reason) FROM millrace.dead_letter"),
             ContainsSubstring("the row is older than table "
                               "tenant_north.notes keeps: id is 1000, and rows "
                               "are kept from "));
  CHECK(db.value("SELECT count(*) FROM tenant_north.latest") == "1");
  stop(node);
}

TEST_CASE_METHOD(lanes_fixture, "a row that finds no partition wakes the "
                                "coordinator, and is written within seconds "
                                "where its policy has one for it") {
  db.execute("DROP TABLE tenant_north.notes; CREATE TABLE tenant_north.notes "
             "(id bigint NOT NULL, v text, at bigint) PARTITION BY RANGE (id)");
  write_config(false, true, R"toml([[pipeline.notes.partition]]
tables = ["notes"]
key = "milliseconds"
ahead = "3d"
[coordinator]
partition_interval = "1h"
)toml");
  auto day = [](int from_now) {
    using namespace std::chrono;
    return floor<days>(system_clock::now()) + days{from_now};
  };
  auto event = [&](int from_now, const char* v) {
    auto at = day(from_now).time_since_epoch() + std::chrono::hours{12};
    return std::format(
      "{{\"id\":{},\"v\":\"{}\"}}\n",
      std::chrono::duration_cast<std::chrono::milliseconds>(at).count(), v);
  };
  const std::string children
    = "SELECT count(*) FROM pg_inherits WHERE inhparent = "
      "'tenant_north.notes'::regclass";
  auto node = start_node();
  await(children, "5");
  // As if its creation had been blocked.
  db.execute(std::format("DROP TABLE tenant_north.notes_{:%Y_%m_%d}", day(2)));
  send(event(2, "soon"));
  await("SELECT string_agg(v, ' ') FROM tenant_north.notes", "soon");
  CHECK(db.value(children) == "5");
  CHECK(db.value("SELECT count(*) FROM millrace.dead_letter") == "0");
  stop(node);
}
