#pragma once

// What nodes of a cluster say to each other before batches flow.

#include "messages/lane.hpp"
#include "messages/supervision.hpp"

#include <caf/actor.hpp>
#include <caf/result.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

/// Of everything that crosses between nodes: messages/ with their inspectors
/// and type ids. Raise it with every change of a frozen byte sample.
inline constexpr uint32_t wire_version = 2;

/// What of a pipeline two nodes must agree on.
struct peer_pipeline {
  std::string name;
  uint64_t map_fingerprint = 0;
  int32_t lanes = 0;

  friend bool operator==(const peer_pipeline&, const peer_pipeline&) = default;
};

template <class Inspector>
bool inspect(Inspector& f, peer_pipeline& x) {
  return f.object(x).fields(f.field("name", x.name),
                            f.field("map-fingerprint", x.map_fingerprint),
                            f.field("lanes", x.lanes));
}

/// A node presents itself.
struct peer_hello {
  uint32_t wire = wire_version;
  std::string node;

  /// Of the static table.
  uint64_t placement_fingerprint = 0;

  /// By name.
  std::vector<peer_pipeline> pipelines;

  /// Its PEERS.
  caf::actor peers;
};

template <class Inspector>
bool inspect(Inspector& f, peer_hello& x) {
  return f.object(x).fields(
    f.field("wire", x.wire), f.field("node", x.node),
    f.field("placement-fingerprint", x.placement_fingerprint),
    f.field("pipelines", x.pipelines), f.field("peers", x.peers));
}

/// The answer to a `peer_hello`.
struct peer_answer {
  /// Empty: we work together. Else for a person.
  std::string refusal;

  /// Who answers.
  peer_hello me;
};

template <class Inspector>
bool inspect(Inspector& f, peer_answer& x) {
  return f.object(x).fields(f.field("refusal", x.refusal), f.field("me", x.me));
}

/// Who writes lanes of the sender.
struct peer_routes {
  std::vector<lane_route> routes;
};

template <class Inspector>
bool inspect(Inspector& f, peer_routes& x) {
  return f.object(x).fields(f.field("routes", x.routes));
}

} // namespace millrace

CAF_BEGIN_TYPE_ID_BLOCK(millrace_cluster, caf::first_custom_type_id + 400)

  CAF_ADD_TYPE_ID(millrace_cluster, (millrace::peer_hello))
  CAF_ADD_TYPE_ID(millrace_cluster, (millrace::peer_answer))
  CAF_ADD_TYPE_ID(millrace_cluster, (millrace::peer_routes))
  CAF_ADD_TYPE_ID(millrace_cluster, (millrace::peer_pipeline))

CAF_END_TYPE_ID_BLOCK(millrace_cluster)

namespace millrace {

// -- actor interfaces ---------------------------------------------------------

/// The PEERS interface: one per node; the only actor that other nodes find.
using peers_actor = caf::typed_actor<
  // A node presents itself; the answer says whether we work together.
  caf::result<peer_answer>(peer_hello),
  // Who writes the sender's lanes; repeated now and then.
  caf::result<void>(peer_routes),
  // From the ROUTER: who writes a lane.
  caf::result<void>(lane_route), caf::result<actor_report>(inspect_atom)>;

/// The NETWORK interface: hides what connects nodes.
using network_actor = caf::typed_actor<
  // Listens on (host, port) and hands whoever connects this actor. What
  // listened there before is closed. Answers with the port.
  caf::result<uint16_t>(caf::publish_atom, std::string, uint16_t, caf::actor),
  // Answers with what the node at (host, port) published.
  caf::result<caf::actor>(caf::connect_atom, std::string, uint16_t),
  // Ends the connection to a node, so that the next one is another.
  caf::result<void>(caf::close_atom, caf::node_id)>;

} // namespace millrace
