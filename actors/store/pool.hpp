#pragma once

#include "actors/admin/metrics.hpp"
#include "actors/cluster/restart_policy.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/store/session_config.hpp"
#include "messages/store.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// Limits of a POOL.
struct pool_config {
  std::string tenant;

  /// Connections at most. The first one is made at once, the others when work
  /// waits and nobody is idle.
  uint32_t sessions = 4;

  /// Requests that may wait; what comes beyond is refused as `overloaded`.
  /// Every lane has one flush and one act under way, so this is lanes × 2.
  std::size_t queue_limit = 4'096;

  session_config session;

  /// Between attempts to connect.
  backoff_config delays{.initial = std::chrono::milliseconds{100},
                        .max = std::chrono::milliseconds{5'000},
                        .jitter = 0.5};

  /// How a SESSION is made; unset makes detached ones. For tests.
  std::function<session_actor(pool_actor::pointer, uint32_t index)> spawn;
};

/// Names the first limit that makes no sense, or returns nothing.
std::optional<std::string> validate(const pool_config& config);

/// Hands work to the sessions of one tenant, first come, first served.
///
/// While no session has a connection, requests are refused at once with the
/// reason, waiting ones too: nothing of them was sent, so whoever asked can
/// decide anew. A session that ends is replaced; what it did is lost in doubt.
/// After each reconnect the listeners are told before any work is done on the
/// new connection (rule 22).
class pool_state {
public:
  static inline const char* name = "millrace.pool";

  pool_state(pool_actor::pointer self, pool_config config);
  ~pool_state();

  pool_actor::behavior_type make_behavior();

private:
  enum class condition : uint8_t { connecting, idle, busy, down };

  struct slot {
    session_actor handle;
    condition now = condition::connecting;

    /// A new connection here stands in for one that is lost.
    bool had_connection = false;
  };

  /// A request that waits: exactly one of the two is called.
  struct waiting {
    std::move_only_function<void(const session_actor&)> hand_over;
    std::move_only_function<void(const caf::error&)> refuse;
  };

  template <class Result, class Request>
  caf::typed_response_promise<Result> submit(Request& x);

  /// Itself, and its sessions as children.
  caf::typed_response_promise<actor_report> inspect();

  void on_notice(const session_notice& x);
  void on_down(const caf::down_msg& x);
  void on_connected(slot& x);
  void on_lost(slot& x, const session_notice& why);
  void open_session(uint32_t index);
  void grow();
  void dispatch();
  void fail_waiting();
  slot* find_idle();
  uint32_t count(condition x) const;
  bool hopeless() const;
  void show();

  pool_actor::pointer self_;
  pool_config config_;
  vitals vitals_{name, "connecting"};
  pool_metrics metrics_;

  std::vector<slot> sessions_;
  std::deque<waiting> waiting_;
  std::vector<caf::actor> listeners_;

  /// Lanes to be woken; each asks anew, so there is one entry per lane.
  std::vector<caf::actor> sleepers_;
  uint64_t generation_ = 0;
  int64_t requests_ = 0;

  /// Why the last connection was lost or not made.
  store_errc last_code_ = store_errc::unavailable;
  std::string last_reason_;
};

/// The spawnable type: `self->spawn<pool>(config)`.
using pool = pool_actor::stateful_impl<pool_state>;

/// Makes one below `parent`. Here, so that only this file pays for the
/// templates behind it.
pool_actor spawn_pool(caf::local_actor* parent, pool_config config);

} // namespace millrace
