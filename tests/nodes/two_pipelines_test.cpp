// Two pipelines of one node that read the same topic.

#include "tests/nodes/lanes_fixture.hpp"

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Beside `notes`: writes the same events into a table of its own.
struct fixture : lanes_fixture {
  fixture() {
    db.execute("CREATE TABLE tenant_north.copies (id bigint NOT NULL, v text)");
    write_config(false, true,
                 std::format(R"toml(
[pipeline.copies]
topics = ["{}"]
tenant = "coalesce(header('tenant'), 'north')"
lanes = 1
limits.resync = "2s"
limits.floor_interval = "200ms"
[[pipeline.copies.event]]
name = "note"
route = "required(.id)"
[[pipeline.copies.event.write]]
table = "copies"
kind = "append"
[pipeline.copies.event.write.columns]
id = "required(.id)"
v = ".v"
)toml",
                             topic));
  }

  std::string copies() const {
    return db.value("SELECT string_agg(v, ' ' ORDER BY v) FROM "
                    "tenant_north.copies");
  }

  std::string floor_of(const std::string& pipeline) const {
    return "SELECT floor FROM millrace.partition_floor WHERE pipeline = '"
           + pipeline + "'";
  }
};

constexpr auto notes_written = "SELECT count(*) FROM tenant_north.notes";
constexpr auto copies_written = "SELECT count(*) FROM tenant_north.copies";

} // namespace

TEST_CASE_METHOD(fixture, "two pipelines on one topic each have their own "
                          "lanes, floors and halts") {
  auto node = start_node();
  send("{\"id\":1,\"v\":\"a\"}\n");
  await(notes_written, "1");
  await(copies_written, "1");
  CHECK(db.value("SELECT string_agg(pipeline || count, ' ' ORDER BY pipeline) "
                 "FROM (SELECT pipeline, count(*) FROM millrace.lane WHERE "
                 "tenant = 'north' GROUP BY 1)")
        == "copies1 notes2");

  REQUIRE(
    run({"lanes", "halt", "copies/north/0", "--reason", "copied out"}).code
    == 0);
  send("{\"id\":1,\"v\":\"b\"}\n{\"id\":2,\"v\":\"c\"}\n");
  await(notes_written, "3");
  // The floor of one comes to the end; a halt holds the other's.
  await(floor_of("notes"), "3");
  CHECK(copies() == "a");
  CHECK(std::stoi(db.value(floor_of("copies"))) <= 1);
  CHECK(
    db.value("SELECT string_agg(DISTINCT state, ' ') FROM millrace.lane WHERE "
             "pipeline = 'notes'")
    == "active");

  REQUIRE(run({"lanes", "resume", "copies/north/0", "--reason", "done"}).code
          == 0);
  await(copies_written, "3");
  CHECK(copies() == "a b c");
  CHECK(notes() == "1:a 1:b 2:c");
  await(floor_of("copies"), "3");

  // A partition halts for one of them only, too.
  db.execute("UPDATE millrace.partition_floor SET state = 'halted', token = "
             "gen_random_uuid() WHERE pipeline = 'copies'");
  auto until = std::chrono::steady_clock::now() + 60s;
  while (!node->err_so_far().contains("partition-halted")
         && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(50ms);
  send("{\"id\":1,\"v\":\"d\"}\n");
  await(notes_written, "4");
  CHECK(copies() == "a b c");
  REQUIRE(run({"lanes", "resume", "--partition", "copies/" + topic + "/0",
               "--reason", "seen to"})
            .code
          == 0);
  await(copies_written, "4");
  CHECK(copies() == "a b c d");
  stop(node);
}
