#include "actors/coordinator/partition_roller.hpp"

#include "actors/cluster/log.hpp"
#include "actors/coordinator/migration_session.hpp"
#include "actors/coordinator/partition_store.hpp"

#include <utility>

namespace millrace {

namespace {

/// One go over all tables.
class rolling {
public:
  rolling(connection& conn, const held_lease& lease,
          const std::atomic<bool>& stop)
    : store_{conn, lease},
      lease_{lease},
      stop_{stop} {
  }

  task_result run(const std::vector<partition_policy>& policies,
                  std::chrono::milliseconds lock_timeout) {
    result_.passing = true;
    auto mine = store_.take(lock_timeout);
    if (!mine) {
      fail({}, mine.error());
      return std::move(result_);
    }
    if (!*mine) {
      result_.failure = "another session is at the partitions";
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

  store_result<void> roll(const partition_policy& policy) {
    auto finished = store_.finish(policy);
    if (!finished)
      return std::unexpected{std::move(finished.error())};
    result_.done += *finished;
    auto table = store_.read(policy);
    if (!table)
      return std::unexpected{std::move(table.error())};
    auto now = store_.now();
    if (!now)
      return std::unexpected{std::move(now.error())};
    auto plan = plan_partitions(policy, *table, *now);
    auto before = result_.done;
    auto done = carry_out(policy, *table, plan);
    if (result_.done > before)
      log::info("partitions-rolled", {{"table", to_string(policy)},
                                      {"done", result_.done - before},
                                      {"planned_new", plan.make.size()},
                                      {"planned_old", plan.drop.size()}});
    if (done && !plan.problems.empty()) {
      std::string all;
      for (const auto& x : plan.problems)
        all += (all.empty() ? "" : "; ") + x;
      return std::unexpected{store_error{store_errc::refused, {}, all}};
    }
    return done;
  }

  store_result<void> carry_out(const partition_policy& policy,
                               const known_table& table,
                               const partition_plan& plan) {
    auto count = [this](const store_result<void>& x) {
      result_.done += x.has_value();
      return x.has_value();
    };
    for (const auto& x : plan.make) {
      if (!goes_on())
        return {};
      if (auto done = store_.make(policy, table, x); !count(done))
        return done;
    }
    if (plan.make_default && goes_on())
      if (auto done = store_.make_default(policy, *plan.make_default);
          !count(done))
        return done;
    for (const auto& x : plan.drop) {
      if (!goes_on())
        return {};
      auto done = store_.remove(policy, table, x);
      if (!count(done))
        return done;
      log::info("partition-dropped",
                {{"table", to_string(policy)}, {"partition", x.name}});
    }
    return {};
  }

  partition_store store_;
  const held_lease& lease_;
  const std::atomic<bool>& stop_;
  task_result result_;
};

} // namespace

task_work partitions_in_term(std::vector<partition_policy> policies,
                             std::chrono::milliseconds lock_timeout) {
  return [policies = std::move(policies),
          lock_timeout](connection& conn, const held_lease& lease,
                        const std::atomic<bool>& stop) {
    return rolling{conn, lease, stop}.run(policies, lock_timeout);
  };
}

} // namespace millrace
