#include "nodes/cli/migrate_spelling.hpp"
#include "nodes/cli/migrate_text.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::cli;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

using words = std::vector<std::string>;

words spelled(words args) {
  return accept_other_spellings(args);
}

} // namespace

TEST_CASE("other tools' spellings of migrate are accepted") {
  CHECK(spelled({"migrate", "-cmd", "up"}) == words{"migrate", "up"});
  CHECK(spelled({"migrate", "-cmd=status"}) == words{"migrate", "status"});
  CHECK(spelled({"migrate", "-up", "-dry-run", "-verbose"})
        == words{"migrate", "up", "--dry-run", "--verbose"});
  CHECK(spelled({"migrate", "--down"}) == words{"migrate", "down"});
  CHECK(spelled({"migrate", "-init", "-up"}) == words{"migrate", "up"});
  CHECK(spelled({"migrate", "-version=3", "-conn", "x"})
        == words{"migrate", "to", "3", "--conn", "x"});
  CHECK(spelled({"migrate", "-conn=a=b", "-status"})
        == words{"migrate", "status", "--conn=a=b"});
}

TEST_CASE("a version beside up or down is how far that goes, and no count") {
  words up{"migrate", "to", "3", "--only", "up"};
  CHECK(spelled({"migrate", "-up", "-version=3"}) == up);
  CHECK(spelled({"migrate", "-version=3", "-up"}) == up);
  CHECK(spelled({"migrate", "-cmd", "up", "-version", "3"}) == up);
  CHECK(spelled({"migrate", "-init", "-up", "-version=3"}) == up);
  words down{"migrate", "to", "4", "--only", "down"};
  CHECK(spelled({"migrate", "-down", "-version=4"}) == down);
  CHECK(spelled({"migrate", "-version=4", "-down"}) == down);
  CHECK(spelled({"migrate", "-init", "-version=4"})
        == words{"migrate", "to", "4"});
  // Never another verb than the one that is said.
  CHECK(spelled({"migrate", "-version=4", "-status"})
        == words{"migrate", "status", "4"});
  auto x = run({"migrate", "to", "1", "--only", "sideways"});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, ContainsSubstring("--only"));
}

TEST_CASE("perps-stats 3.1: --database-url may stand before a command of db") {
  const words stats{"db", "stats", "--json", "--database-url", "x"};
  CHECK(spelled({"db", "--database-url", "x", "stats", "--json"}) == stats);
  CHECK(spelled({"db", "--database-url=x", "stats"})
        == words{"db", "stats", "--database-url=x"});
  CHECK(spelled(stats) == stats);
  for (const auto& args :
       {words{"db"}, words{"db", "stats"}, words{"db", "--database-url", "x"},
        words{"db", "--help", "stats"}})
    CHECK(spelled(args) == args);
}

TEST_CASE("what is spelled our way stays as it is") {
  for (const auto& args :
       {words{"migrate", "up", "-verbose"}, words{"migrate", "--help"},
        words{"migrate", "-h"}, words{"produce", "-cmd", "up"}, words{}})
    CHECK(spelled(args) == args);
}

TEST_CASE("the status has a line per migration, and how many there are") {
  std::vector<migration_status> all(4);
  all[0] = {1,
            "core",
            "d",
            migration_state::applied,
            "2026-01-18 "
            "10:00:00.123+00",
            "me",
            5};
  all[1] = {2, "more", "d", migration_state::pending, "", "", 0};
  all[2] = {3,
            "gone",
            "d",
            migration_state::unknown,
            "2026-01-18 "
            "10:00:01+00",
            "me",
            5};
  all[3] = {0, "views", "d", migration_state::pending, "", "", 0};
  CHECK(status_text("shop in north", all)
        == "Migrations of shop in north\n"
           "Version    Name                                     Status       "
           "Applied At\n"
             + std::string(85, '-')
             + "\n"
               "001        core                                     Applied    "
               "  2026-01-18 10:00:00\n"
               "002        more                                     Pending    "
               "  -\n"
               "003        gone                                     Missing    "
               "  2026-01-18 10:00:01\n"
               "R          views                                    Pending    "
               "  -\n"
               "Total migrations: 4 | Applied: 1 | Pending: 2 | Missing: 1\n");
}

TEST_CASE("a report says what was done, or that there was nothing") {
  migration_report x;
  CHECK(report_text("a in b", x, "up to date") == "a in b: up to date\n");
  x.applied = {2};
  x.undone = {2, 1};
  x.repeated = {"views"};
  x.duration = std::chrono::milliseconds{7};
  CHECK(report_text("a in b", x, "")
        == "a in b: took back 2, 1; applied 2; repeated views in 7 ms\n");
}

TEST_CASE("a new migration is written into its folder") {
  scratch_folder folder;
  auto x = run({"migrate", "new", "Order notes", "--dir", folder.path()});
  CHECK(x.code == 0);
  CHECK(x.out == folder.path() + "/001_order_notes.sql\n");
  CHECK(run({"migrate", "new", "", "--dir", folder.path()}).code == 2);
}

TEST_CASE("what is done to one set needs its name, and options make sense") {
  for (words command : {words{"down"}, words{"redo"}, words{"to", "1"},
                        words{"baseline", "--version", "1"}}) {
    command.insert(command.begin(), "migrate");
    command.insert(command.end(), {"--pg-env", "DB_URL"});
    auto x = run(command, {{"DB_URL", "postgresql://127.0.0.1:1/d"}});
    CHECK(x.code == 2);
    CHECK_THAT(x.err, ContainsSubstring("expected --set NAME"));
  }
  auto x = run({"migrate", "up", "--conn", "postgresql://127.0.0.1:1/d",
                "--lock-timeout", "soon"});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, ContainsSubstring("--lock-timeout: found \"soon\""));
  x = run({"migrate", "up", "--conn", "postgresql://127.0.0.1:1/d",
           "--parallel", "0"});
  CHECK(x.code == 2);
  x = run({"migrate", "-up"}, {{"DATABASE_URL", "postgresql://127.0.0.1:1/d"}});
  CHECK(x.code == 3);
}
