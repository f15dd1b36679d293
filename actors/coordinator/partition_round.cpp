#include "actors/coordinator/partition_round.hpp"

#include "actors/coordinator/migration_session.hpp"
#include "actors/coordinator/partition_catalog.hpp"
#include "actors/coordinator/partition_store.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

namespace millrace {

namespace {

/// One go over all tables.
class rolling {
public:
  rolling(connection& conn, const held_lease& lease,
          const std::atomic<bool>& stop, const round_config& config,
          std::optional<std::chrono::milliseconds> older_than = {})
    : catalog_{conn},
      store_{conn, lease, stop, config.by},
      lease_{lease},
      stop_{stop},
      config_{config},
      older_than_{older_than} {
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

  store_result<void> before(const partition_policy& policy) const {
    return config_.before ? config_.before(policy) : store_result<void>{};
  }

  void did(const partition_policy& policy, std::string_view verb,
           const std::string& partition) {
    if (config_.did)
      config_.did(policy, verb, partition);
  }

  void made(const partition_policy& policy, const std::string& partition) {
    ++result_.done;
    did(policy, partition_made, partition);
  }

  void removed(const partition_policy& policy, const std::string& partition,
               const std::filesystem::path& manifest) {
    ++result_.done;
    if (!manifest.empty())
      did(policy, partition_archived, manifest.string());
    did(policy, partition_dropped, partition);
  }

  store_result<void> roll(const partition_policy& policy) {
    auto before = result_.done;
    auto finished = finish(policy);
    if (!finished && !goes_on())
      return finished;
    auto table = catalog_.read(policy);
    if (!table)
      return std::unexpected{std::move(table.error())};
    auto now = catalog_.now();
    if (!now)
      return std::unexpected{std::move(now.error())};
    auto plan = plan_for(policy, *table, *now);
    // What keeps one removal from its end would keep the next one from it, too,
    // and must not keep rows from their partitions.
    auto planned_old = plan.drop.size();
    if (!finished)
      plan.drop.clear();
    auto done = carry_out(policy, *table, plan);
    if (config_.saw)
      config_.saw(policy, {result_.done - before, plan.make.size(), planned_old,
                           reach_of(policy, *table, *now),
                           finished && done ? 0 : unarchived(policy)});
    if (done && !plan.problems.empty()) {
      std::string all;
      for (const auto& x : plan.problems)
        all += (all.empty() ? "" : "; ") + x;
      done = std::unexpected{store_error{store_errc::refused, {}, all}};
    }
    if (!finished && !done)
      finished.error().message += "; " + text_of_error(done.error());
    return finished ? done : finished;
  }

  partition_plan plan_for(const partition_policy& policy,
                          const known_table& table, partition_time now) const {
    if (!older_than_)
      return plan_partitions(policy, table, now);
    partition_plan result;
    result.drop = plan_archive(policy, table, now, *older_than_);
    return result;
  }

  store_result<void> finish(const partition_policy& policy) {
    auto begun = catalog_.removals(policy);
    if (!begun)
      return std::unexpected{std::move(begun.error())};
    for (const auto& x : *begun) {
      if (!goes_on())
        return {};
      if (auto noted = before(policy); !noted)
        return noted;
      auto done = store_.finish(policy, x);
      if (!done)
        return std::unexpected{std::move(done.error())};
      if (x.there)
        removed(policy, x.what.name, *done);
    }
    return {};
  }

  int64_t unarchived(const partition_policy& policy) {
    if (policy.rules.archive.empty())
      return 0;
    auto begun = catalog_.removals(policy);
    return begun ? std::ranges::count_if(*begun,
                                         [](const begun_removal& x) {
                                           return x.detached && x.there;
                                         })
                 : 0;
  }

  /// Notes in `table` what it makes.
  store_result<void> carry_out(const partition_policy& policy,
                               known_table& table, const partition_plan& plan) {
    for (const auto& x : plan.make) {
      if (!goes_on())
        return {};
      auto done = before(policy);
      if (done)
        done = store_.make(policy, table, x);
      if (!done)
        return done;
      table.partitions.push_back(
        {policy.schema, x.name, x.range.from, x.range.to, false, false});
      made(policy, x.name);
    }
    if (plan.make_default && goes_on()) {
      const auto& name = *plan.make_default;
      auto done = before(policy);
      if (done)
        done = store_.make_default(policy, name);
      if (!done)
        return done;
      table.partitions.push_back({policy.schema, name, {}, {}, true, false});
      made(policy, name);
    }
    for (const auto& x : plan.drop) {
      if (!goes_on())
        return {};
      if (auto noted = before(policy); !noted)
        return noted;
      auto done = store_.remove(policy, table, x);
      if (!done)
        return std::unexpected{std::move(done.error())};
      removed(policy, x.name, *done);
    }
    return {};
  }

  partition_catalog catalog_;
  partition_store store_;
  const held_lease& lease_;
  const std::atomic<bool>& stop_;
  const round_config& config_;

  /// Nothing: what the policies say.
  std::optional<std::chrono::milliseconds> older_than_;
  task_result result_;
};

} // namespace

task_result roll_partitions(connection& conn, const held_lease& lease,
                            const std::atomic<bool>& stop,
                            const std::vector<partition_policy>& policies,
                            const round_config& config) {
  return rolling{conn, lease, stop, config}.run(policies);
}

task_result archive_partitions(connection& conn, const held_lease& lease,
                               const std::atomic<bool>& stop,
                               const std::vector<partition_policy>& policies,
                               std::chrono::milliseconds older_than,
                               const round_config& config) {
  return rolling{conn, lease, stop, config, older_than}.run(policies);
}

} // namespace millrace
