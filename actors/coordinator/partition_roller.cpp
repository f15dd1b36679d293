#include "actors/coordinator/partition_roller.hpp"

#include "actors/cluster/log.hpp"
#include "actors/coordinator/partition_round.hpp"

#include <format>
#include <utility>

namespace millrace {

namespace {

/// Tables that are named; of more only their number is told.
constexpr std::size_t max_named = 3;

/// How far ahead the tables of a go are.
class round_reach {
public:
  void add(const partition_policy& policy, const partition_reach& x,
           int64_t unarchived) {
    if (x.by_itself)
      return;
    ahead_.push_back(
      {policy.pipeline, policy.tenant, policy.table, x.ahead, unarchived});
    if (x.ahead >= x.wanted || ++lacking_ > max_named)
      return;
    text_ += std::format("{}{} has partitions for {} of {} periods ahead",
                         text_.empty() ? "" : "; ", to_string(policy), x.ahead,
                         x.wanted);
  }

  void tell(task_result& to) && {
    if (lacking_ > max_named)
      text_ += std::format("; so have {} others", lacking_ - max_named);
    if (lacking_ > 0)
      text_ += "; see millrace partitions plan";
    to.lacking = std::move(text_);
    to.ahead = std::move(ahead_);
  }

private:
  std::vector<partitions_ahead> ahead_;
  std::size_t lacking_ = 0;
  std::string text_;
};

} // namespace

task_work partitions_in_term(std::vector<partition_policy> policies,
                             std::chrono::milliseconds lock_timeout,
                             std::string by) {
  round_config common;
  common.lock_timeout = lock_timeout;
  common.by = std::move(by);
  common.did = [](const partition_policy& policy, std::string_view verb,
                  const std::string& name) {
    if (verb == partition_dropped)
      log::info("partition-dropped",
                {{"table", to_string(policy)}, {"partition", name}});
    else if (verb == partition_archived)
      log::info("partition-archived",
                {{"table", to_string(policy)}, {"manifest", name}});
  };
  return [policies = std::move(policies),
          common = std::move(common)](connection& conn, const held_lease& lease,
                                      const std::atomic<bool>& stop) {
    round_reach reach;
    auto config = common;
    config.saw = [&reach](const partition_policy& policy,
                          const table_round& x) {
      reach.add(policy, x.reach, x.unarchived);
      if (x.done > 0)
        log::info("partitions-rolled", {{"table", to_string(policy)},
                                        {"done", x.done},
                                        {"planned_new", x.planned_new},
                                        {"planned_old", x.planned_old}});
    };
    auto result = roll_partitions(conn, lease, stop, policies, config);
    std::move(reach).tell(result);
    return result;
  };
}

} // namespace millrace
