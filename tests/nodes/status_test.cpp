#include "actors/admin/http_server.hpp"
#include "nodes/cli/status_page.hpp"
#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::cli;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

constexpr auto sample = R"({"node":"n1","version":"0.1.0","pid":4711,
"uptime_seconds":3725,"ready":true,
"pipelines":[{"name":"ticks","events_total":1234567,"rows_total":1234560,
"rows_per_second":9876.5,"dead_letters_total":7,"flushes_total":80,
"lag_messages":12,"lag_seconds":0.25,"inflight_bytes":4096,
"commit_latency_seconds":{"p50":0.0042,"p99":0.031},
"flush_seconds":{"p50":null,"p99":null}}],
"topics":[],
"tenants":[{"name":"demo","rows_total":1234560,"dead_letters_total":7,
"waiting_events":2,"in_doubt_total":0,"reconnects_total":1,
"sessions":{"idle":3,"busy":1,"connecting":0,"down":0}}],
"lanes":[{"name":"ticks/demo/0","state":"running"},
{"name":"ticks/demo/1","state":"parked","note":"23505 five times"}]})";

/// What a node's admin server says, without a node.
class fake_node {
public:
  explicit fake_node(bool ready, std::string status = sample) : server_{{}} {
    server_.get("/readyz", [ready](const http_request&) -> http_response {
      if (ready)
        return {.body = "[+] postgres\nready\n"};
      return {.status = 503,
              .body = "[-] kafka: no broker: all down\n[+] postgres\n"
                      "not ready\n"};
    });
    server_.get("/v1/status", [status = std::move(status)](
                                const http_request&) {
      return http_response{.content_type = "application/json", .body = status};
    });
    server_.start();
  }

  std::string address() const {
    return "127.0.0.1:" + port();
  }

  std::string port() const {
    return std::to_string(server_.port());
  }

private:
  http_server server_;
};

} // namespace

TEST_CASE("checks are read from the lines of the page") {
  CHECK(parse_checks("[+] a\n[-] b: x: y\nnot ready\n")
        == std::vector<node_check>{{"a", true, ""}, {"b", false, "x: y"}});
  CHECK(parse_checks("").empty());
}

TEST_CASE("a status shows what a person looks for") {
  auto text = status_text(sample, {{"kafka", false, "no broker"}}, false);
  REQUIRE(text);
  CHECK(*text
        == "n1: NOT READY, version 0.1.0, pid 4711, up 1h2m\n"
           "  [-] kafka: no broker\n"
           "\n"
           "PIPELINE  ROWS/S  ROWS       EVENTS     DEAD LETTERS  LAG  LAG S  "
           "P50 MS  P99 MS\n"
           "ticks     9876    1,234,560  1,234,567  7             12   0.2    "
           "4.2     31.0\n"
           "\n"
           "TENANT  ROWS       DEAD LETTERS  WAITING  IN DOUBT  RECONNECTS  "
           "SESSIONS\n"
           "demo    1,234,560  7             2        0         1           "
           "3 idle, 1 busy\n"
           "\n"
           "lanes: 1 parked, 1 running\n"
           "  ticks/demo/1: parked: 23505 five times\n");
}

TEST_CASE("a status without figures yet is shown with what there is") {
  auto text = status_text(R"({"node":"","lanes":null})", {}, true);
  REQUIRE(text);
  CHECK(*text
        == "node: ready, version -, pid -, up -\n"
           "\nlanes: the actors did not answer in time\n");
  CHECK_FALSE(status_text("<html>", {}, true));
  CHECK_FALSE(status_text("[]", {}, true));
  CHECK_FALSE(status_json_text("a", "", {}, true));
}

TEST_CASE("what a node says cannot steer the terminal") {
  auto text = status_text(R"({"node":"\u001b[2Jn","pipelines":[{"name":)"
                          R"("\u001b]0;x"}],"lanes":[]})",
                          {{"\x1b[1m", false, "\x1b[0m"}}, true);
  REQUIRE(text);
  CHECK_FALSE(text->contains('\x1b'));
}

TEST_CASE("a ready node is a success and one that is not is a failure") {
  fake_node well{true};
  auto x = run({"status", "--admin", well.address()});
  CHECK(x.code == 0);
  CHECK(x.err.empty());
  CHECK_THAT(x.out, StartsWith("n1: ready, "));
  fake_node ill{false};
  auto y = run({"status", "--admin", ill.address(), "--json"});
  CHECK(y.code == 1);
  json_document document{y.out};
  CHECK(document.text("/admin") == ill.address());
  CHECK_FALSE(document.boolean("/ready"));
  CHECK(document.text("/checks/0/name") == "kafka");
  CHECK(document.text("/checks/0/detail") == "no broker: all down");
  CHECK(document.integer("/status/pid") == 4711);
}

TEST_CASE("the admin port comes from the port file or the configuration") {
  fake_node node{true};
  scratch_folder folder;
  auto port_file = folder.write("port", node.port() + "\n");
  CHECK(run({"status", "--port-file", port_file}).code == 0);
  auto config = folder.write("node.toml",
                             "[node.admin]\nport = " + node.port() + R"(
[postgresql]
url = "postgresql://millrace@127.0.0.1:1/market"
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "demo"
[pipeline.ticks]
pack = "ticks"
tenant = "'demo'"
)");
  CHECK(run({"status", "--config", config}).code == 0);
  CHECK(run({"status", "--config", config, "--port-file", port_file}).code
        == 2);
  CHECK(run({"status", "--port-file", folder.path() + "/none"}).code == 3);
}

TEST_CASE("where no node answers the status is unreachable") {
  auto x = run({"status", "--admin", "127.0.0.1:1"});
  CHECK(x.code == 3);
  CHECK_THAT(x.err, ContainsSubstring("no node answers at 127.0.0.1:1"));
  json_document document{
    run({"status", "--admin", "127.0.0.1:1", "--json"}).out};
  CHECK(document.size() == 1);
  fake_node stranger{true, "<html>"};
  auto y = run({"status", "--admin", stranger.address()});
  CHECK(y.code == 3);
  CHECK_THAT(y.err, ContainsSubstring("is this the admin port?"));
  CHECK(run({"status", "--admin", "nowhere"}).code == 2);
  CHECK(run({"status", "--admin", "127.0.0.1:70000"}).code == 2);
}
