// Restores where the registry and lanes are in different databases.

#include "tests/nodes/backup_fixture.hpp"
#include "tests/nodes/databases_fixture.hpp"

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct restoring_fixture : databases_fixture {
  ~restoring_fixture() override {
    drop_others(control);
    drop_others(west);
  }

  outcome back_up() const {
    return run({"db", "backup", "daily", "--folder", backups()});
  }

  /// Ten events of each tenant, written, and a backup of them.
  void fill_and_back_up() {
    send("north", 0, 10);
    send("south", 0, 10);
    auto node = start_node();
    await_once(10, 10);
    stop(node);
    REQUIRE(back_up().code == 0);
  }

  outcome restore(std::vector<std::string> more = {}) const {
    std::vector<std::string> args{"db",      "restore",  "daily",  "--folder",
                                  backups(), "--reason", "a test", "--yes"};
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  }

  /// The same in this process.
  int restore_here(std::function<void(std::string_view)> on_step,
                   bool again = false) const {
    cli::db_restore_arguments what;
    what.config = config;
    what.folder = backups();
    what.name = "daily";
    what.reason = "a test";
    what.yes = true;
    what.again = again;
    what.on_step = std::move(on_step);
    cli::console to{false};
    return static_cast<int>(cli::run_db_restore(what, to));
  }

  std::string backups() const {
    return folder.path() + "/backups";
  }

  void await_once(int north, int south) const {
    await(control, count("north"), once(north));
    await(west, count("south"), once(south));
  }

  static std::string number(const scratch_database& db) {
    return db.value("SELECT oid FROM pg_database WHERE datname = "
                    "current_database()");
  }
};

} // namespace

TEST_CASE_METHOD(restoring_fixture, "the databases of a backup are restored "
                                    "together under a node that runs, and each "
                                    "event is in one of them once") {
  send("north", 0, 30);
  send("south", 0, 20);
  auto node = start_node();
  await_once(30, 20);
  auto made = back_up();
  INFO(made.out << made.err);
  REQUIRE(made.code == 0);
  json_document manifest{content(backups() + "/daily/manifest.json")};
  CHECK(manifest.text("/databases/0/name") == "postgresql");
  CHECK(manifest.text("/databases/1/name") == "west");
  send("north", 30, 50);
  send("south", 20, 50);
  await_once(50, 50);
  auto done = restore();
  INFO(done.out << done.err);
  REQUIRE(done.code == 0);
  CHECK(done.out.find("database postgresql: ")
        < done.out.find("database west"));
  send("south", 50, 60);
  await_once(50, 60);
  CHECK(west.value("SELECT count(*) FROM millrace.admin_action") == "1");
  // One that the configuration does not name, or the backup does not have.
  forge(backups() + "/daily", "\"name\":\"west\"", "\"name\":\"east\"");
  auto lacking = restore();
  CHECK(lacking.code == 1);
  CHECK_THAT(lacking.err, ContainsSubstring("no database 'west'"));
  stop(node);
}

TEST_CASE_METHOD(restoring_fixture, "a restore of two databases that is killed "
                                    "at any step changes neither or goes on "
                                    "with the other") {
  fill_and_back_up();
  auto registry = number(control);
  auto lanes = number(west);
  for (auto step : {"check postgresql", "make postgresql", "fill postgresql",
                    "verify postgresql", "make west", "verify west",
                    "incarnation postgresql", "incarnation west",
                    "swap postgresql", "swap west"}) {
    INFO(step);
    CHECK(killed_at(step, environment(),
                    [this](auto on_step) { return restore_here(on_step); }));
    // The registry first, never lanes without it.
    CHECK((number(control) != registry) == (std::string{"swap west"} == step));
    CHECK(number(west) == lanes);
    CHECK(west.value(count("south")) == once(10));
  }
  // Half of it is in place: the other half must not go.
  auto copy = west.name() + "__restoring";
  auto kept
    = run({"db", "restore", "--drop-old", copy, "--yes", "--database", "west"});
  CHECK(kept.code == 1);
  CHECK_THAT(kept.err, ContainsSubstring('"' + copy + "\" stays: ")
                         && ContainsSubstring("millrace db restore daily"));
  auto done = restore();
  INFO(done.out << done.err);
  REQUIRE(done.code == 0);
  // What was verified is not filled again, and what is in place stays there.
  CHECK_FALSE(done.err.contains(": fill"));
  CHECK_FALSE(done.out.contains("database postgresql"));
  CHECK_THAT(done.out, ContainsSubstring("database west"));
  CHECK(number(control) != registry);
  CHECK(number(west) != lanes);
  CHECK(control.value("SELECT after->>'incarnation' FROM millrace.admin_action")
        == west.value("SELECT max(after->>'incarnation') FROM "
                      "millrace.admin_action"));
  send("north", 10, 20);
  auto node = start_node();
  await_once(20, 10);
  stop(node);
}

TEST_CASE_METHOD(restoring_fixture, "a restore that is interrupted in its "
                                    "second database tells which copy stays, "
                                    "and how to go on or to drop it") {
  fill_and_back_up();
  auto registry = number(control);
  auto copy = control.name() + "__restoring";
  auto said = folder.path() + "/said";
  CHECK(interrupted_at("make west", environment(), said,
                       [this](auto on_step) { return restore_here(on_step); })
        == 1);
  auto told = content(said);
  INFO(told);
  CHECK_THAT(told,
             ContainsSubstring("no database in place was changed; what is "
                               "verified stays as "
                               + copy + ": the same command goes on with it"));
  CHECK(number(control) == registry);
  CHECK(west.value("SELECT count(*) FROM pg_database WHERE datname = '"
                   + west.name() + "__restoring'")
        == "0");
  auto all = run({"db", "restore", "--list-old"});
  CHECK_THAT(all.out, ContainsSubstring(copy + "  postgresql  verified copy"));
  auto gone_on = restore();
  INFO(gone_on.out << gone_on.err);
  CHECK(gone_on.code == 0);
  CHECK_FALSE(gone_on.err.contains("database postgresql: fill"));
  // Begun once more, and given up.
  CHECK(
    interrupted_at("make west", environment(), said,
                   [this](auto on_step) { return restore_here(on_step, true); })
    == 1);
  auto dropped = run({"db", "restore", "--drop-old", copy, "--yes"});
  INFO(dropped.err);
  CHECK(dropped.code == 0);
  CHECK(control.value("SELECT count(*) FROM pg_database WHERE datname = '"
                      + copy + '\'')
        == "0");
}

TEST_CASE_METHOD(restoring_fixture, "one database is restored by itself only "
                                    "while the others have the map that they "
                                    "had") {
  fill_and_back_up();
  auto registry = number(control);
  west.execute("DELETE FROM tenant_south.notes");
  auto done = restore({"--database", "west"});
  INFO(done.out << done.err);
  REQUIRE(done.code == 0);
  CHECK(west.value(count("south")) == once(10));
  CHECK(number(control) == registry);
  control.execute("INSERT INTO millrace.admin_action (os_user, host, command, "
                  "object, reason) VALUES ('', '', 'dlq replay', "
                  "'notes/_unrouted/0 7', '')");
  auto replayed = restore({"--database", "west"});
  CHECK(replayed.code == 1);
  CHECK_THAT(replayed.err, ContainsSubstring("1 dead letters of `_unrouted`"));
  CHECK(restore({"--database", "west", "--accept-loss", "--again"}).code == 0);
  control.execute("UPDATE millrace.pipeline SET map_fingerprint = 1");
  auto refused = restore({"--database", "west"});
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err, ContainsSubstring("restore all databases"));
}
