#include "config/placement.hpp"
#include "config/values.hpp"
#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <map>
#include <string>

using namespace millrace;

namespace {

cluster_node_config node(std::string name, std::vector<std::string> lanes = {},
                         std::vector<std::string> partitions = {}) {
  return {std::move(name),
          "127.0.0.1:1",
          std::move(lanes),
          std::move(partitions),
          {}};
}

cluster_config table(std::vector<cluster_node_config> nodes) {
  cluster_config result;
  result.nodes = std::move(nodes);
  return result;
}

} // namespace

TEST_CASE("a node without a static table has everything") {
  placement aut{{}, "one"};
  CHECK(aut.alone());
  CHECK(aut.knows_self());
  CHECK(aut.has_lane("ticks", "demo", 3));
  CHECK(aut.has_partition("ticks", "ticks", 7));
}

TEST_CASE("what a node lists is its own, whoever asks") {
  auto nodes = table({node("one", {"ticks/demo/0-1"}, {"ticks/*"}),
                      node("two", {"ticks/demo/2", "ticks/_unrouted/*"})});
  for (auto self : {"one", "two"}) {
    placement aut{nodes, self};
    CHECK_FALSE(aut.alone());
    CHECK(aut.lane_owner("ticks", "demo", 0) == "one");
    CHECK(aut.lane_owner("ticks", "demo", 1) == "one");
    CHECK(aut.lane_owner("ticks", "demo", 2) == "two");
    CHECK(aut.lane_owner("ticks", "_unrouted", 0) == "two");
    for (auto i = 0; i < 100; ++i)
      CHECK(aut.partition_owner("ticks", "any", i) == "one");
  }
  CHECK_FALSE(placement{nodes, "three"}.knows_self());
}

TEST_CASE("what nobody lists is spread by a hash that never changes") {
  placement aut{table({node("one"), node("two"), node("three")}), "one"};
  // Frozen: nodes of different versions must agree.
  std::string lanes;
  std::string partitions;
  for (auto i = 0; i < 16; ++i) {
    lanes += aut.lane_owner("ticks", "demo", i).substr(0, 2) + ' ';
    partitions += aut.partition_owner("ticks", "ticks", i).substr(0, 2) + ' ';
  }
  CHECK(lanes == "th tw th tw on on th th on th th tw th th on th ");
  CHECK(partitions == "tw on tw tw tw tw th th th th th tw tw tw th on ");
}

TEST_CASE("the hash spreads evenly, and another node moves only its share") {
  placement two{table({node("one"), node("two")}), "one"};
  placement three{table({node("one"), node("two"), node("three")}), "one"};
  std::map<std::string, int> counts;
  auto moved = 0;
  for (auto i = 0; i < 3000; ++i) {
    auto before = two.lane_owner("ticks", "demo", i);
    auto after = three.lane_owner("ticks", "demo", i);
    ++counts[after];
    if (before != after) {
      CHECK(after == "three");
      ++moved;
    }
  }
  for (const auto& [name, n] : counts) {
    INFO(name);
    CHECK(n > 900);
    CHECK(n < 1100);
  }
  CHECK(moved == counts["three"]);
}

TEST_CASE("the order of the table's entries decides nothing") {
  auto one = node("one", {"ticks/demo/0", "ticks/demo/1"});
  auto same = node("one", {"ticks/demo/1", "ticks/demo/0"});
  placement x{table({one, node("two")}), "one"};
  placement y{table({node("two"), same}), "two"};
  CHECK(x.fingerprint() == y.fingerprint());
  for (auto i = 0; i < 100; ++i)
    CHECK(x.lane_owner("p", "t", i) == y.lane_owner("p", "t", i));
}

TEST_CASE("tables that place anything differently have other fingerprints") {
  auto print = [](const cluster_node_config& x) {
    return placement{table({x, node("two")}), "one"}.fingerprint();
  };
  auto first = print(node("one"));
  CHECK(first != print(node("uno")));
  CHECK(first != print(node("one", {"ticks/*"})));
  CHECK(print(node("one", {"ticks/*"})) != print(node("one", {}, {"ticks/*"})));
  CHECK(print(node("one", {"ticks/demo/0"}))
        != print(node("one", {"ticks/demo/0-1"})));
}

TEST_CASE("patterns are read as they are meant") {
  auto all = parse_place("*");
  REQUIRE(all);
  CHECK(all->matches("p", "t", 9));
  auto pipeline = parse_place("p/*");
  REQUIRE(pipeline);
  CHECK(pipeline->matches("p", "t", 9));
  CHECK_FALSE(pipeline->matches("q", "t", 9));
  auto middle = parse_place("*/t/*");
  REQUIRE(middle);
  CHECK(middle->matches("q", "t", 9));
  CHECK_FALSE(middle->matches("q", "u", 9));
  auto range = parse_place("p/t/2-4");
  REQUIRE(range);
  CHECK_FALSE(range->matches("p", "t", 1));
  CHECK(range->matches("p", "t", 2));
  CHECK(range->matches("p", "t", 4));
  CHECK_FALSE(range->matches("p", "t", 5));
  for (auto bad :
       {"", "p", "p/t", "p/t/", "p/t/x", "p/t/1-", "p/t/-1", "p/t/2-1", "p//1",
        "/t/1", "P/t/1", "p/t/1/2", "p/t/99999999999"})
    CHECK_FALSE(parse_place(bad));
}

TEST_CASE("an address has a host and a port") {
  auto plain = parse_address("127.0.0.1:7301");
  REQUIRE(plain);
  CHECK(plain->host == "127.0.0.1");
  CHECK(plain->port == 7301);
  auto six = parse_address("[::1]:1");
  REQUIRE(six);
  CHECK(six->host == "::1");
  for (auto bad : {"", "h", "h:", ":1", "h:0", "h:65536", "::1:1", "h:1,i:2"})
    CHECK_FALSE(parse_address(bad));
}

TEST_CASE("a name from outside stands in for the file's") {
  auto outside = test::outside();
  outside.node_name = "two";
  constexpr auto text
    = "[postgresql]\nurl = \"postgresql://h/d\"\n"
      "[kafka]\nbootstrap = \"h:9092\"\n[[tenant]]\nname = \"demo\"\n"
      "[pipeline.ticks]\npack = \"ticks\"\ntenant = \"'demo'\"\n"
      "[[cluster.static]]\nnode = \"two\"\naddress = \"127.0.0.1:7301\"\n"
      "[node]\nname = \"one\"\n";
  auto result = parse_config(text, "x.toml", outside);
  REQUIRE(test::messages(result) == "");
  CHECK(result->node.name == "two");
  CHECK_FALSE(parse_config(text, "x.toml", test::outside()));
}
