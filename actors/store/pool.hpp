#pragma once

#include "actors/admin/metrics.hpp"
#include "actors/cluster/restart_policy.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/store/session_config.hpp"
#include "actors/store/session_slots.hpp"
#include "actors/store/tenant_back_off.hpp"
#include "actors/store/tenant_parking.hpp"
#include "messages/store.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace millrace {

/// Limits of a POOL.
struct pool_config {
  std::string tenant;

  /// As the configuration names it; for metrics.
  std::string database;

  /// Connections at most. The first one is made at once, the others when work
  /// waits and nobody is idle.
  uint32_t sessions = 4;

  /// What the pools of the node share; unset: no limit but the one above.
  std::shared_ptr<session_slots> slots;

  /// Flushes at the same time, of all that share it; unset: as many as there
  /// are sessions. Lanes that wait for their turn go on collecting rows, so a
  /// server with more tenants than it has processors gets fewer and larger
  /// flushes.
  std::shared_ptr<session_slots> flushes;

  /// A flush that takes longer lets the next one begin: it may wait for a lock,
  /// and others must not wait with it.
  std::chrono::milliseconds flush_turn{1'000};

  /// An idle connection is closed after it; 0: never.
  std::chrono::milliseconds idle_timeout{300'000};

  /// While pools with fewer connections wait for one, a connection of a pool
  /// that has more work is closed after this long; later where it took long to
  /// connect, or the node would do nothing else.
  std::chrono::milliseconds turn{250};

  /// Requests that may wait; what comes beyond is refused as `overloaded`.
  /// Every lane has one flush and one act under way, so this is lanes × 2.
  std::size_t queue_limit = 4'096;

  session_config session;

  /// While the tenant is parked: a lane that does not try for so long is
  /// replaced by the next one that comes. Longer than lanes wait between tries.
  std::chrono::milliseconds park_patience{60'000};

  /// While the server is short of something: between tries.
  backoff_config room_delays{.initial = std::chrono::milliseconds{100},
                             .max = std::chrono::milliseconds{10'000}};

  /// Then: a lane whose turn it is to try, and that does not come for so long,
  /// is passed over. It may have to read a record once more before.
  std::chrono::milliseconds room_patience{1'000};

  /// Between attempts to connect.
  backoff_config delays{.initial = std::chrono::milliseconds{100},
                        .max = std::chrono::milliseconds{5'000},
                        .jitter = 0.5};

  /// How a SESSION is made; unset makes detached ones. For tests.
  std::function<session_actor(pool_actor::pointer, uint32_t index,
                              session_slot right)>
    spawn;
};

/// Names the first limit that makes no sense, or returns nothing.
std::optional<std::string> validate(const pool_config& config);

/// Hands work to the sessions of one tenant, first come, first served.
///
/// Sessions are opened when work waits and closed when they are idle for long,
/// or when a pool that shares `slots` waits for one; there may be none. Work
/// that comes then waits for its turn.
///
/// A flush that finds the tenant's tables unusable *parks* the tenant: flushes
/// of its other lanes are refused until one of that lane gets through, and then
/// told to go on (rule 20).
///
/// When the server is short of memory, disk or connections, the tenant *backs
/// off*: flushes of its lanes are refused, and what comes before: takeovers,
/// loads, reading what waits. One lane at a time is told to try, and when its
/// flush gets through all others are.
///
/// While no session can connect, requests are refused at once with the reason,
/// waiting ones too: nothing of them was sent, so whoever asked can decide
/// anew. A session that ends is replaced; what it did is lost in doubt. After
/// each reconnect the listeners are told before any work is done on the new
/// connection (rule 22). A connection that the pool has closed itself and made
/// again is none, unless the server was started in between: nobody can have
/// taken back what was committed.
class pool_state {
public:
  static inline const char* name = "millrace.pool";

  pool_state(pool_actor::pointer self, pool_config config);
  ~pool_state();

  pool_actor::behavior_type make_behavior();

private:
  using time_point = caf::actor_clock::time_point;

  /// `closing` until the session has ended; nobody has a `closed` one's place.
  enum class condition : uint8_t {
    connecting,
    idle,
    busy,
    down,
    closing,
    closed,
  };

  /// What a lane asks for, and may have to wait for.
  struct lane_work {
    lane_id lane;
    bool flushes = false;
    caf::strong_actor_ptr asker;

    /// Tries whether there is room again.
    bool probe = false;
  };

  static bool is_flush(const std::optional<lane_work>& x) {
    return x && x->flushes;
  }

  struct slot {
    session_actor handle;
    condition now = condition::connecting;

    /// A new connection here stands in for one that is lost.
    bool had_connection = false;

    /// What it does for a lane, if it does.
    std::optional<lane_work> work;

    /// While that is a flush, and since when.
    std::optional<session_slot> turn;
    time_point turn_since;

    bool has_turn() const noexcept {
      return turn.has_value();
    }

    /// Since when it tries to connect, is connected, and idle.
    time_point opened;
    time_point up_since;
    time_point idle_since;

    /// Of a connection, while others wait for one.
    std::chrono::nanoseconds turn_length{0};
  };

  /// A request that waits: exactly one of the two is called.
  struct waiting {
    std::optional<lane_work> work;
    std::move_only_function<void(const session_actor&)> hand_over;
    std::move_only_function<void(const caf::error&)> refuse;
  };

  template <class Result, class Request>
  caf::typed_response_promise<Result> submit(Request& x);

  /// Has it done there; or returns false, as a flush waits for its turn. Only
  /// with a session at hand: whoever is called and has none lets the turn pass.
  bool assign(slot& to, std::optional<lane_work>& work);

  /// Itself, and its sessions as children.
  caf::typed_response_promise<actor_report> inspect();

  // -- what lanes wait for (rule 20): in pool_holds.cpp -----------------------

  /// Why a lane has to wait, if it has to. Then it is told later to go on.
  std::optional<caf::error> held_back(const std::optional<lane_work>& work);

  /// The same while there is no connection.
  caf::error no_connection(const std::optional<lane_work>& work);

  /// A lane's work is sent, and what has become of it.
  void begin(lane_work& x);
  void judge(slot& x, const session_notice& how);
  void judge_tables(const lane_id& lane, const session_notice& x);
  void judge_room(const lane_work& work, const session_notice& x);
  void call_probe();
  void call_next();

  /// The tenant does not back off any more.
  void go_on();
  void wake_held();
  void tell_state();

  void on_notice(const session_notice& x);
  void on_down(const caf::down_msg& x);
  void on_connected(slot& x, const session_notice& how);
  void on_idle(slot& x, bool wrote);
  void on_done(slot& x, const session_notice& how);
  void on_lost(slot& x, const session_notice& why);
  void open_session(session_slot right);
  void close_session(slot& x);

  /// Opens or closes what the others, time and the work that waits ask for.
  void tend();
  void make_way();
  void close_idle();
  void pass_turns();
  void grow();
  bool wants_session() const;
  void look_after(std::chrono::nanoseconds delay);

  void dispatch();
  void fail_waiting();
  slot* find_idle();
  uint32_t count(condition x) const;

  /// Sessions that have, make or had a connection.
  uint32_t open() const;
  bool hopeless() const;
  time_point now() const;
  void show();

  pool_actor::pointer self_;
  pool_config config_;
  vitals vitals_{name, "connecting"};
  pool_metrics metrics_;

  std::shared_ptr<session_slots> slots_;
  session_slots::seat seat_;
  std::shared_ptr<session_slots> flushes_;
  session_slots::seat flush_seat_;
  tenant_parking parking_;

  /// Lanes whose flushes were refused because of it.
  std::vector<caf::actor> parked_;
  tenant_back_off back_off_;

  /// Lanes that wait because of it, in the order of their turns; or for a
  /// connection that the server has none of to spare.
  std::vector<caf::actor> held_;

  /// What the metrics that the pools share hold of this one.
  database_use shown_;

  std::vector<slot> sessions_;
  std::deque<waiting> waiting_;
  std::vector<caf::actor> listeners_;

  /// Lanes to be woken; each asks anew, so there is one entry per lane.
  std::vector<caf::actor> sleepers_;
  uint64_t generation_ = 0;
  int64_t requests_ = 0;

  /// A session is wanted though no work waits: at first, and after the last
  /// one could not connect and made way.
  bool eager_ = true;

  /// Without a session: when to try again.
  backoff retries_;
  std::mt19937_64 chance_;
  time_point not_before_;

  /// When the next look is due; nothing when none is.
  std::optional<time_point> next_look_;

  /// Of the last connection.
  int64_t server_started_us_ = 0;

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
