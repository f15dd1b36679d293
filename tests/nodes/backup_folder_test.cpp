// The folder of backups, and the programs that fill it.

#include "messages/sha256.hpp"
#include "nodes/cli/backup_folder.hpp"
#include "nodes/cli/child_program.hpp"
#include "tests/nodes/backup_sample.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>

using namespace millrace;
using namespace millrace::cli;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

TEST_CASE("names of backups are those of folders that nobody can mistake") {
  for (auto x : {"a", "2026-11-22", "x.y_z", "20261122T031500Z"})
    CHECK_FALSE(backup_name_problem(x));
  for (auto x : {"", ".a", "-a", "a/b", "..", "a b", "a\n"})
    CHECK(backup_name_problem(x));
  CHECK(backup_name_problem(std::string(101, 'a')));
}

TEST_CASE("trading-engine 3.3: backups beyond an age are old, but not the "
          "newest one, and none that is damaged") {
  using namespace std::chrono;
  auto made = [](const std::string& name, const std::string& began) {
    listed_backup result{name, sample_backup(), {}};
    result.manifest->name = name;
    result.manifest->began = began;
    return result;
  };
  const sys_days now = 2026y / 11 / 22;
  auto names = [&](const std::vector<listed_backup>& all, milliseconds age) {
    std::string result;
    for (const auto& x : backups_older_than(all, now, age))
      result += x.name + ' ';
    return result;
  };
  std::vector<listed_backup> all{made("at_limit", "2026-10-23T00:00:00Z"),
                                 made("beyond", "2026-10-22T23:59:59Z"),
                                 {"damaged", std::nullopt, "no"},
                                 made("new", "2026-11-21T00:00:00Z"),
                                 made("old", "2020-01-01T00:00:00Z"),
                                 made("strange", "yesterday")};
  CHECK(names(all, days{30}) == "beyond old ");
  CHECK(names({all[1], all[4]}, days{30}) == "old ");
  CHECK(names({all[4], all[2]}, days{30}).empty());
  CHECK(names({}, days{30}).empty());
}

TEST_CASE("old backups are deleted after they were named, and the newest one "
          "stays") {
  scratch_folder scratch;
  fs::path folder = scratch.path() + "/backups";
  auto quiet = [](const std::string&) {};
  for (const auto* x : {"2020-01-01", "2020-01-02"}) {
    auto made = unfinished_backup::begin(folder, x, quiet);
    REQUIRE(made);
    auto manifest = sample_backup();
    manifest.name = x;
    manifest.began = x + std::string{"T00:00:00Z"};
    REQUIRE(made->finish(manifest));
  }
  std::vector<std::string> args{
    "db",  "backups", "--folder", folder.string(), "--delete-older-than",
    "30d", "--json"};
  auto asked = run(args);
  CHECK(asked.code == 2);
  CHECK_THAT(asked.err, ContainsSubstring("backup 2020-01-01 of 2020"));
  CHECK(list_backups(folder).size() == 2);
  args.emplace_back("--yes");
  auto done = run(args);
  CHECK(done.code == 0);
  CHECK_THAT(done.out, ContainsSubstring("\"name\":\"2020-01-01\""));
  auto left = list_backups(folder);
  REQUIRE(left.size() == 1);
  CHECK(left[0].name == "2020-01-02");
  CHECK(std::ranges::distance(fs::directory_iterator{folder}) == 1);
  CHECK(run(args).out == "[]\n");
}

TEST_CASE("a backup is there with all of it or not at all") {
  scratch_folder scratch;
  fs::path folder = scratch.path() + "/backups";
  std::vector<std::string> removed;
  auto note = [&removed](const std::string& x) { removed.push_back(x); };
  {
    auto left = unfinished_backup::begin(folder, "daily", note);
    REQUIRE(left);
    CHECK(fs::exists(left->path()));
    CHECK(list_backups(folder).empty());
    auto second = unfinished_backup::begin(folder, "daily", note);
    REQUIRE_FALSE(second);
    CHECK_THAT(second.error(), ContainsSubstring("by another process"));
    // Another name is another backup.
    CHECK(unfinished_backup::begin(folder, "other", note));
    CHECK(removed.empty());
  }
  CHECK(fs::is_empty(folder));
  // What a process that was killed has left.
  fs::create_directories(folder / ".dead.partial/postgresql");
  auto made = unfinished_backup::begin(folder, "daily", note);
  REQUIRE(made);
  CHECK(removed == std::vector<std::string>{".dead.partial"});
  fs::create_directories(made->path() / "postgresql");
  std::ofstream{made->path() / "postgresql/toc.dat"} << "hello world\n";
  auto manifest = sample_backup();
  manifest.databases[0].files
    = sum_files(made->path() / "postgresql", made->path(), {}).value();
  REQUIRE(made->finish(manifest));
  auto all = list_backups(folder);
  REQUIRE(all.size() == 1);
  CHECK(all[0].name == "daily");
  CHECK(all[0].manifest);
  auto taken = unfinished_backup::begin(folder, "daily", note);
  REQUIRE_FALSE(taken);
  CHECK_THAT(taken.error(), ContainsSubstring("already"));

  auto read = open_backup(folder, "daily");
  REQUIRE(read);
  const auto& database = read->manifest.databases[0];
  REQUIRE(database.files.size() == 1);
  CHECK(database.files[0].path == "postgresql/toc.dat");
  CHECK(database.files[0].sha256 == sha256_hex("hello world\n"));
  CHECK(damages(*read, database, {}).empty());
  std::ofstream{folder / "daily/postgresql/toc.dat"} << "hello wOrld\n";
  CHECK_THAT(damages(*read, database, {}).at(0),
             ContainsSubstring("another SHA-256"));
  std::ofstream{folder / "daily/postgresql/toc.dat"} << "hello\n";
  std::ofstream{folder / "daily/postgresql/more"} << "x";
  auto wrong = damages(*read, database, {});
  REQUIRE(wrong.size() == 2);
  CHECK_THAT(wrong[0], ContainsSubstring("6 bytes, and 12"));
  CHECK(wrong[1] == "postgresql/more is not in the manifest");
  fs::remove(folder / "daily/postgresql/toc.dat");
  CHECK_THAT(damages(*read, database, {}).at(0),
             ContainsSubstring("is missing"));
  auto text = to_json(sample_backup());
  std::ofstream{folder / "daily/manifest.json"} << text;
  auto changed = open_backup(folder, "daily");
  REQUIRE_FALSE(changed);
  CHECK_THAT(changed.error(), ContainsSubstring("manifest.json is damaged"));
  CHECK_FALSE(list_backups(folder).at(0).problem.empty());
}

// -- programs -----------------------------------------------------------------

TEST_CASE("the newest backup is the one that was begun last, whatever it is "
          "called, and never a damaged one") {
  auto at = [](const std::string& name, const std::string& began) {
    backup_manifest x;
    x.name = name;
    x.began = began;
    return listed_backup{name, x, {}};
  };
  CHECK_FALSE(newest_of({}));
  CHECK_FALSE(newest_of({{"broken", {}, "is damaged"}}));
  CHECK(newest_of({at("a", "2026-11-22T03:15:00Z"),
                   at("b", "2026-11-21T23:15:00Z"),
                   {"c", {}, "is damaged"}})
        == "a");
}

TEST_CASE("a child's lines and its end are told, and it sees none of our "
          "libpq variables") {
  ::setenv("PGPASSWORD", "secret", 1);
  auto child = child_program::start(
    {"/bin/sh", "-c",
     "echo one; echo \"$PGPASSWORD|$PGHOST|$LC_ALL\" >&2; "
     "printf three; exit 7"},
    {{"PGHOST", "there"}});
  ::unsetenv("PGPASSWORD");
  REQUIRE(child);
  std::vector<std::string> lines;
  std::optional<int> code;
  while (!(
    code = child->advance(std::chrono::milliseconds{100},
                          [&](std::string_view x) { lines.emplace_back(x); })))
    continue;
  CHECK(code == 7);
  CHECK(lines == std::vector<std::string>{"one", "|there|C", "three"});
}

TEST_CASE("a child that is asked to end does so") {
  auto child = child_program::start({"/bin/sh", "-c", "exec sleep 600"}, {});
  REQUIRE(child);
  child->stop();
  std::optional<int> code;
  while (!(code = child->advance(std::chrono::milliseconds{100},
                                 [](std::string_view) {})))
    child->stop();
  CHECK(code == 128 + SIGTERM);
}

TEST_CASE("the release of PostgreSQL's programs is read and compared") {
  auto x = parse_program_version("pg_dump (PostgreSQL) 17.5 (Debian 17.5-1)");
  REQUIRE(x);
  CHECK(x->major == 17);
  CHECK(x->version == "17.5");
  CHECK_FALSE(parse_program_version("pg_dump"));
  CHECK_FALSE(parse_program_version("x (PostgreSQL) devel"));
  scratch_folder folder;
  auto file = folder.write("pg_dump", "#!/bin/sh\necho 'pg_dump (PostgreSQL) "
                                      "15.2'\n");
  fs::permissions(file, fs::perms::owner_all);
  auto found = find_server_program("pg_dump", folder.path(), 15);
  REQUIRE(found);
  CHECK(found->path == file);
  auto old = find_server_program("pg_dump", folder.path(), 17);
  REQUIRE_FALSE(old);
  CHECK_THAT(old.error(), ContainsSubstring("is of PostgreSQL 15.2"));
  CHECK_FALSE(find_server_program("pg_restore", folder.path(), 15));
}
