// What a consumer group makes of members that end while it shares out, on a
// real broker.

#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_group.hpp"
#include "actors/source/share_watch.hpp"
#include "tests/source/kafka_must.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <functional>
#include <set>
#include <thread>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 60s;

struct fixture {
  kafka_properties properties{
    {"bootstrap.servers", servers::real_kafka_bootstrap()}};
  kafka_client client = must(kafka_client::open(properties));
  std::string topic = unique_name("shares");
  std::vector<kafka_partition> all{{topic, {0}}, {topic, {1}}};

  fixture() {
    must(client.create_topic(topic, 2, {}, patience));
    eventually([this] { return client.describe_topic(topic, patience); });
  }

  ~fixture() {
    static_cast<void>(client.delete_topic(topic, patience));
  }

  kafka_group join(const std::string& instance) const {
    auto result = must(kafka_group::open({.properties = properties,
                                          .group = topic,
                                          .instance = instance,
                                          .on_log = {},
                                          .on_wakeup = {}}));
    must(result.subscribe(std::vector{topic}));
    return result;
  }

  /// A broker that has just started loads its groups first.
  kafka_group_shares shares() {
    auto result = client.group_shares(topic, patience);
    eventually([&] {
      return result || (result = client.group_shares(topic, patience));
    });
    return *result;
  }

  template <class F>
  static void eventually(F holds) {
    auto deadline = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(50ms);
    }
  }
};

/// What a member has, by what it is told.
struct holding {
  std::set<kafka_partition> what;

  void poll(kafka_group& x) {
    auto change = x.poll();
    for (const auto& lost : change.lost)
      what.erase(lost);
    what.insert(change.gained.begin(), change.gained.end());
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "what is nobody's since a member ended while it was "
                          "to give it up is shared out again") {
  CHECK_FALSE(shares().known);
  holding one;
  holding two;
  auto first = join("one");
  eventually([&] {
    one.poll(first);
    return one.what.size() == 2;
  });
  CHECK(shares().members == std::vector<std::string>{"one"});
  auto second = join("two");
  // The first one hears that it has one too many, and ends before it has given
  // it up.
  eventually([&] {
    two.poll(second);
    auto told = shares();
    return told.stable && told.members.size() == 2 && told.taken.size() == 1;
  });
  first = join("one");
  one.what.clear();
  share_watch watch;
  auto due = false;
  for (int i = 0; i < 60 && !due; ++i) {
    one.poll(first);
    two.poll(second);
    if (i % 20 == 0)
      due = watch.look(shares(), all, "one");
    std::this_thread::sleep_for(100ms);
  }
  REQUIRE(due);
  CHECK(one.what.size() + two.what.size() == 1);
  must(first.share_out_again());
  eventually([&] {
    one.poll(first);
    two.poll(second);
    return one.what.size() == 1 && two.what.size() == 1;
  });
  CHECK(shares().members.size() == 2);
}
