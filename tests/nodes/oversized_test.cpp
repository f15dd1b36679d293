// Records above `limits.max_record_bytes`, through a node and its commands.

#include "tests/nodes/lanes_fixture.hpp"

#include <fstream>
#include <iterator>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr auto letters = "SELECT count(*) FROM millrace.dead_letter";

struct fixture : lanes_fixture {
  /// A record of 100,000 bytes, where 2,000 are allowed.
  const std::string big = R"({"id":9,"v":")" + std::string(99'985, 'x')
                          + R"("})";

  void set_policy(const std::string& policy) {
    std::ifstream in{config};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    std::string here = "limits.resync";
    text.insert(text.find(here), std::format("limits.max_record_bytes = \"2000"
                                             "B\"\nlimits.oversized = "
                                             "\"{}\"\n",
                                             policy));
    config = folder.write("node.toml", text);
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a record that is cut is shown as such, its replay "
                          "is refused while others go on, and discarding it "
                          "keeps the SHA-256 of all of it") {
  set_policy("cut");
  REQUIRE(big.size() == 100'000);
  send(big + "\n{\"id\":1,\"v\":\"bad\"}\n");
  ingest(letters, "2");
  const std::string sum
    = "f25bd8ddb4d0ee3161074f0a76a57f9b12d787f3134ee164588ae1049ac92b41";
  auto listed = run({"dlq", "list", "--stage", "decode", "--json"});
  INFO(listed.out << listed.err);
  json_document all{listed.out};
  REQUIRE(all.size() == 1);
  CHECK(all.integer("/0/bytes") == 65'536);
  CHECK(all.integer("/0/value_bytes") == 100'000);
  CHECK(all.text("/0/value_sha256") == sum);
  auto lane = all.text("/0/lane");
  auto seq = std::to_string(all.integer("/0/seq"));
  CHECK(run({"dlq", "show", lane, seq, "--raw"}).out == big.substr(0, 65'536));
  CHECK_THAT(run({"dlq", "show", lane, seq}).out,
             ContainsSubstring("first 65536 of 100000 bytes are kept; SHA-256 "
                               "of all: "
                               + sum));

  db.execute("ALTER TABLE tenant_north.notes DROP CONSTRAINT notes_v_check");
  auto replayed = run({"dlq", "replay", "--tenant", "north", "--force"});
  INFO(replayed.out << replayed.err);
  CHECK(replayed.code == 1);
  CHECK_THAT(replayed.out,
             ContainsSubstring("replayed 1, failed 0, refused 1"));
  CHECK_THAT(replayed.err,
             ContainsSubstring("first 65536 of the 100000 bytes"));
  CHECK(notes() == "1:bad");
  CHECK(db.value("SELECT reason FROM millrace.dead_letter")
        == "found a payload of 100000 bytes, expected at most 2000 "
           "(limits.max_record_bytes)");

  REQUIRE(run({"dlq", "discard", lane, seq, "--reason", "test"}).code == 0);
  CHECK(db.value("SELECT before->>'sha256' FROM millrace.admin_action WHERE "
                 "command = 'dlq discard'")
        == sum);
}

TEST_CASE_METHOD(fixture, "a record that halts its lane stops no other lane, "
                          "and the lane goes on where the operator says") {
  set_policy("halt");
  std::string some;
  for (int i = 0; i < 8; ++i)
    some += std::format("{{\"id\":{},\"v\":\"a\"}}\n", i);
  send(some + big + '\n' + some);
  auto node = start_node();
  await("SELECT string_agg(shard || '@' || next_off[1], ' ') FROM "
        "millrace.lane WHERE tenant = 'north' AND state = 'halted'",
        "0@8");
  await("SELECT next_off[1] > 9 FROM millrace.lane WHERE tenant = 'north' AND "
        "shard = 1",
        "t");
  CHECK(db.value(letters) == "0");
  auto halted = run({"lanes", "halted"});
  CHECK_THAT(halted.out, ContainsSubstring("found a payload of 100000 bytes"));
  stop(node);
  auto skipped
    = run({"lanes", "skip", "notes/north/0", "--topic", topic, "--partition",
           "0", "--to", "9", "--reason", "too large", "--yes"});
  INFO(skipped.err);
  REQUIRE(skipped.code == 0);
  REQUIRE(run({"lanes", "resume", "notes/north/0", "--reason", "skipped"}).code
          == 0);
  ingest("SELECT count(*) FROM tenant_north.notes", "16");
  CHECK(db.value("SELECT count(DISTINCT at) FROM tenant_north.notes") == "16");
  CHECK(db.value(letters) == "0");
}
