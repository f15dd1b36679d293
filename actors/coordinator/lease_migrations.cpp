#include "actors/coordinator/lease_migrations.hpp"

#include "actors/coordinator/bring_up.hpp"

#include <utility>

namespace millrace {

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
