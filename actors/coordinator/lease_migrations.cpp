#include "actors/coordinator/lease_migrations.hpp"

#include "actors/cluster/log.hpp"
#include "actors/coordinator/migrator.hpp"

#include <algorithm>
#include <expected>
#include <utility>

namespace millrace {

namespace {

/// Applies what is missing; how many files that were.
std::expected<int64_t, std::string> bring_up(migrator& worker,
                                             const migration_job& job) {
  auto files = files_of(job);
  if (!files)
    return std::unexpected{files.error()};
  auto status = worker.status(*files, job.target);
  if (!status)
    return std::unexpected{status.error()};
  if (std::ranges::count(*status, migration_state::pending,
                         &migration_status::state)
      == 0)
    return 0;
  auto report = worker.up(*files, job.target);
  if (!report)
    return std::unexpected{report.error()};
  log::info("migrated", {{"set", job.set},
                         {"schema", job.target.schema},
                         {"applied", report->applied.size()},
                         {"ms", report->duration.count()}});
  return static_cast<int64_t>(report->applied.size());
}

} // namespace

task_work migrations_in_term(std::vector<migration_job> jobs,
                             std::chrono::milliseconds lock_timeout) {
  return [jobs = std::move(jobs), lock_timeout](connection& conn,
                                                const held_lease& lease,
                                                const std::atomic<bool>& stop) {
    migrator_options options;
    options.lock_timeout = lock_timeout;
    options.guard = [&lease](connection& x) {
      return check_lease(x, lease.term());
    };
    options.stop = [&] { return stop || !lease.holds(); };
    migrator worker{conn, std::move(options)};
    task_result result;
    for (const auto& job : jobs) {
      if (stop || !lease.holds())
        return task_result{std::string{lease_in_doubt}, true, result.done};
      auto done = bring_up(worker, job);
      if (done)
        result.done += *done;
      else
        result.failure += (result.failure.empty() ? "" : "; ") + job.set
                          + " in schema " + job.target.schema + ": "
                          + done.error();
    }
    return result;
  };
}

} // namespace millrace
