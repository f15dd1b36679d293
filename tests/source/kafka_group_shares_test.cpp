// What a consumer group makes of members that end while it shares out, on a
// real broker.

#include "actors/source/kafka_client.hpp"
#include "actors/source/share_watch.hpp"
#include "tests/source/kafka_must.hpp"
#include "tests/source/watched_member.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

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

  watched_member join(const std::string& instance) const {
    return {properties, topic, instance, topic};
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

} // namespace

TEST_CASE_METHOD(fixture, "what is nobody's since a member ended while it was "
                          "to give it up is shared out again") {
  std::optional one{join("one")};
  // Nobody has told it anything yet, so it does not ask.
  one->poll();
  eventually([&] {
    one->poll();
    return one->has.size() == 2 && one->all.taken.size() == 2;
  });
  CHECK(one->all.known);
  CHECK(one->all.stable);
  CHECK(one->all.members == std::vector<std::string>{"one"});
  auto two = join("two");
  // The first one hears that it has one too many, and ends before it has given
  // it up.
  eventually([&] {
    two.poll();
    return two.all.stable && two.all.members.size() == 2
           && two.all.taken.size() == 1;
  });
  one.emplace(join("one"));
  share_watch watch;
  std::vector<kafka_partition> nobodys;
  for (int i = 0; i < 60 && nobodys.empty(); ++i) {
    one->poll();
    two.poll();
    if (i % 20 == 0)
      nobodys = watch.look(two.all, all, "one");
    std::this_thread::sleep_for(100ms);
  }
  REQUIRE(nobodys.size() == 1);
  CHECK(one->has.size() + two.has.size() == 1);
  must(one->group.share_out_again());
  eventually([&] {
    one->poll();
    two.poll();
    return one->has.size() == 1 && two.has.size() == 1
           && two.all.members.size() == 2 && two.all.taken.size() == 2;
  });
}
