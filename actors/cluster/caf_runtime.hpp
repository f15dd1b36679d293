#pragma once

#include "actors/cluster/network.hpp"
#include "messages/supervision.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// What of CAF can be configured. CAF itself reads no file and no argument.
struct caf_config {
  /// Threads for actors that are not detached. 0: one per core, but at least
  /// two, so that one long step does not stop everything.
  std::size_t threads = 0;

  /// Actors, by name with `*`, whose mailbox size and processing time appear
  /// in the metrics. Names of actors, not of instances: a bounded set.
  std::vector<std::string> measured_actors{"millrace.*"};

  /// Nothing: this process is alone and opens no port for others.
  std::optional<network_config> network{};
};

/// Names the first value that makes no sense, or returns nothing.
std::optional<std::string> validate(const caf_config& config);

/// The actor system of a node, from construction to an orderly end.
class caf_runtime {
public:
  /// Starts the threads. Throws std::invalid_argument when `validate`
  /// complains, and std::runtime_error when TLS is asked for and CAF would
  /// let peers in without a certificate. Message types must be registered by
  /// then.
  explicit caf_runtime(const caf_config& config);

  /// Waits for every actor. If `stop` returned false that can take for ever.
  ~caf_runtime() = default;

  caf_runtime(const caf_runtime&) = delete;
  caf_runtime& operator=(const caf_runtime&) = delete;

  caf::actor_system& system() noexcept {
    return system_;
  }

  /// Stops the root and with it everything below, then waits for the actors
  /// that nobody supervises. Returns whether no actor is left after `grace`.
  /// If one is, the process must not run destructors: tell the user and call
  /// `std::_Exit`. Not to be called from an actor.
  bool stop(const supervisor_actor& root, std::chrono::milliseconds grace);

  /// Waits until the root has ended, for at most `patience`. True if it has.
  bool wait(const supervisor_actor& root, std::chrono::milliseconds patience);

private:
  static caf::actor_system_config& fill(caf::actor_system_config& raw,
                                        const caf_config& config);

  caf::actor_system_config raw_;
  caf::actor_system system_;
};

} // namespace millrace
