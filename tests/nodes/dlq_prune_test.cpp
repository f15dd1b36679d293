// `millrace dlq prune` against real servers.

#include "tests/nodes/lanes_fixture.hpp"

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr auto letters = "SELECT count(*) FROM millrace.dead_letter";

} // namespace

TEST_CASE_METHOD(lanes_fixture, "prune tells first, then removes what is too "
                                "old, and the oldest of what is too much") {
  send("one\ntwo\nthree\n");
  ingest(letters, "3");
  db.execute("UPDATE millrace.dead_letter SET at = now() - interval '40 days' "
             "WHERE \"offset\" = 0");
  write_config(false, true, "[dead_letters]\nkeep = \"30d\"\n");
  auto dry = run({"dlq", "prune", "--dry-run"});
  INFO(dry.out << dry.err);
  CHECK(dry.code == 0);
  CHECK(dry.out == "would remove 1 of 3 bytes\n");
  auto asked = run({"dlq", "prune"});
  CHECK(asked.code == 1);
  CHECK_THAT(asked.err, ContainsSubstring("1 dead letters of 3 bytes"));
  CHECK(db.value(letters) == "3");
  auto done = run({"dlq", "prune", "--yes", "--json"});
  CHECK(done.out == "{\"pruned\":1,\"bytes\":3}\n");
  CHECK(db.value("SELECT min(\"offset\") FROM millrace.dead_letter") == "1");
  CHECK(db.value("SELECT before->>'number' FROM millrace.admin_action") == "1");
  // A mebibyte is the least limit; values of that size make it bite.
  db.execute("UPDATE millrace.dead_letter SET at = now() - interval '1 hour' "
             "WHERE \"offset\" = 1;"
             "UPDATE millrace.dead_letter SET value = "
             "convert_to(repeat('x', 700000), 'UTF8')");
  write_config(false, true, "[dead_letters]\nmax_bytes = \"1MiB\"\n");
  CHECK(run({"dlq", "prune", "--yes"}).out == "removed 1 of 700000 bytes\n");
  CHECK(db.value("SELECT min(\"offset\") FROM millrace.dead_letter") == "2");
  CHECK(run({"dlq", "prune"}).out == "removed 0 of 0 bytes\n");
}
