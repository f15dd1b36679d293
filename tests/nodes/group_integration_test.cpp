// A node as a member of a consumer group whose other member ends and comes
// back.

#include "actors/source/kafka_admin.hpp"
#include "actors/source/kafka_group_shares.hpp"
#include "tests/nodes/topics_fixture.hpp"
#include "tests/source/watched_member.hpp"

#include <format>
#include <optional>

using namespace millrace;
using namespace millrace::test;

namespace {

struct fixture : topics_fixture {
  std::string topic = new_topic(2);

  /// As the node calls it: by pipeline.
  std::string group = topic + "-p";
  kafka_detail::client_handle asker = must(kafka_detail::make_client(
    kafka_detail::client_kind::consumer,
    must(kafka_detail::make_conf({}, properties, {}))));

  fixture() {
    kafka_more = std::format("group = \"{}\"\n[node]\nname = \"one\"", topic);
    send(topic, 0, 5);
    send(topic, 1, 5);
  }

  watched_member join() const {
    return {properties, group, "two", topic};
  }

  kafka_group_shares shares() const {
    constexpr int longest_ms = 20'000;
    auto question = kafka_detail::ask_shares(asker.get(), group);
    auto answer
      = must(kafka_detail::await(question.get(), longest_ms, "shares"));
    return must(kafka_detail::read_shares(answer.get(), "shares"));
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a node has its group share out again what the other "
                          "member left to nobody") {
  std::optional two{join()};
  eventually([&] {
    two->poll();
    return two->has.size() == 2;
  });
  start("[\"" + topic + "\"]");
  // The other member hears that it has one too many, and ends before it has
  // given it up.
  eventually([&] {
    auto told = shares();
    return told.stable && told.members.size() == 2 && told.taken.size() == 1;
  });
  two.emplace(join());
  CHECK(rows("true") == 0);
  // Now the node has one.
  eventually([&] {
    two->poll();
    return two->has.size() == 1 && rows("true") == 5;
  });
  CHECK(said().contains("group-shares-out-again"));
  two.reset();
  wait_for_rows("true", 10);
  stop();
}
