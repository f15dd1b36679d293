#include "nodes/cli/lanes_text.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::cli;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("a lane is written pipeline/tenant/shard") {
  auto x = parse_lane("orders/_unrouted/12");
  REQUIRE(x);
  CHECK(*x == lane_id{"orders", "_unrouted", shard{12}});
  for (const auto* text :
       {"", "orders", "orders/demo", "orders/demo/", "orders//1", "/demo/1",
        "orders/demo/x", "orders/demo/1x", "orders/demo/-1", "orders/demo/1/2",
        "orders/demo/99999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_lane(text));
  }
}

TEST_CASE("a partition is written pipeline/topic/number") {
  auto x = parse_partition("orders/a.b-c/7");
  REQUIRE(x);
  CHECK(x->topic == "a.b-c");
  CHECK(x->number == partition{7});
  CHECK(cli::to_string(*x) == "orders/a.b-c/7");
  CHECK_FALSE(parse_partition("orders/a"));
}

TEST_CASE("a time is RFC 3339, or so long ago") {
  constexpr int64_t now = 1'000'000'000'000;
  CHECK(parse_time_ms("1970-01-01T00:00:01Z", now) == 1'000);
  CHECK(parse_time_ms("90m", now) == now - 90 * 60'000);
  CHECK(parse_time_ms("7d", now) == now - 7 * 86'400'000LL);
  CHECK_FALSE(parse_time_ms("yesterday", now));
  CHECK_FALSE(parse_time_ms("d", now));
  CHECK_FALSE(parse_time_ms("99999999999d", now));
}

TEST_CASE("what is halted names the command that mends it") {
  lane_status lane;
  lane.lane = {"p", "t", shard{3}};
  lane.reason = "data refused: 23514";
  CHECK(mend_command(lane) == "millrace lanes resume p/t/3 --reason TEXT");
  lane.reason = "RETENTION_LOSS: the log begins at offset 7";
  CHECK_THAT(mend_command(lane),
             ContainsSubstring("millrace lanes skip p/t/3 --topic"));
  halted_partition part{{"p", "topic", partition{1}}, offset{0}, "GAP", ""};
  CHECK(mend_command(part)
        == "millrace lanes resume --partition p/topic/1 --reason TEXT");
  part.reason = "topic 'topic' is not the one that was read before";
  CHECK(mend_command(part)
        == "millrace lanes adopt-topic p topic --reason TEXT");
}

TEST_CASE("wrong lane commands are refused before a server is asked") {
  struct wrong {
    std::vector<std::string> args;
    std::string text;
  };
  for (const auto& x : std::vector<wrong>{
         {{"lanes"}, "subcommand"},
         {{"lanes", "list"}, "expected --config FILE"},
         {{"lanes", "list", "--state", "asleep"}, "--state"},
         {{"lanes", "list", "--timeout", "soon"}, "--timeout: found \"soon\""},
         {{"lanes", "backfills"}, "expected --config FILE"},
         {{"lanes", "backfills", "--give-up", "p"}, "expected --reason TEXT"},
         {{"lanes", "backfills", "--give-up", "p", "--pipeline", "p"},
          "--pipeline"},
         {{"lanes", "backfills", "--yes"}, "go with --give-up"},
         {{"lanes", "resume"}, "expected one of LANE, --all-halted"},
         {{"lanes", "resume", "a/b/1", "--all-halted"}, "expected one of LANE"},
         {{"lanes", "resume", "a/b/1"}, "expected --reason TEXT"},
         {{"lanes", "resume", "a/b/1", "--reason", "  "}, "--reason TEXT"},
         {{"lanes", "resume", "a/b", "--reason", "x"},
          "LANE: found \"a/b\", expected PIPELINE/TENANT/SHARD"},
         {{"lanes", "resume", "a/b/1", "--tenant", "b", "--reason", "x"},
          "go with --all-halted"},
         {{"lanes", "resume", "--partition", "a/b", "--reason", "x"},
          "--partition: found \"a/b\", expected PIPELINE/TOPIC/NUMBER"},
         {{"lanes", "halt", "--reason", "x"}, "LANE is required"},
         {{"lanes", "halt", "a/b/1"}, "expected --reason TEXT"},
         {{"lanes", "skip", "a/b/1", "--topic", "t", "--partition", "0", "--to",
           "-5", "--reason", "x"},
          "expected numbers from 0 on"},
         {{"lanes", "adopt-topic", "p", "t", "--from", "middle"}, "--from"},
         {{"lanes", "adopt-topic", "p"}, "TOPIC is required"},
         {{"lanes", "change", "--reason", "x"}, "--pipeline is required"},
         {{"lanes", "change", "--pipeline", "p"}, "expected --reason TEXT"},
         {{"lanes", "change", "--pipeline", "p", "--reason", "x", "--patience",
           "soon"},
          "--patience: found \"soon\""},
         {{"lanes", "resume", "a/b/1", "--reason", "x", "--config", "/none"},
          "/none"}}) {
    auto end = run(x.args);
    INFO(end.err);
    CHECK(end.code == 2);
    CHECK_THAT(end.err, ContainsSubstring(x.text));
  }
}
