// `millrace db backup` against real servers.

#include "tests/nodes/backup_fixture.hpp"

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

TEST_CASE_METHOD(backup_fixture, "a backup has rows and offsets of one moment, "
                                 "and says what it is") {
  send(lines(0, 50));
  ingest(counts, "50:50:50");
  auto node = start_node();
  await("SELECT epoch > 1 FROM millrace.coordinator", "t");
  auto made = back_up();
  INFO(made.out << made.err);
  REQUIRE(made.code == 0);
  json_document told{made.out};
  CHECK(told.text("/name") == "daily");
  CHECK(told.text("/path") == folder_of_backups + "/daily");
  CHECK(told.integer("/databases/0/lanes") == 4);
  CHECK(told.integer("/bytes") > 0);
  json_document manifest{content(folder_of_backups + "/daily/manifest.json")};
  CHECK(manifest.integer("/format") == 1);
  CHECK(manifest.text("/millrace") == MILLRACE_VERSION);
  CHECK(manifest.text("/databases/0/database") == db.name());
  CHECK(manifest.text("/databases/0/partitions/0/topic") == topic);
  CHECK(manifest.integer("/databases/0/pipelines/0/map_version") == 1);
  // What every lane needs next, and as many rows as that says.
  CHECK(manifest.integer("/databases/0/lanes/2/offsets/0") == 50);
  CHECK_THAT(content(folder_of_backups + "/daily/manifest.json"),
             ContainsSubstring(R"("schema":"tenant_north","table":"notes",)"
                               R"("rows":50)"));
  stop(node);
  auto twice = back_up();
  CHECK(twice.code == 1);
  CHECK_THAT(twice.out, ContainsSubstring("already"));
  auto listed = run_program({"/bin/ls", "-A", folder_of_backups});
  CHECK(listed.out == "daily\n");
  auto all = test::run({"db", "backups", "--folder", folder_of_backups});
  CHECK(all.code == 0);
  CHECK_THAT(all.out, ContainsSubstring("daily  20"));
  // Also by other tools than ours.
  CHECK(run_program({"/bin/sh", "-c",
                     "cd '" + folder_of_backups
                       + "/daily' && sha256sum --check --quiet "
                         "manifest.sha256"})
          .code
        == 0);
}

TEST_CASE_METHOD(backup_fixture, "a password is in no argument, message or "
                                 "file of a backup") {
  REQUIRE(run({"migrate", "up"}).code == 0);
  auto url = db.url();
  auto at = url.find("://") + 3;
  auto user = url.substr(at, url.find('@') - at);
  url.replace(at, user.size(),
              user.substr(0, user.find(':')) + ":hush-hush-hush");
  auto bin = programs("pg_dump",
                      std::format("echo \"$*|$PGPASSWORD|\" >'{}/seen'",
                                  folder.path()));
  auto made = test::run({"db", "backup", "--config", config, "--folder",
                         folder_of_backups, "--pg-bin", bin},
                        {{"DB_URL", url}});
  INFO(made.out << made.err);
  REQUIRE(made.code == 0);
  auto seen = content(folder.path() + "/seen");
  INFO(seen);
  CHECK(seen.contains("|hush-hush-hush|"));
  CHECK_FALSE(seen.substr(0, seen.find('|')).contains("hush"));
  CHECK_FALSE((made.out + made.err).contains("hush"));
  for (const auto& x : fs::recursive_directory_iterator{folder_of_backups})
    if (x.is_regular_file())
      CHECK_FALSE(content(x.path()).contains("hush"));
}

TEST_CASE_METHOD(backup_fixture, "no backup is made in the middle of a change "
                                 "of the map, or of a database without control "
                                 "schema") {
  auto bare = back_up();
  CHECK(bare.code == 1);
  CHECK_THAT(bare.out, ContainsSubstring("millrace migrate up"));
  CHECK_FALSE(fs::exists(folder_of_backups + "/daily"));
  ingest("SELECT count(*) FROM millrace.lane", "4");
  db.execute("INSERT INTO millrace.map_change (pipeline, map_version, "
             "map_fingerprint, lanes, tenants, deadline, state) VALUES "
             "('notes', 2, 7, 2, '{}', '-infinity', 'fenced')");
  auto fenced = back_up();
  CHECK(fenced.code == 1);
  CHECK_THAT(fenced.out, ContainsSubstring("map of pipeline notes"));
  CHECK(fs::is_empty(folder_of_backups));
  db.execute("UPDATE millrace.map_change SET state = 'planned'");
  CHECK(back_up().code == 0);
}

TEST_CASE_METHOD(backup_fixture, "a backup that is killed at any step leaves "
                                 "nothing that looks like one, and the next "
                                 "one removes what it left") {
  REQUIRE(run({"migrate", "up"}).code == 0);
  for (auto step : {"hold", "copy postgresql", "finish"}) {
    INFO(step);
    CHECK(killed_at(step, environment(), [this](auto on_step) {
      cli::backup_arguments what;
      what.config = config;
      what.folder = folder_of_backups;
      what.name = "daily";
      what.on_step = on_step;
      cli::console to{true};
      return static_cast<int>(cli::run_db_backup(what, to));
    }));
    CHECK_FALSE(fs::exists(folder_of_backups + "/daily"));
    CHECK(fs::exists(folder_of_backups + "/.daily.partial"));
  }
  CHECK(back_up("other").code == 0);
  CHECK(fs::exists(folder_of_backups + "/other/manifest.json"));
  CHECK_FALSE(fs::exists(folder_of_backups + "/.daily.partial"));
  // pg_dump does not outlive it.
  await("SELECT count(*) FROM pg_stat_activity WHERE datname = "
        "current_database() AND application_name = 'pg_dump'",
        "0");
}

TEST_CASE_METHOD(backup_fixture,
                 "a dump that failed at its end, or that cannot "
                 "be read, is no backup") {
  REQUIRE(run({"migrate", "up"}).code == 0);
  auto fails = [&](std::string_view script, const std::string& because) {
    auto x = run({"db", "backup", "daily", "--folder", folder_of_backups,
                  "--pg-bin", programs("pg_dump", script)});
    INFO(x.out << x.err);
    CHECK(x.code == 1);
    CHECK_THAT(x.err, ContainsSubstring(because));
    CHECK_FALSE(fs::exists(folder_of_backups + "/daily"));
    CHECK_FALSE(fs::exists(folder_of_backups + "/.daily.partial"));
  };
  fails("\"$real\" \"$@\"; exit 1", "pg_dump ended with code 1");
  fails("for x; do case $x in --file=*) to=${x#--file=};; esac; done\n"
        "\"$real\" \"$@\" && : >\"$to/toc.dat\"; exit",
        "its dump cannot be read");
  CHECK(back_up().code == 0);
}
