#include "actors/coordinator/migration.hpp"
#include "tests/support/scratch_folder.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <filesystem>
#include <fstream>

using namespace millrace;
using Catch::Matchers::ContainsSubstring;
using millrace::test::scratch_folder;

namespace {

constexpr auto good = "-- description: d\n-- millrace:up\nSELECT 1;\n";

std::string error(std::string_view name, std::string_view text) {
  auto result = parse_migration(name, text);
  return result ? std::string{} : result.error();
}

} // namespace

TEST_CASE("a migration file must say what it is") {
  CHECK(error("001_a.sql", good) == "");
  CHECK_THAT(error("1_a.sql", good), ContainsSubstring("NNN_words.sql"));
  CHECK_THAT(error("000_a.sql", good), ContainsSubstring("NNN_words.sql"));
  CHECK_THAT(error("001_A.sql", good), ContainsSubstring("NNN_words.sql"));
  CHECK_THAT(error("001.sql", good), ContainsSubstring("NNN_words.sql"));
  CHECK_THAT(error("R_.sql", good), ContainsSubstring("NNN_words.sql"));
  CHECK_THAT(error("001_a.sql", "-- millrace:up\nSELECT 1;"),
             ContainsSubstring("-- description"));
  CHECK_THAT(error("001_a.sql", "-- description: d\nSELECT 1;"),
             ContainsSubstring("SQL before"));
  CHECK_THAT(error("001_a.sql", "-- description: d\n-- millrace:up\n"),
             ContainsSubstring("nothing under"));
  CHECK_THAT(error("001_a.sql", "-- description: d\n-- millrace:down\nx\n"
                                "-- millrace:up\ny"),
             ContainsSubstring("wrong order"));
  CHECK_THAT(error("001_a.sql", "-- description: d\n-- millrace:up\nx\n"
                                "-- millrace:no-transaction\n"),
             ContainsSubstring("belongs before"));
  CHECK_THAT(error("R_a.sql", std::string{good} + "-- millrace:down\nx\n"),
             ContainsSubstring("repeatable file has no"));
}

TEST_CASE("the header names description and author in any case, and whether "
          "there is a transaction") {
  auto x = parse_migration("012_more_words.sql",
                           "-- Migration: 012\n-- Description: All of it\n"
                           "-- AUTHOR: A. Person\n-- Date: 2026-01-18\n"
                           "-- millrace:no-transaction\n\n-- millrace:up\n"
                           "up;\n-- millrace:down\ndown;\n")
             .value();
  CHECK(x.version == 12);
  CHECK(x.name == "more_words");
  CHECK(x.description == "All of it");
  CHECK(x.author == "A. Person");
  CHECK(x.up == "up;\n");
  CHECK(x.down == "down;\n");
  CHECK_FALSE(x.in_transaction);
  CHECK(file_of("set", x) == "set/012_more_words.sql");
}

TEST_CASE("a repeatable file has no number") {
  auto x = parse_migration("R_views.sql", good).value();
  CHECK(x.repeatable());
  CHECK(x.name == "views");
  CHECK(x.in_transaction);
  CHECK(file_of("set", x) == "set/R_views.sql");
}

TEST_CASE("everything that is wrong with a folder is reported together") {
  scratch_folder folder;
  for (auto name : {"001_a.sql", "004_b.sql", "004_c.sql"})
    folder.write(name, good);
  folder.write("002_bad.sql", "SELECT 1;");
  folder.write("README.md", "no migration");
  auto x = load_migrations("test", folder.path()).value();
  REQUIRE(x.problems.size() == 3);
  CHECK_THAT(x.problems[0], ContainsSubstring("002_bad.sql: SQL before"));
  CHECK_THAT(x.problems[1],
             ContainsSubstring("004_b.sql and 004_c.sql have the same number"));
  CHECK_THAT(x.problems[2], ContainsSubstring("no file with number 3 before "
                                              "004_b.sql"));
}

TEST_CASE("a file that cannot be looked at is told, not thrown") {
  scratch_folder folder;
  std::filesystem::create_symlink("001_a.sql", folder / "001_a.sql");
  auto x = load_migrations("orders", folder.path());
  REQUIRE_FALSE(x);
  CHECK_THAT(x.error(), ContainsSubstring("001_a.sql: "));
}

TEST_CASE("a folder that is missing or empty, and a set that is not built in, "
          "are told") {
  scratch_folder folder;
  CHECK_THAT(load_migrations("test", folder.path()).value().problems.at(0),
             ContainsSubstring("no migrations found for test"));
  CHECK_FALSE(load_migrations("test", folder.path() + "/none"));
  CHECK_FALSE(load_embedded_migrations("no such set"));
}

TEST_CASE("a new file has the next free number, words from what it is about, "
          "and lacks only the SQL") {
  scratch_folder folder;
  folder.write("001_a.sql", good);
  auto path = new_migration(folder.path(), "Add order  notes!", "A. Person",
                            false);
  REQUIRE(path);
  CHECK(*path == folder.path() + "/002_add_order_notes.sql");
  auto all = load_migrations("test", folder.path()).value();
  REQUIRE(all.problems.size() == 1);
  CHECK_THAT(all.problems[0], ContainsSubstring("nothing under"));
  std::ofstream{*path, std::ios::app} << "DROP TABLE a;\n";
  CHECK(new_migration(folder.path(), "views", "", true).value()
        == folder.path() + "/R_views.sql");
  CHECK_FALSE(new_migration(folder.path(), "views", "", true));
  CHECK_FALSE(new_migration(folder.path(), "?!", "", false));
}
