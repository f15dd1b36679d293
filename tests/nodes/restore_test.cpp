// `millrace db restore` against real servers (protocol.md, rule 27).

#include "tests/checker/check.hpp"
#include "tests/nodes/backup_fixture.hpp"

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

/// The pack `ticks`, for which there is an independent judge.
struct ticks_fixture : node_fixture {
  explicit ticks_fixture(const std::string& more = {})
    : node_fixture{"restore", servers::kafka_bootstrap()} {
    create_topic(3);
    config = folder.write("node.toml", std::format(R"toml([node]
name = "n1"
admin.port = 0
[postgresql]
url = {{ env = "DB_URL" }}
[kafka]
bootstrap = "{}"
[[tenant]]
name = "demo"
[pipeline.ticks]
pack = "ticks"
topics = ["{}"]
tenant = "'demo'"
lanes = 3
limits.floor_interval = "500ms"
{}
)toml",
                                                   brokers_, topic, more));
  }

  ~ticks_fixture() override {
    drop_others(db);
  }

  process::variables environment() const override {
    return {{"DB_URL", db.url()}};
  }

  void produce(int records) {
    auto sent = test::run(
      {"produce", topic,
       MILLRACE_SOURCE_DIR "/deploy/data/ticks-2026-01-19.ndjson.xz",
       "--bootstrap", brokers_, "--limit", std::to_string(records), "--key",
       "symbol", "--quiet"});
    INFO(sent.err);
    REQUIRE(sent.code == 0);
  }

  millrace_check::check_report judge() const {
    millrace_check::check_config what;
    what.bootstrap = brokers_;
    what.topic = topic;
    what.database_url = db.url();
    what.wait = 60s;
    return millrace_check::run_check(what);
  }

  scratch_database db{"restore"};
};

struct hypertables_fixture : ticks_fixture {
  hypertables_fixture() : ticks_fixture{"partitioning = \"hypertable\""} {
  }
};

} // namespace

TEST_CASE_METHOD(ticks_fixture, "a database that is restored under a node that "
                                "runs goes on from where it stood, and holds "
                                "each record once") {
  auto args = [this](std::vector<std::string> more) {
    more.insert(more.end(), {"--folder", folder.path() + "/backups"});
    return more;
  };
  auto node = start_node();
  produce(2000);
  await(db, "SELECT count(*) > 500 FROM tenant_demo.ticks", "t");
  // In the middle of it.
  auto made = run(args({"db", "backup", "hour"}));
  INFO(made.out << made.err);
  REQUIRE(made.code == 0);
  produce(1500);
  auto before = judge();
  INFO(millrace_check::to_text(before));
  REQUIRE(before.ok);
  auto restored = run(args(
    {"db", "restore", "hour", "--yes", "--reason", "lost a table", "--json"}));
  INFO(restored.out << restored.err);
  REQUIRE(restored.code == 0);
  json_document told{restored.out};
  CHECK(told.text("/databases/0/database") == db.name());
  produce(500);
  auto after = judge();
  INFO(millrace_check::to_text(after));
  CHECK(after.ok);
  CHECK(after.rows_found + after.dead_letters_found == 4000);
  // The node has found the new incarnation by itself.
  CHECK(db.value("SELECT count(DISTINCT map_version) = 1 AND min(map_version) "
                 "> 2 AND count(owner) = 3 FROM millrace.lane")
        == "t");
  CHECK(db.value("SELECT command || ' ' || reason || ' ' || "
                 "(after->>'backup') FROM millrace.admin_action")
        == "db restore lost a table hour");
  // The old one is closed, complete, and there until it is told to go.
  auto old = told.text("/databases/0/old");
  auto all = run({"db", "restore", "--list-old"});
  CHECK_THAT(all.out, ContainsSubstring(old + "  postgresql"));
  CHECK(db.value("SELECT datallowconn FROM pg_database WHERE datname = '" + old
                 + "'")
        == "f");
  CHECK(db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = '" + old
                 + "'")
        == "0");
  CHECK(run({"db", "restore", "--drop-old", db.name(), "--yes"}).code == 1);
  CHECK(run({"db", "restore", "--drop-old", old, "--yes"}).code == 0);
  CHECK(
    db.value("SELECT count(*) FROM pg_database WHERE datname = '" + old + "'")
    == "0");
  stop(node);
}

TEST_CASE_METHOD(hypertables_fixture, "hypertables are restored with their "
                                      "chunks") {
  if (db.value("SELECT count(*) FROM pg_available_extensions WHERE name = "
               "'timescaledb'")
      == "0")
    SKIP("there is no TimescaleDB");
  db.execute("CREATE EXTENSION timescaledb");
  std::vector<std::string> where{"--folder", folder.path() + "/backups"};
  auto node = start_node();
  produce(300);
  await(db, "SELECT count(*) FROM tenant_demo.ticks", "300");
  REQUIRE(run({"db", "backup", "hour", where[0], where[1]}).code == 0);
  auto restored = run({"db", "restore", "hour", "--yes", "--reason", "a test",
                       where[0], where[1]});
  INFO(restored.out << restored.err);
  REQUIRE(restored.code == 0);
  produce(200);
  auto after = judge();
  INFO(millrace_check::to_text(after));
  CHECK(after.ok);
  CHECK(after.rows_found == 500);
  CHECK(db.value("SELECT sum(num_chunks) > 0 FROM "
                 "timescaledb_information.hypertables")
        == "t");
  stop(node);
}

TEST_CASE_METHOD(backup_fixture, "where Kafka does not have the records any "
                                 "more a restore is refused with the list, and "
                                 "what is accepted as lost is written down") {
  send(lines(0, 20));
  ingest(counts, "20:20:20");
  REQUIRE(back_up().code == 0);
  send(lines(20, 60));
  ingest(counts, "60:60:60");
  auto client = kafka_client::open({{"bootstrap.servers", brokers_}});
  REQUIRE(client);
  REQUIRE(client->delete_records({topic, partition{0}}, offset{45}, 20s));
  auto refused = restore();
  INFO(refused.out << refused.err);
  CHECK(refused.code == 1);
  for (auto lane : {"notes/north/0", "notes/north/1", "notes/_unrouted/0"})
    CHECK_THAT(refused.err,
               ContainsSubstring(topic + "  0          " + lane + "  "));
  CHECK_THAT(refused.err, ContainsSubstring("20      45      deleted"));
  CHECK(db.value(counts) == "60:60:60");
  CHECK(others().empty());
  auto accepted = restore({"--accept-loss"});
  INFO(accepted.out << accepted.err);
  REQUIRE(accepted.code == 0);
  CHECK(db.value(counts) == "20:20:20");
  // Lanes without events stand where the floor is, wherever that was.
  CHECK(db.value("SELECT string_agg(object || ' ' || (before->>'partition') || "
                 "' ' || (before->>'from') || ' ' || (before->>'to'), ', ' "
                 "ORDER BY object) FROM millrace.admin_action WHERE before IS "
                 "NOT NULL AND object LIKE '%north%'")
        == "notes/north/0 0 20 45, notes/north/1 0 20 45");
  CHECK(db.value("SELECT count(*) FROM millrace.admin_action") == "5");
  ingest(counts, "35:35:35");
  CHECK(db.value("SELECT min(at) FROM tenant_north.notes WHERE id >= 20")
        == "45");
  CHECK(db.value("SELECT count(*) FROM millrace.lane WHERE state <> 'active'")
        == "0");
}

TEST_CASE_METHOD(backup_fixture, "without Kafka nothing is restored") {
  send(lines(0, 5));
  ingest(counts, "5:5:5");
  REQUIRE(back_up().code == 0);
  auto away = without_kafka();
  auto refused
    = test::run({"db", "restore", "daily", "--folder", folder_of_backups,
                 "--config", away, "--yes", "--reason", "x", "--timeout", "1s"},
                environment());
  CHECK(refused.code == 3);
  CHECK_THAT(refused.err, ContainsSubstring("Kafka: "));
  CHECK(others().empty());
}

TEST_CASE_METHOD(backup_fixture, "a backup that is damaged, or of another "
                                 "release, is refused before anything is "
                                 "made") {
  send(lines(0, 5));
  ingest(counts, "5:5:5");
  REQUIRE(back_up().code == 0);
  auto backup = folder_of_backups + "/daily";
  auto spare = folder.path() + "/spare";
  fs::copy(backup, spare, fs::copy_options::recursive);
  auto heal = [&] {
    fs::remove_all(backup);
    fs::copy(spare, backup, fs::copy_options::recursive);
  };
  auto is_refused = [&](const std::string& because) {
    auto x = restore();
    INFO(x.out << x.err);
    CHECK(x.code == 1);
    CHECK_THAT(x.err, ContainsSubstring(because));
    CHECK(others().empty());
    CHECK(db.value(counts) == "5:5:5");
    heal();
  };
  // One byte of the largest file.
  fs::path largest;
  for (const auto& x : fs::directory_iterator{backup + "/postgresql"})
    if (largest.empty() || x.file_size() > fs::file_size(largest))
      largest = x.path();
  auto bytes = content(largest);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream{largest, std::ios::binary} << bytes;
  is_refused("is damaged: it has another SHA-256");
  fs::remove(backup + "/postgresql/toc.dat");
  is_refused("toc.dat is missing");
  std::ofstream{backup + "/manifest.json", std::ios::app} << ' ';
  is_refused("manifest.json is damaged");
  forge(backup, "\"format\":1", "\"format\":9");
  is_refused("format 9");
  forge(backup, "\"control_version\":", "\"control_version\":9");
  is_refused("control migration");
  forge(backup, "\"server_version\":", "\"server_version\":9");
  is_refused("the server is PostgreSQL");
  forge(backup, "\"pg_dump\":\"", "\"pg_dump\":\"9");
  is_refused("pg_restore");
  forge(backup, "\"roles\":[", "\"roles\":[\"nobody of that name\"");
  is_refused("nobody of that name");
  // What only shows once it is restored.
  forge(backup, "\"table\":\"notes\",\"rows\":5",
        "\"table\":\"notes\",\"rows\":"
        "6");
  is_refused("table tenant_north.notes: 6 rows in the backup, 5 restored");
  CHECK(restore().code == 0);
}

TEST_CASE_METHOD(backup_fixture, "where pg_restore fails, though all is "
                                 "loaded, the database stays and no copy is "
                                 "left") {
  send(lines(0, 5));
  ingest(counts, "5:5:5");
  REQUIRE(back_up().code == 0);
  db.execute("DELETE FROM tenant_north.notes WHERE id = 0");
  auto x
    = restore({"--pg-bin", programs("pg_restore", "\"$real\" \"$@\"; exit 3")});
  INFO(x.out << x.err);
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("pg_restore ended with code 3"));
  CHECK(others().empty());
  CHECK(db.value(counts) == "4:4:4");
}

TEST_CASE_METHOD(backup_fixture, "a restored database has the settings, grants "
                                 "and comments of a whole one, and sessions of "
                                 "the old one end") {
  send(lines(0, 5));
  ingest(counts, "5:5:5");
  auto name = db.name();
  db.execute("ALTER DATABASE " + name
             + " SET search_path TO \"$user\", tenant_north;"
               "ALTER DATABASE "
             + name
             + " SET work_mem TO '5MB';"
               "REVOKE TEMPORARY ON DATABASE "
             + name
             + " FROM PUBLIC;"
               "INSERT INTO millrace.partition_removal (schema_name, "
               "table_name, partition_name, partition_oid, bounds) VALUES "
               "('tenant_north', 'x', 'notes', 1, ''), ('tenant_north', 'x', "
               "'gone', 2, '');"
               "INSERT INTO millrace.partition_hold (schema_name, "
               "partition_name, partition_oid, held_by) VALUES "
               "('tenant_north', 'notes', 1, 'x'), ('tenant_north', 'gone', 2, "
               "'x')");
  REQUIRE(back_up().code == 0);
  auto acl = "SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM "
             "pg_database, unnest(datacl) a WHERE datname = "
             "current_database()";
  auto grants = db.value(acl);
  auto settings = db.value("SELECT array_agg(setconfig) FROM "
                           "pg_db_role_setting WHERE setdatabase = (SELECT oid "
                           "FROM pg_database WHERE datname = "
                           "current_database())");
  // Somebody who writes at the swap: it is lost with the old database.
  session_config quiet;
  quiet.keywords = {{"dbname", db.url()}};
  quiet.idle_in_transaction_timeout = 0ms;
  auto idle = connection::open(quiet);
  REQUIRE(idle);
  REQUIRE(idle->run("BEGIN; INSERT INTO tenant_north.notes VALUES (99, 'y', "
                    "99)"));
  auto done = restore();
  INFO(done.out << done.err);
  REQUIRE(done.code == 0);
  CHECK_FALSE(idle->run("COMMIT"));
  CHECK(db.value(counts) == "5:5:5");
  CHECK(db.value(acl) == grants);
  CHECK(db.value("SELECT array_agg(setconfig) FROM pg_db_role_setting WHERE "
                 "setdatabase = (SELECT oid FROM pg_database WHERE datname = "
                 "current_database())")
        == settings);
  CHECK(db.value("SELECT partition_oid = 'tenant_north.notes'::regclass FROM "
                 "millrace.partition_removal")
        == "t");
  CHECK(db.value("SELECT partition_oid = 'tenant_north.notes'::regclass FROM "
                 "millrace.partition_hold")
        == "t");
  CHECK(db.value("SELECT reltuples FROM pg_class WHERE oid = "
                 "'tenant_north.notes'::regclass")
        == "5");
  CHECK(db.value("SELECT count(*) FROM millrace.lane WHERE owner IS NULL AND "
                 "node IS NULL")
        == "4");
}

TEST_CASE_METHOD(backup_fixture, "what is gone as a whole is restored, too") {
  send(lines(0, 30));
  ingest(counts, "30:30:30");
  REQUIRE(back_up().code == 0);
  send(lines(30, 40));
  {
    scratch_database other{"drop"};
    other.execute("DROP DATABASE " + db.name() + " WITH (FORCE)");
  }
  auto done = restore({"--json"});
  INFO(done.out << done.err);
  REQUIRE(done.code == 0);
  CHECK(json_document{done.out}.text("/databases/0/old").empty());
  CHECK(db.value(counts) == "30:30:30");
  ingest(counts, "40:40:40");
}
