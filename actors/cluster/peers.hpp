#pragma once

#include "actors/cluster/restart_policy.hpp"
#include "actors/cluster/vitals.hpp"
#include "messages/cluster.hpp"

#include <caf/telemetry/gauge.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace millrace {

/// Where another node listens.
struct peer_address {
  std::string node;
  std::string host;
  uint16_t port = 0;
};

/// What a PEERS is made of.
struct peers_config {
  /// Where this node listens.
  std::string listen;
  uint16_t port = 0;

  /// The other nodes.
  std::vector<peer_address> others;

  /// Who this node is; the PEERS fills in itself.
  peer_hello me;

  /// The node that has a lane.
  std::function<std::string(const lane_id&)> owner;

  /// Number of connected peers, or null.
  caf::telemetry::int_gauge* connected = nullptr;

  /// Bound of a connection attempt.
  std::chrono::milliseconds connect_timeout{15'000};

  /// Who is connected answers a hello at once. A connection by which no answer
  /// comes for so long is ended: CAF does not use it where the other node still
  /// has the one before it (frozen, it did not see that end).
  std::chrono::milliseconds answer_timeout{5'000};

  /// How often routes are told again: a message between nodes may be lost.
  std::chrono::milliseconds tell_interval{5'000};

  /// A node that we wait for is missed aloud after this time.
  std::chrono::milliseconds missing_after{30'000};

  backoff_config delays{.initial = std::chrono::milliseconds{200},
                        .max = std::chrono::milliseconds{5'000}};
};

/// Names the first value that makes no sense, or returns nothing.
std::optional<std::string> validate(const peers_config& config);

/// Keeps this node connected with the others of its cluster, and tells its
/// ROUTER who writes their lanes.
///
/// Of each two nodes one connects, again and again until it works. Both
/// present themselves; whoever does not fit is refused with the same sentence
/// in both logs. Afterwards each tells the other who writes its lanes, on
/// every change and every few seconds. Routes of a peer count only for lanes
/// that the placement gives it.
///
/// Nothing here decides about rows: a batch that goes to a node that is gone
/// is lost on the way, and its consumer sends it again. The ROUTER monitors
/// remote writers like local ones, so a lost node's routes go with it. Ends
/// with its ROUTER or its NETWORK; the next start publishes itself anew.
class peers_state {
public:
  static inline const char* name = "millrace.peers";

  peers_state(peers_actor::pointer self, peers_config config,
              router_actor router, network_actor network);

  peers_state(const peers_state&) = delete;
  peers_state& operator=(const peers_state&) = delete;

  ~peers_state();

  peers_actor::behavior_type make_behavior();

private:
  enum class link_state : uint8_t { expected, connecting, refused, connected };

  struct link {
    peer_address where;
    link_state state = link_state::expected;
    peers_actor peers;
    std::string note;

    /// The last one that was logged.
    std::string refusal;
    int64_t since_ms = 0;
    int64_t connects = 0;

    /// Grows with each attempt and each loss; answers to an older one are
    /// ignored.
    int64_t attempt = 0;
    backoff delays;
  };

  void listen();
  void on_down(const caf::down_msg& msg);

  void dial(link& x);
  void greet(link& x, const peers_actor& who);
  void on_answer(link& x, const peers_actor& who, const peer_answer& said);
  void dial_later(link& x, const std::string& why);
  void dial_again(link& x);

  peer_answer on_hello(const peer_hello& x);
  void connect(link& x, const peers_actor& who);
  void refuse(link& x, const std::string& why);
  void enter(link& x, link_state state, const std::string& note = {});

  void on_local_route(const lane_route& x);
  void on_routes(peer_routes& x);
  void tell(const link& x);
  void tell_all();
  void look_for_missing();

  link* find(const std::string& node);
  actor_report report();

  peers_actor::pointer self_;
  peers_config config_;
  router_actor router_;
  network_actor network_;
  vitals vitals_{name, "starting"};
  std::mt19937_64 chance_;
  backoff listen_delays_;

  /// Stay where they are: continuations point to them.
  std::vector<link> links_;

  /// Who writes this node's lanes.
  std::map<lane_id, caf::actor> writers_;
  int64_t refused_routes_ = 0;
};

/// The spawnable type: `self->spawn<peers>(config, router, network)`.
using peers = peers_actor::stateful_impl<peers_state>;

/// Makes one below `parent`. Here, so that only this file pays for the
/// templates behind it.
caf::actor spawn_peers(caf::local_actor* parent, peers_config config,
                       router_actor router, network_actor network);

} // namespace millrace
