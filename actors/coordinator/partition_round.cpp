#include "actors/coordinator/partition_round.hpp"

#include "actors/coordinator/migration_session.hpp"
#include "actors/coordinator/partition_catalog.hpp"
#include "actors/coordinator/partition_store.hpp"

#include <utility>

namespace millrace {

namespace {

/// One go over all tables.
class rolling {
public:
  rolling(connection& conn, const held_lease& lease,
          const std::atomic<bool>& stop, const round_config& config)
    : catalog_{conn},
      store_{conn, lease},
      lease_{lease},
      stop_{stop},
      config_{config} {
  }

  task_result run(const std::vector<partition_policy>& policies) {
    result_.passing = true;
    auto mine = store_.take(config_.lock_timeout);
    if (!mine) {
      fail({}, mine.error());
      return std::move(result_);
    }
    if (!*mine) {
      result_.failure = partitions_busy;
      return std::move(result_);
    }
    for (const auto& x : policies) {
      if (goes_on())
        if (auto done = roll(x); !done)
          fail(to_string(x) + ": ", done.error());
      if (!goes_on())
        return {std::string{lease_in_doubt}, true, result_.done};
    }
    result_.passing = result_.passing && !result_.failure.empty();
    return std::move(result_);
  }

private:
  bool goes_on() const {
    return !stop_ && lease_.holds();
  }

  void fail(const std::string& where, const store_error& x) {
    result_.failure += (result_.failure.empty() ? "" : "; ") + where
                       + text_of_error(x);
    auto passing = x.code == store_errc::retry || x.code == store_errc::back_off
                   || x.code == store_errc::unavailable;
    result_.passing = result_.passing && passing;
  }

  void did(const partition_policy& policy, std::string_view verb,
           const std::string& partition) {
    ++result_.done;
    if (config_.did)
      config_.did(policy, verb, partition);
  }

  store_result<void> roll(const partition_policy& policy) {
    auto before = result_.done;
    if (auto finished = finish(policy); !finished)
      return finished;
    auto table = catalog_.read(policy);
    if (!table)
      return std::unexpected{std::move(table.error())};
    auto now = catalog_.now();
    if (!now)
      return std::unexpected{std::move(now.error())};
    auto plan = plan_partitions(policy, *table, *now);
    auto done = carry_out(policy, *table, plan);
    if (config_.saw)
      config_.saw(policy, {result_.done - before, plan.make.size(),
                           plan.drop.size(), reach_of(policy, *table, *now)});
    if (done && !plan.problems.empty()) {
      std::string all;
      for (const auto& x : plan.problems)
        all += (all.empty() ? "" : "; ") + x;
      return std::unexpected{store_error{store_errc::refused, {}, all}};
    }
    return done;
  }

  store_result<void> finish(const partition_policy& policy) {
    auto begun = catalog_.removals(policy);
    if (!begun)
      return std::unexpected{std::move(begun.error())};
    for (const auto& x : *begun) {
      if (auto done = store_.finish(policy, x); !done)
        return done;
      if (x.there)
        did(policy, partition_dropped, x.what.name);
    }
    return {};
  }

  /// Notes in `table` what it makes.
  store_result<void> carry_out(const partition_policy& policy,
                               known_table& table, const partition_plan& plan) {
    for (const auto& x : plan.make) {
      if (!goes_on())
        return {};
      if (auto done = store_.make(policy, table, x); !done)
        return done;
      table.partitions.push_back(
        {policy.schema, x.name, x.range.from, x.range.to, false, false});
      did(policy, partition_made, x.name);
    }
    if (plan.make_default && goes_on()) {
      const auto& name = *plan.make_default;
      if (auto done = store_.make_default(policy, name); !done)
        return done;
      table.partitions.push_back({policy.schema, name, {}, {}, true, false});
      did(policy, partition_made, name);
    }
    for (const auto& x : plan.drop) {
      if (!goes_on())
        return {};
      if (auto done = store_.remove(policy, table, x); !done)
        return done;
      did(policy, partition_dropped, x.name);
    }
    return {};
  }

  partition_catalog catalog_;
  partition_store store_;
  const held_lease& lease_;
  const std::atomic<bool>& stop_;
  const round_config& config_;
  task_result result_;
};

} // namespace

task_result roll_partitions(connection& conn, const held_lease& lease,
                            const std::atomic<bool>& stop,
                            const std::vector<partition_policy>& policies,
                            const round_config& config) {
  return rolling{conn, lease, stop, config}.run(policies);
}

} // namespace millrace
