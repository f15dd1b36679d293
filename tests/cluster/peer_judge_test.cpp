#include "actors/cluster/peer_judge.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;

namespace {

peer_hello hello(std::string node) {
  peer_hello result;
  result.node = std::move(node);
  result.placement_fingerprint = 1;
  result.pipelines = {{"quotes", 5, 4}, {"ticks", 6, 4}};
  return result;
}

} // namespace

TEST_CASE("nodes that agree may work together") {
  CHECK_FALSE(mismatch(hello("one"), hello("two")));
}

TEST_CASE("whatever differs is told in one sentence, the same on both sides") {
  struct {
    void (*change)(peer_hello&);
    std::string part;
  } cases[] = {
    {[](peer_hello& x) { x.wire = 77; }, "wire version"},
    {[](peer_hello& x) { x.placement_fingerprint = 2; }, "[[cluster.static]]"},
    {[](peer_hello& x) { x.pipelines[0].lanes = 5; },
     "number of lanes of pipeline 'quotes'"},
    {[](peer_hello& x) { x.pipelines[1].map_fingerprint = 7; },
     "map of pipeline 'ticks'"},
    {[](peer_hello& x) { x.pipelines.pop_back(); },
     "node 'two' has no pipeline 'ticks'"},
    {[](peer_hello& x) { x.pipelines.push_back({"x", 1, 1}); },
     "node 'one' has no pipeline 'x'"},
    {[](peer_hello& x) { x.node = "one"; }, "both nodes are called 'one'"},
  };
  for (const auto& [change, part] : cases) {
    auto other = hello("two");
    change(other);
    auto here = mismatch(hello("one"), other);
    auto there = mismatch(other, hello("one"));
    INFO(part);
    REQUIRE(here);
    CHECK(here->contains(part));
    CHECK(here == there);
  }
}

TEST_CASE("of two nodes exactly one dials") {
  CHECK(dials("a", "b"));
  CHECK_FALSE(dials("b", "a"));
  CHECK_FALSE(dials("a", "a"));
}
