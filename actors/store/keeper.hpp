#pragma once

#include "actors/admin/metrics.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/store/retention.hpp"
#include "actors/store/session_config.hpp"
#include "messages/lane.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

namespace millrace {

/// What a KEEPER does.
struct keeper_config {
  /// As the configuration names it.
  std::string database;

  session_config session;
  retention_rules rules;

  /// Between two looks; the first one comes after a tenth of it.
  std::chrono::milliseconds interval{3'600'000};

  std::string node;
};

/// The KEEPER interface: one per node and database.
using keeper_actor = caf::typed_actor<
  // Looks now, unless it does already.
  caf::result<void>(go_on_atom), caf::result<actor_report>(inspect_atom)>;

/// Keeps dead letters within `[dead_letters]`, and warns well before any go.
///
/// The work is done by a helper with a thread and a connection of its own,
/// which ends with it; of several nodes only one works at a time. A failure is
/// logged and the next look tries again: nothing here is urgent.
class keeper_state {
public:
  static inline const char* name = "millrace.keeper";

  keeper_state(keeper_actor::pointer self, keeper_config config);
  ~keeper_state();

  keeper_actor::behavior_type make_behavior();

private:
  /// What the helper leaves behind.
  struct job {
    std::atomic<bool> stop = false;
    bool mine = false;
    retention_survey found;
    int64_t removed = 0;
    std::string failure;
  };

  static void work(const keeper_config& config, job& x);

  void look();
  void on_done();
  void look_after(std::chrono::milliseconds delay);

  keeper_actor::pointer self_;
  keeper_config config_;
  keeper_metrics metrics_;
  vitals vitals_{name, "idle"};
  std::shared_ptr<job> job_;
  int64_t looks_ = 0;
  int64_t removed_ = 0;
};

/// The spawnable type.
using keeper = keeper_actor::stateful_impl<keeper_state>;

/// Makes one below `parent`.
caf::actor spawn_keeper(caf::local_actor* parent, keeper_config config);

} // namespace millrace
