#include "actors/source/kafka_group.hpp"
#include "tests/source/kafka_fixture.hpp"

#include <algorithm>
#include <set>

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr int32_t partitions = 6;

/// A member and what the group gave it.
struct member {
  kafka_group group;
  std::set<int32_t> held;

  member(const std::string& bootstrap, bell& awake,
         const std::string& instance = {})
    : group{must(kafka_group::open({
        .properties = {{"bootstrap.servers", bootstrap},
                       {"session.timeout.ms", "6000"},
                       {"heartbeat.interval.ms", "100"}},
        .group = "g",
        .instance = instance,
        .on_log = {},
        .on_wakeup = [&awake] { awake.ring(); },
      }))} {
    std::vector<std::string> names{"shared"};
    must(group.subscribe(names));
  }

  void poll() {
    // The mock cannot say, and nobody asks it.
    group.ask_shares();
    auto change = group.poll();
    CHECK_FALSE(change.shares);
    for (const auto& x : change.lost)
      held.erase(x.number.value);
    for (const auto& x : change.gained)
      held.insert(x.number.value);
  }
};

struct fixture {
  bell awake;
  kafka_mock_cluster cluster = must(kafka_mock_cluster::open(1));

  fixture() {
    must(cluster.create_topic("shared", partitions));
  }

  /// Polls all until they hold the whole topic, each something, nothing twice.
  bool shared_out(std::vector<member*> all) {
    // The mock cluster takes some rounds of seconds for a rebalance.
    auto end = std::chrono::steady_clock::now() + 120s;
    while (std::chrono::steady_clock::now() < end) {
      std::size_t sum = 0;
      std::set<int32_t> seen;
      auto idle = false;
      for (auto* x : all) {
        x->poll();
        sum += x->held.size();
        seen.insert(x->held.begin(), x->held.end());
        idle = idle || x->held.empty();
      }
      if (!idle && sum == partitions && seen.size() == partitions)
        return true;
      awake.wait(100ms);
    }
    return false;
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "members share the partitions out, and who stays "
                          "gets those of who leaves") {
  member one{cluster.bootstrap(), awake};
  REQUIRE(shared_out({&one}));
  {
    member two{cluster.bootstrap(), awake};
    REQUIRE(shared_out({&one, &two}));
  }
  CHECK(shared_out({&one}));
}

TEST_CASE("a group takes no property that decides who is a member") {
  auto group = kafka_group::open({.properties = {{"group.id", "other"}},
                                  .group = "g",
                                  .instance = {},
                                  .on_log = {},
                                  .on_wakeup = {}});
  REQUIRE_FALSE(group);
  CHECK(group.error().code == kafka_errc::bad_config);
}
