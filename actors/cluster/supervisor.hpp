#pragma once

#include "actors/cluster/restart_policy.hpp"
#include "messages/supervision.hpp"

#include <caf/actor.hpp>
#include <caf/disposable.hpp>
#include <caf/error.hpp>
#include <caf/fwd.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Makes a child. Runs inside the supervisor and must not block; may throw.
/// Gets the supervisor to spawn with: `self->spawn<pool>(…)`,
/// `self->spawn<session, caf::detached>(…)`, typed handles through
/// `caf::actor_cast<caf::actor>`. State never carries over from one start to
/// the next, so capture configuration only.
using child_factory = std::function<caf::actor(caf::local_actor* self)>;

/// How to make and keep one child.
struct child_spec {
  /// Unique among its siblings; logs, the tree and commands use it.
  std::string name;

  child_factory factory = nullptr;

  restart_kind restart = restart_kind::permanent;

  /// A child that parks has a restart limit of its own; all others share the
  /// supervisor's.
  limit_reaction on_limit = limit_reaction::escalate;

  /// How long an orderly stop may take before the child is killed. A child
  /// that is a supervisor needs the sum of its children's; `supervisor_child`
  /// computes it.
  std::chrono::milliseconds stop_grace{5'000};
};

/// What a SUPERVISOR is made of.
struct supervisor_config {
  /// For logs and the tree: `node`, `tenant acme`, …
  std::string name;

  /// Started in this order, stopped in the opposite one.
  std::vector<child_spec> children = {};

  backoff_config backoff = {};

  /// Restarts of all children that escalate, together; and of each child that
  /// parks, by itself.
  restart_limit limit = {};

  /// A parked child is tried again after this time. Long: it has failed
  /// `limit.max_restarts` times in a row.
  std::chrono::milliseconds park_retry{300'000};

  /// Children that do not answer an inspection by then appear as `no answer`.
  /// A supervisor of supervisors needs more than those have.
  std::chrono::milliseconds inspect_timeout{500};

  /// After a kill, wait this long for the child's end, then go on without it:
  /// a detached actor that hangs in a call cannot be killed.
  std::chrono::milliseconds kill_grace{1'000};

  /// More children than this are refused.
  std::size_t max_children = 10'000;

  /// More listeners than this are ignored, with a line in the log.
  std::size_t max_listeners = 1'000;

  /// Feeds the jitter. Nothing: from the system's random source.
  std::optional<uint64_t> seed = {};

  /// The root's way to end the process. Called once, after the children are
  /// gone, when the restart limit was passed; never for an orderly stop.
  std::function<void(const std::string& message)> on_escalation = nullptr;
};

/// Names the first value that makes no sense, or returns nothing.
std::optional<std::string> validate(const child_spec& spec);
std::optional<std::string> validate(const supervisor_config& config);

/// A child that is itself a supervisor, with time enough to stop its children.
/// Children added at run time are not counted: raise `stop_grace` for them.
child_spec supervisor_child(supervisor_config config);

/// The text that logs, reports and escalations show for an exit reason.
std::string reason_text(const caf::error& reason);

/// Keeps its children running, one for one: an exit concerns nobody but the
/// child, until exits become too many.
///
/// A child that fails starts again after a delay that grows with each failure.
/// Past the limit of restarts the child is parked, or the supervisor stops all
/// its children in order and ends with `supervision_errc::restart_limit`; its
/// own supervisor then treats that as any other failure, and at the root
/// `on_escalation` ends the process.
///
/// Guarantees: at most one instance of a child is alive at any time, unless it
/// outlived its kill (logged as `child-abandoned`); a stop takes bounded time;
/// children never outlive the supervisor's end unless abandoned.
class supervisor_state {
public:
  static inline const char* name = "millrace.supervisor";

  /// Throws std::invalid_argument when `validate` complains.
  supervisor_state(supervisor_actor::pointer self, supervisor_config config);

  supervisor_actor::behavior_type make_behavior();

private:
  using promise = caf::typed_response_promise<void>;

  enum class child_state : uint8_t {
    running,
    /// Ended; a timer starts it again.
    waiting,
    parked,
    /// Told to stop, or killed, and not yet gone.
    stopping,
  };

  enum class after_stop : uint8_t { restart, forget };

  struct child {
    child(child_spec what, const supervisor_config& config);

    child_spec spec;
    caf::actor handle;
    child_state state = child_state::waiting;
    after_stop then = after_stop::forget;
    bool killed = false;
    int64_t starts = 0;
    int64_t since_ms = 0;
    restart_clock::time_point started_at;
    std::string last_failure;
    backoff delays;
    restart_window window;

    /// The next start, kill or giving up; a change of state voids it.
    caf::disposable timer;

    /// Who wants to know when the stop is done.
    std::vector<promise> waiting;

    /// Which of its starts was asked for a report and has not answered yet. It
    /// is not asked again, so that no questions pile up in front of it.
    int64_t asked = 0;
  };

  using child_ptr = std::shared_ptr<child>;

  // -- messages ---------------------------------------------------------------

  caf::result<actor_report> inspect_all();
  caf::result<void> add(const child_spec_ptr& spec);
  caf::result<void> remove(const std::string& name);
  caf::result<void> restart(const std::string& name);
  void subscribe(const caf::actor& listener);
  caf::result<void> stop();
  void on_down(const caf::down_msg& msg);

  // -- one child --------------------------------------------------------------

  void start(const child_ptr& x);

  /// Starts with no failures on record.
  void start_afresh(const child_ptr& x);
  void on_exit(const child_ptr& x, const caf::error& reason);
  void restart_later(const child_ptr& x);
  void park(const child_ptr& x);
  void begin_stop(const child_ptr& x, after_stop then);
  void kill(const child_ptr& x);
  void abandon(const child_ptr& x);
  void on_stopped(const child_ptr& x);
  void forget(const child_ptr& x);
  void enter(child& x, child_state state);
  void release(child& x);

  /// Does something about the child later, unless it changes state before.
  void after(const child_ptr& x, std::chrono::milliseconds delay,
             void (supervisor_state::*what)(const child_ptr&));
  void tell_waiting(child& x);
  actor_report describe(const child& x) const;

  // -- the whole --------------------------------------------------------------

  void escalate(const child& x);
  void begin_shutdown(caf::error reason);
  void stop_next();
  void finish();

  child_ptr find(std::string_view name) const;
  restart_clock::time_point now() const;

  supervisor_actor::pointer self_;
  supervisor_config config_;
  std::mt19937_64 chance_;
  restart_window window_;
  int64_t since_ms_;
  int64_t restarts_ = 0;
  int64_t parked_ = 0;
  int64_t abandoned_ = 0;

  std::vector<child_ptr> children_;
  std::vector<caf::actor> listeners_;

  /// What lives now, shared with the hook that ends it should the supervisor
  /// itself be killed or throw.
  std::shared_ptr<std::vector<caf::actor>> living_;

  /// Set once the whole supervisor stops.
  std::optional<caf::error> ending_;
  std::vector<promise> waiting_for_end_;
};

/// The spawnable type: `sys.spawn<supervisor>(config)`.
using supervisor = supervisor_actor::stateful_impl<supervisor_state>;

} // namespace millrace
