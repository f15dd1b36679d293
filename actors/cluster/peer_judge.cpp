#include "actors/cluster/peer_judge.hpp"

#include <algorithm>

namespace millrace {

namespace {

std::string versions(const std::string& what, uint64_t mine, uint64_t theirs,
                     const peer_hello& x, const peer_hello& y) {
  return what + " of node '" + x.node + "' is " + std::to_string(mine)
         + ", of node '" + y.node + "' " + std::to_string(theirs);
}

const peer_pipeline* find(const peer_hello& x, const std::string& name) {
  auto i = std::ranges::find(x.pipelines, name, &peer_pipeline::name);
  return i == x.pipelines.end() ? nullptr : &*i;
}

std::string lacks(const std::string& name, const peer_hello& who) {
  return "node '" + who.node + "' has no pipeline '" + name + "'";
}

} // namespace

std::optional<std::string> mismatch(const peer_hello& mine,
                                    const peer_hello& theirs) {
  // Told in the order of names, so that both sides log the same sentence.
  const auto& x = mine.node <= theirs.node ? mine : theirs;
  const auto& y = mine.node <= theirs.node ? theirs : mine;
  if (x.node == y.node)
    return "both nodes are called '" + x.node + "'";
  if (x.wire != y.wire)
    return versions("the wire version", x.wire, y.wire, x, y)
           + ": run the same release";
  if (x.placement_fingerprint != y.placement_fingerprint)
    return "nodes '" + x.node + "' and '" + y.node
           + "' have different tables [[cluster.static]]: give them the same "
             "and restart both";
  for (const auto& pipeline : x.pipelines) {
    const auto* same = find(y, pipeline.name);
    if (!same)
      return lacks(pipeline.name, y);
    if (same->lanes != pipeline.lanes)
      return versions("the number of lanes of pipeline '" + pipeline.name + "'",
                      static_cast<uint64_t>(pipeline.lanes),
                      static_cast<uint64_t>(same->lanes), x, y);
    if (same->map_fingerprint != pipeline.map_fingerprint)
      return versions("the map of pipeline '" + pipeline.name + "'",
                      pipeline.map_fingerprint, same->map_fingerprint, x, y);
  }
  for (const auto& pipeline : y.pipelines)
    if (!find(x, pipeline.name))
      return lacks(pipeline.name, x);
  return std::nullopt;
}

} // namespace millrace
