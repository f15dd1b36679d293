#include "actors/coordinator/partition_roller.hpp"

#include "actors/cluster/log.hpp"
#include "actors/coordinator/partition_round.hpp"

#include <utility>

namespace millrace {

task_work partitions_in_term(std::vector<partition_policy> policies,
                             std::chrono::milliseconds lock_timeout) {
  round_config config;
  config.lock_timeout = lock_timeout;
  config.did = [](const partition_policy& policy, std::string_view verb,
                  const std::string& name) {
    if (verb == partition_dropped)
      log::info("partition-dropped",
                {{"table", to_string(policy)}, {"partition", name}});
  };
  config.saw = [](const partition_policy& policy, const table_round& x) {
    if (x.done > 0)
      log::info("partitions-rolled", {{"table", to_string(policy)},
                                      {"done", x.done},
                                      {"planned_new", x.planned_new},
                                      {"planned_old", x.planned_old}});
  };
  return [policies = std::move(policies),
          config = std::move(config)](connection& conn, const held_lease& lease,
                                      const std::atomic<bool>& stop) {
    return roll_partitions(conn, lease, stop, policies, config);
  };
}

} // namespace millrace
