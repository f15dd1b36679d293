#pragma once

#include "messages/cluster.hpp"

#include <caf/fwd.hpp>

#include <optional>
#include <string>

namespace millrace {

/// Files in PEM for TLS between nodes.
struct network_tls {
  std::string certificate;
  std::string key;

  /// May sign the certificates of nodes.
  std::string authority;
};

/// How this process reaches others.
struct network_config {
  /// Nothing: plain connections, for loopback addresses only.
  std::optional<network_tls> tls;
};

/// Names the first file that cannot be read, or returns nothing.
std::optional<std::string> validate(const network_config& config);

/// Registers what CAF's network modules send; before the first actor system.
void init_network_types();

/// Has the actor system made from `raw` bring a network along. Nodes of
/// another wire version are refused by its handshake.
void load_network(caf::actor_system_config& raw, const network_config& config);

/// Whether peers must show a certificate. A node that is configured for it
/// must not go on without.
bool network_authenticates(caf::actor_system& sys);

/// Makes a NETWORK below `parent`, in a system that `load_network` prepared.
network_actor spawn_network(caf::local_actor* parent);

} // namespace millrace
