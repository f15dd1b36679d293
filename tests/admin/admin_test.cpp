// ADMIN below a real supervisor in a real actor system: its threads are what
// is tested.

#include "actors/admin/admin.hpp"
#include "actors/admin/metrics.hpp"
#include "actors/cluster/caf_runtime.hpp"
#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "tests/admin/raw_http.hpp"
#include "tests/support/message_types.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <filesystem>
#include <fstream>
#include <future>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

const bool prepared = [] {
  log::setup({.level = log::level::off});
  return true;
}();

caf::behavior mute(caf::event_based_actor* self) {
  return {
    [self](inspect_atom) -> caf::result<actor_report> {
      return self->make_response_promise<actor_report>();
    },
  };
}

struct node {
  node() {
    supervisor_config top;
    top.name = "node";
    top.inspect_timeout = 100ms;
    child_spec site;
    site.name = "admin";
    site.factory = [this](caf::local_actor* self) {
      admin_wiring wiring;
      wiring.root = self->address();
      wiring.board = board;
      auto child = self->spawn<admin, caf::detached>(config, wiring);
      started.set_value(child);
      return caf::actor_cast<caf::actor>(child);
    };
    top.children.push_back(site);
    child_spec deaf;
    deaf.name = "deaf";
    deaf.factory = [](caf::local_actor* self) {
      return caf::actor{self->spawn(mute)};
    };
    top.children.push_back(deaf);
    root = runtime.system().spawn<supervisor>(top);
    auto child = started.get_future().get();
    caf::scoped_actor self{runtime.system(), true};
    self->request(child, 10s, caf::get_atom_v)
      .receive([&](uint16_t x) { port = x; },
               [](caf::error& x) { FAIL(to_string(x)); });
  }

  ~node() {
    if (root)
      runtime.stop(root, 10s);
  }

  std::shared_ptr<readiness_board> board = std::make_shared<readiness_board>();
  admin_config config{.node = "n1", .version = "9.9.9"};
  std::promise<admin_actor> started;
  caf_runtime runtime{caf_config{.threads = 2}};
  supervisor_actor root;
  uint16_t port = 0;
};

} // namespace

TEST_CASE_METHOD(node, "a live node says so, under every name") {
  for (const auto* path : {"/livez", "/ping"}) {
    auto answer = get(port, path);
    CHECK(answer.status == 200);
    CHECK(answer.body == "ok\n");
  }
}

TEST_CASE_METHOD(node, "readiness follows the board") {
  CHECK(get(port, "/readyz").status == 503);
  board->require("kafka");
  board->set("postgres", true);
  auto answer = get(port, "/readyz?verbose");
  CHECK(answer.status == 503);
  CHECK(answer.body == "[-] kafka: starting\n[+] postgres\nnot ready\n");
  board->set("kafka", true);
  for (const auto* path : {"/readyz", "/ready", "/health"})
    CHECK(get(port, path).status == 200);
}

TEST_CASE_METHOD(node, "metrics are served as Prometheus text") {
  make_lane_writer_metrics(runtime.system(), "p", "t").rows_written->inc(5);
  auto answer = get(port, "/metrics");
  CHECK(answer.status == 200);
  CHECK_THAT(answer.head, ContainsSubstring("text/plain; version=0.0.4"));
  CHECK_THAT(answer.body,
             ContainsSubstring("millrace_rows_written_total{pipeline=\"p\","
                               "tenant=\"t\"} 5\n"));
  CHECK_THAT(answer.body,
             ContainsSubstring("millrace_build_info{version=\"9.9.9\"} 1\n"));
  // What the filter of actor metrics is for.
  CHECK_THAT(answer.body, ContainsSubstring("caf_actor_mailbox_size{"
                                            "name=\"millrace.supervisor\"}"));
}

TEST_CASE_METHOD(node, "the tree shows who answers and who does not") {
  auto answer = get(port, "/v1/actors");
  CHECK(answer.status == 200);
  CHECK_THAT(answer.head, ContainsSubstring("application/json"));
  CHECK_THAT(answer.body, ContainsSubstring(R"("name":"admin",)"
                                            R"("kind":"millrace.admin",)"
                                            R"("state":"running")"));
  CHECK_THAT(answer.body, ContainsSubstring(R"("name":"deaf","kind":"",)"
                                            R"("state":"no answer")"));
  auto text = get(port, "/v1/actors?format=text");
  CHECK_THAT(text.body, ContainsSubstring("no answer"));
  CHECK_THAT(text.head, ContainsSubstring("text/plain"));
}

TEST_CASE_METHOD(node, "version and status are JSON") {
  CHECK(get(port, "/version").body
        == R"({"name":"millrace","version":"9.9.9","node":"n1"})"
           "\n");
  auto status = get(port, "/v1/status");
  CHECK(status.status == 200);
  CHECK(status.body.starts_with(R"({"node":"n1","version":"9.9.9","pid":)"));
  CHECK_THAT(status.body, ContainsSubstring(R"("lanes":[])"));
}

TEST_CASE_METHOD(node, "twenty clients at once all get their answer") {
  std::vector<std::future<int>> clients;
  for (auto i = 0; i < 20; ++i)
    clients.push_back(std::async(std::launch::async, [this] {
      return get(port, "/v1/status").status;
    }));
  for (auto& x : clients)
    CHECK(x.get() == 200);
}

TEST_CASE_METHOD(node, "a stop ends the server while requests run") {
  auto client = std::async(std::launch::async,
                           [this] { return get(port, "/v1/actors").status; });
  CHECK(runtime.stop(root, 10s));
  // Answered before the end or refused at it, but never left hanging.
  auto status = 0;
  try {
    status = client.get();
  } catch (const std::runtime_error&) {
  }
  CHECK((status == 200 || status == 503 || status == 0));
  CHECK_THROWS(get(port, "/livez"));
  root = nullptr;
}

TEST_CASE_METHOD(node, "a port that is taken ends the actor with a text that "
                       "says so, and a port file names the one that is not") {
  auto dir = std::filesystem::temp_directory_path();
  auto file = dir / ("millrace-admin-test-" + std::to_string(getpid()));
  auto& sys = runtime.system();
  admin_wiring wiring{.root = root.address(), .board = board};
  caf::scoped_actor self{sys, true};

  auto taken = config;
  taken.http.port = port;
  auto loser = self->spawn<admin, caf::detached + caf::monitored>(taken,
                                                                  wiring);
  caf::error reason;
  self->receive([&](const caf::down_msg& x) { reason = x.reason; });
  CHECK_THAT(reason_text(reason), ContainsSubstring("the port is taken"));

  auto named = config;
  named.port_file = file;
  auto second = self->spawn<admin, caf::detached>(named, wiring);
  uint16_t bound = 0;
  self->request(second, 10s, caf::get_atom_v)
    .receive([&](uint16_t x) { bound = x; },
             [](caf::error& x) { FAIL(to_string(x)); });
  uint16_t read = 0;
  std::ifstream{file} >> read;
  CHECK(bound != 0);
  CHECK(read == bound);
  self->send_exit(second, caf::exit_reason::user_shutdown);
  std::filesystem::remove(file);
}
