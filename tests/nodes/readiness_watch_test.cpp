// What becomes of a node's tree on its pages, with a scripted root.

#include "actors/admin/metrics.hpp"
#include "nodes/halts.hpp"
#include "nodes/readiness_watch.hpp"
#include "tests/support/message_types.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace millrace;

namespace {

actor_report entry(std::string name, std::string kind, std::string state,
                   std::string note = {}) {
  actor_report result;
  result.name = std::move(name);
  result.kind = std::move(kind);
  result.state = std::move(state);
  result.note = std::move(note);
  return result;
}

actor_report writer(std::string name, std::string state,
                    std::string note = {}) {
  return entry(std::move(name), "millrace.lane-writer", std::move(state),
               std::move(note));
}

/// With the lanes whose rows are halted.
actor_report consumer(std::string name, std::string state,
                      const std::vector<std::string>& halted = {}) {
  auto result = entry(std::move(name), "millrace.partition-consumer",
                      std::move(state));
  for (const auto& lane : halted)
    result.children.push_back(entry(lane, "millrace.lane", "halted", "why"));
  return result;
}

actor_report tree_of(std::vector<actor_report> children) {
  auto result = entry("node", "millrace.supervisor", "running");
  result.children = std::move(children);
  return result;
}

/// Answers with the tree of that moment.
supervisor_actor::behavior_type
scripted(supervisor_actor::pointer, std::shared_ptr<const actor_report> tree) {
  return {
    [tree](inspect_atom) { return *tree; },
    [](add_child_atom, const child_spec_ptr&) {},
    [](remove_child_atom, const std::string&) {},
    [](restart_child_atom, const std::string&) {},
    [](caf::subscribe_atom, const caf::actor&) {},
    [](stop_atom) {},
  };
}

caf::actor_system_config& small(caf::actor_system_config& config) {
  config.set("caf.scheduler.max-threads", 1);
  return config;
}

struct fixture {
  caf::actor_system_config config;
  caf::actor_system sys{small(config)};
  std::shared_ptr<actor_report> tree = std::make_shared<actor_report>();
  std::shared_ptr<readiness_board> board = std::make_shared<readiness_board>();
  supervisor_actor root = sys.spawn(scripted, tree);
  readiness_watch aut{sys, root, board};

  ~fixture() {
    caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
  }

  void look(std::vector<actor_report> children) {
    *tree = tree_of(std::move(children));
    aut.look();
  }

  /// What is not well, a line each.
  std::string unwell() const {
    std::string result;
    for (const auto& x : board->checks())
      if (!x.ok)
        result += x.name + ": " + x.detail + '\n';
    return result;
  }
};

} // namespace

TEST_CASE("each lane that is halted or parked counts once, halted before "
          "parked, and what is well counts as none") {
  auto tree = tree_of({
    entry("tenant demo", "millrace.supervisor", "running"),
    writer("orders/demo/0", "halted"),
    writer("orders/demo/1", "parked"),
    writer("orders/demo/2", "writing"),
    writer("orders/demo/3", "parked"),
    writer("trades/demo/0", "idle"),
    consumer("a/b/0", "reading", {"orders/demo/0", "orders/demo/3"}),
    consumer("a/b/1", "halted", {"orders/demo/0", "orders/far/0"}),
    consumer("a/b/2", "halted"),
    consumer("c/0", "reading"),
  });
  auto found = tally_halts(tree);
  using counts = std::map<std::string, int64_t>;
  CHECK(found.lanes_halted == counts{{"orders", 3}, {"trades", 0}});
  CHECK(found.lanes_parked == counts{{"orders", 1}, {"trades", 0}});
  CHECK(found.partitions_halted == counts{{"a/b", 2}, {"c", 0}});
}

TEST_CASE_METHOD(fixture, "a lane that is halted, by whatever node, makes the "
                          "node not ready, and the check names the command") {
  look({consumer("t/0", "reading", {"orders/demo/0"}),
        consumer("t/1", "reading", {"orders/demo/0"}),
        writer("orders/demo/1", "halted", "XX001: broken")});
  CHECK(unwell()
        == "lane orders/demo/0: halted: why; once mended: millrace lanes "
           "resume orders/demo/0\n"
           "node / orders/demo/1: halted: XX001: broken; once mended: millrace "
           "lanes resume orders/demo/1\n");
  CHECK(lanes_halted_gauge(sys, "orders")->value() == 2);
  look({consumer("t/0", "reading"), writer("orders/demo/1", "writing")});
  CHECK(unwell().empty());
  CHECK(ready(board->checks()));
  CHECK(lanes_halted_gauge(sys, "orders")->value() == 0);
}

TEST_CASE_METHOD(fixture,
                 "what is behind is told as a warning, and the node is "
                 "ready all the same") {
  look({entry("partition roller", "millrace.coordinator-task", "behind",
              "shop.tickers has 1 of 14")});
  CHECK(ready(board->checks()));
  auto told = [this] {
    std::string result;
    for (const auto& x : board->checks())
      result += x.name + ": " + x.detail + '\n';
    return result;
  };
  CHECK(
    told()
    == "node / partition roller: warning: shop.tickers has 1 of 14\ntree: \n");
  look({entry("partition roller", "millrace.coordinator-task", "idle")});
  CHECK(told() == "tree: \n");
}

TEST_CASE_METHOD(fixture, "a tenant that backs off makes the node not ready") {
  look({entry("pool", "millrace.pool", "backing off")});
  CHECK(unwell() == "node / pool: backing off\n");
  look({entry("pool", "millrace.pool", "running")});
  CHECK(unwell().empty());
}

TEST_CASE_METHOD(fixture, "what is gone from the tree counts as none") {
  look({consumer("t/0", "halted"), writer("orders/demo/1", "parked", "42P01")});
  CHECK(unwell()
        == "node / orders/demo/1: parked: 42P01\nnode / t/0: halted\n");
  CHECK(partitions_halted_gauge(sys, "t")->value() == 1);
  CHECK(lanes_parked_gauge(sys, "orders")->value() == 1);
  look({});
  CHECK(partitions_halted_gauge(sys, "t")->value() == 0);
  CHECK(lanes_parked_gauge(sys, "orders")->value() == 0);
}
