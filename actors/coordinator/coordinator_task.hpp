#pragma once

#include "actors/admin/metrics.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/coordinator/lease_store.hpp"
#include "actors/coordinator/task_result.hpp"
#include "actors/store/session_config.hpp"
#include "messages/lane.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace millrace {

/// One go. Runs in a thread of its own and may block; ends soon once `stop` is
/// set. Begins nothing unless the lease holds, and each of its transactions
/// begins with `check_lease`.
///
/// One that was broken off says so: the term may still turn out to hold, when
/// a renewal was only answered late.
using task_work = std::function<task_result(connection&, const held_lease&,
                                            const std::atomic<bool>& stop)>;

struct coordinator_task_config {
  /// Unique among a coordinator's: `migrator`, `partition roller`.
  std::string name;

  /// As the configuration names it.
  std::string database;

  session_config session;
  task_work work;

  /// Between two goes; 0: one that succeeds is the last one of the term.
  std::chrono::milliseconds interval{0};

  /// Goes to work as well when a row finds no partition.
  bool for_missed_partitions = false;

  /// After one that failed, and after one with a passing failure; half of it at
  /// least, as chance wants.
  std::chrono::milliseconds retry{60'000};
  std::chrono::milliseconds retry_soon{5'000};
};

/// The COORDINATOR TASK interface.
using coordinator_task_actor = caf::typed_actor<
  // Goes to work now, unless it does already.
  caf::result<void>(go_on_atom), caf::result<actor_report>(inspect_atom)>;

/// Does one of the coordinator's works, now and then, for as long as a term
/// lasts: MIGRATOR and PARTITION ROLLER are made of it.
///
/// The work is done by a helper with a thread and a session of its own. The
/// session's name tells the term, so that a takeover can end it; a helper that
/// outlives its term is refused by the database. Failures are tried again, and
/// logged when they are other ones than before. While something is not as it is
/// declared to be, it is `behind`.
class coordinator_task_state {
public:
  static inline const char* name = "millrace.coordinator-task";

  coordinator_task_state(coordinator_task_actor::pointer self,
                         coordinator_task_config config, held_lease_ptr lease);
  ~coordinator_task_state();

  coordinator_task_actor::behavior_type make_behavior();

private:
  /// What the helper leaves behind.
  struct job {
    std::atomic<bool> stop = false;
    task_result result;
  };

  static void work(const coordinator_task_config& config,
                   const held_lease& lease, job& x);

  void begin();
  void on_done();
  void begin_after(std::chrono::milliseconds delay);
  void show(const std::vector<partitions_ahead>& figures);

  coordinator_task_actor::pointer self_;
  coordinator_task_config config_;
  held_lease_ptr lease_;
  vitals vitals_{name, "idle"};
  std::shared_ptr<job> job_;

  /// What did not succeed the last time, and what was not as declared.
  std::string trouble_;
  std::string lacking_;

  /// Of tables that were looked at in this term.
  std::set<int_gauge*> shown_;

  /// Of the timer that counts: another go makes those from before void.
  uint64_t timer_ = 0;
  int64_t goes_ = 0;
  int64_t failures_ = 0;
  int64_t done_ = 0;
};

/// The spawnable type.
using coordinator_task
  = coordinator_task_actor::stateful_impl<coordinator_task_state>;

/// Makes one below `parent`.
caf::actor spawn_coordinator_task(caf::local_actor* parent,
                                  coordinator_task_config config,
                                  held_lease_ptr lease);

} // namespace millrace
