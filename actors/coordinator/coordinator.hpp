#pragma once

#include "actors/admin/metrics.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/coordinator/coordinator_lease.hpp"
#include "actors/coordinator/coordinator_task.hpp"
#include "actors/coordinator/wake_limit.hpp"
#include "messages/supervision.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// What a COORDINATOR stands by for.
struct coordinator_config {
  /// As the configuration names it.
  std::string database;

  /// This node.
  std::string node;

  /// Of the lease alone, so that nothing that takes long keeps it from being
  /// renewed. Its timeouts have to be shorter than a term.
  session_config session;

  lease_timing timing;

  /// What is done while this node coordinates.
  std::vector<coordinator_task_config> tasks;
};

/// The COORDINATOR interface: one per node and database.
using coordinator_actor = caf::typed_actor<
  // Looks after the lease now.
  caf::result<void>(go_on_atom),
  // With the tasks below it, while there are any.
  caf::result<actor_report>(inspect_atom)>;

/// A candidate for the lease of one database; while it has it, runs the tasks
/// that one node does for all (protocol.md, rule 23).
///
/// Hears with each renewal whether a lane found no partition for a row, and
/// wakes the task that makes them, once a second at most.
///
/// Needs a thread of its own: it asks the database, and a server that does not
/// answer is given up after the session's timeouts. Meanwhile tasks see by
/// themselves that the lease is over, and the database refuses their
/// transactions. When it ends, its tasks end before, and the lease is given
/// back.
class coordinator_state {
public:
  static inline const char* name = "millrace.coordinator";

  /// Throws std::invalid_argument when the timing makes no sense.
  coordinator_state(coordinator_actor::pointer self, coordinator_config config);

  coordinator_actor::behavior_type make_behavior();

private:
  using promise = caf::typed_response_promise<actor_report>;

  void turn();
  void ask(lease_step step);
  bool connected();
  void on_error(const store_error& x);
  void follow();
  void hear();
  void begin_tasks();
  void end_tasks();
  void on_tasks_ended();
  void stop();
  void resign();
  void note(const std::string& trouble);
  caf::result<actor_report> inspect_all();
  actor_report own_report();

  coordinator_actor::pointer self_;
  coordinator_config config_;
  coordinator_lease lease_;
  int_gauge* active_;
  vitals vitals_{name, "standby"};
  std::optional<connection> conn_;

  /// Who coordinates when it is not this node; and what went wrong last.
  std::string holder_;
  std::string trouble_;

  /// Of the term that this node has, or has lost.
  held_lease_ptr held_;
  supervisor_actor tasks_;

  /// Those that wake for rows without a partition, as the supervisor has made
  /// them last, in a thread of its own.
  struct woken_tasks {
    std::mutex mutex;
    std::map<std::string, caf::actor> all;
  };

  std::shared_ptr<woken_tasks> woken_;
  wake_limit wakes_;
  int64_t terms_ = 0;
  bool stopping_ = false;
};

/// The spawnable type.
using coordinator = coordinator_actor::stateful_impl<coordinator_state>;

/// Makes one below `parent`, with a thread of its own.
caf::actor spawn_coordinator(caf::local_actor* parent,
                             coordinator_config config);

} // namespace millrace
