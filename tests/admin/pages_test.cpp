#include "actors/admin/pages.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using Catch::Matchers::ContainsSubstring;

namespace {

actor_report sample_tree() {
  actor_report lane{
    "lane ticks/acme/0", "millrace.lane-writer", "writing", 1'000'000, 2, 5,
    {{"flushes", 9}},    "fenced \"once\"\n",    {}};
  actor_report root{
    "node", "millrace.supervisor", "running", 1'000, 0, 0, {}, "", {}};
  root.children.push_back(lane);
  return root;
}

metric_group group(std::string name, std::vector<metric_reading> readings) {
  return {std::move(name), "gauge", "", std::move(readings)};
}

} // namespace

TEST_CASE("the tree as JSON nests children and escapes what they say") {
  CHECK(tree_json(sample_tree())
        == R"({"name":"node","kind":"millrace.supervisor","state":"running",)"
           R"("since_ms":1000,"restarts":0,"queue":0,"counters":{},)"
           R"("children":[{"name":"lane ticks/acme/0",)"
           R"("kind":"millrace.lane-writer","state":"writing",)"
           R"("since_ms":1000000,"restarts":2,"queue":5,)"
           R"("counters":{"flushes":9},"note":"fenced \"once\"\n"}]})"
           "\n");
}

TEST_CASE("the tree as text has one line per actor") {
  auto text = tree_text(sample_tree(), 1'000'000 + 3'725'000);
  CHECK(std::ranges::count(text, '\n') == 2);
  CHECK_THAT(text, ContainsSubstring("writing      for 1h2m     restarts=2 "
                                     "queue=5 flushes=9 "
                                     "note=\"fenced \\\"once\\\"\\n\"\n"));
  CHECK(text.starts_with("node "));
  CHECK_THAT(text, ContainsSubstring("\n\"  lane ticks/acme/0\"")
                     || ContainsSubstring("\n  \"lane ticks/acme/0\""));
}

TEST_CASE("readiness is one word, and says what is missing") {
  CHECK(readiness_text({}, false) == "not ready\n");
  CHECK(readiness_text({{"postgres", true, "17.2"}}, false) == "ready\n");
  CHECK(readiness_text({{"postgres", true, "17.2"}}, true)
        == "[+] postgres: 17.2\nready\n");
  CHECK(readiness_text({{"kafka", false, "no\nbroker"}, {"postgres", true, ""}},
                       false)
        == "[-] kafka: \"no\\nbroker\"\nnot ready\n");
}

TEST_CASE("a board is ready when all that was announced is well") {
  readiness_board aut;
  CHECK_FALSE(ready(aut.checks()));
  aut.require("kafka");
  aut.require("postgres");
  aut.set("postgres", true);
  CHECK_FALSE(ready(aut.checks()));
  aut.set("kafka", true, "3 brokers");
  CHECK(ready(aut.checks()));
  // Announcing again does not undo what is known.
  aut.require("kafka");
  CHECK(ready(aut.checks()));
  aut.set("kafka", false, "gone");
  CHECK_FALSE(ready(aut.checks()));
  aut.drop("kafka");
  CHECK(ready(aut.checks()));
}

TEST_CASE("the status sums up pipelines, topics, tenants and lanes") {
  status_input x;
  x.node = "n1";
  x.version = "0.1.0";
  x.pid = 42;
  x.uptime_seconds = 7;
  x.checks = {{"all", true, ""}};
  label_list where{{"pipeline", "ticks"}, {"tenant", "acme"}};
  x.metrics.push_back(
    group("millrace_events_read_total", {{{{"pipeline", "ticks"}}, 10l}}));
  x.metrics.push_back(group("millrace_rows_written_total", {{where, 9l}}));
  x.metrics.push_back(
    group("millrace_lag_messages",
          {{{{"partition", "0"}, {"pipeline", "ticks"}, {"topic", "q"}}, 3l},
           {{{"partition", "1"}, {"pipeline", "ticks"}, {"topic", "q"}}, 4l}}));
  x.metrics.push_back(group(
    "millrace_lag_seconds",
    {{{{"partition", "0"}, {"pipeline", "ticks"}, {"topic", "q"}}, 0.5},
     {{{"partition", "1"}, {"pipeline", "ticks"}, {"topic", "q"}}, 1.5}}));
  x.metrics.push_back(group("millrace_sessions",
                            {{{{"state", "idle"}, {"tenant", "acme"}}, 2l}}));
  x.rows_per_second["ticks"] = 12.5;
  x.tree = sample_tree();
  x.extra = [](json_writer& out) { out.key("more").boolean(true); };
  auto text = status_json(x);
  CHECK_THAT(text, ContainsSubstring(
                     R"({"node":"n1","version":"0.1.0","pid":42,)"
                     R"("uptime_seconds":7,"ready":true,"pipelines":[)"
                     R"({"name":"ticks","events_total":10,"rows_total":9,)"
                     R"("rows_per_second":12.5,)"));
  CHECK_THAT(text, ContainsSubstring(R"("lag_messages":7,"lag_seconds":1.5)"));
  CHECK_THAT(text, ContainsSubstring(
                     R"("commit_latency_seconds":{"p50":null,"p99":null})"));
  CHECK_THAT(text,
             ContainsSubstring(R"("topics":[{"name":"q","lag_messages":7,)"));
  CHECK_THAT(text, ContainsSubstring(R"("sessions":{"idle":2})"));
  CHECK_THAT(text,
             ContainsSubstring(R"("lanes":[{"name":"lane ticks/acme/0")"));
  CHECK(text.ends_with("\"more\":true}\n"));
}

TEST_CASE("a status without an answer from the actors says null, not empty") {
  status_input x;
  CHECK_THAT(status_json(x), ContainsSubstring(R"("lanes":null)"));
}
