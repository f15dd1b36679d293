#pragma once

#include "actors/cluster/restart_policy.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/store/connection.hpp"
#include "actors/store/flush.hpp"
#include "actors/store/session_config.hpp"
#include "actors/store/session_slots.hpp"
#include "messages/store.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>

namespace millrace {

/// Owns one connection and does one piece of work at a time. Spawn it
/// detached: it blocks, for at most about 100 ms during a flush or a connect,
/// and for the length of a statement otherwise.
///
/// Connects by itself, again and again with a growing delay; tells its POOL
/// when it is up, idle or down. While idle it looks at the connection every
/// second, so that a restarted server is noticed without work. Ends with its
/// POOL, or when that wants one session less. Then the connection goes to the
/// pool that is next in line for one, if that is of the same kind; otherwise it
/// waits until the server has given up the connection, as another pool may
/// count on that. If it ends in the middle of a flush, that flush is in doubt.
class session_state {
public:
  static inline const char* name = "millrace.session";

  session_state(session_actor::pointer self, session_config config,
                backoff_config delays, uint32_t index, session_slot right,
                pool_actor pool);

  session_actor::behavior_type make_behavior();

private:
  using clock = std::chrono::steady_clock;

  void end(const caf::error& reason);

  void give_up_connection();
  void tick();
  void connect();

  /// The connection of another pool, if one came with the slot.
  bool take_over();
  void up();
  void tick_after(std::chrono::milliseconds delay);

  caf::typed_response_promise<flush_result> start_flush(flush&& work);
  void step();

  /// Runs one synchronous act of the lane store.
  template <class Result, class Act>
  caf::typed_response_promise<Result> act(Act what);

  /// After each piece of work: idle or down.
  void done(bool wrote = false, schema_sight tables = schema_sight::unknown,
            std::string why = {});
  void lost(store_errc code, std::string reason);
  void tell(session_notice::kind what,
            store_errc code = store_errc::unavailable, std::string reason = {},
            bool wrote = false, schema_sight tables = schema_sight::unknown);

  session_actor::pointer self_;

  /// Before the connection: given back after that is closed.
  session_slot right_;
  session_config config_;
  uint32_t index_;
  pool_actor pool_;
  backoff delays_;
  std::mt19937_64 chance_;

  std::optional<connector> connecting_;
  std::optional<connection> conn_;

  /// How many pools have had it before.
  uint32_t passed_ = 0;
  vitals vitals_{name, "connecting"};
  int64_t flushes_ = 0;
  int64_t acts_ = 0;
  clock::time_point up_since_;
  bool was_up_ = false;
  uint64_t ticks_ = 0;

  /// The flush in progress and who waits for it. After `conn_`: a run that
  /// goes away closes its connection.
  std::unique_ptr<flush_run> run_;
  caf::typed_response_promise<flush_result> waiting_;
};

/// The spawnable type.
using session = session_actor::stateful_impl<session_state>;

} // namespace millrace
