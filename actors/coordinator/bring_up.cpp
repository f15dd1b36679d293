#include "actors/coordinator/bring_up.hpp"

#include "actors/cluster/log.hpp"

namespace millrace {

std::expected<int64_t, std::string> bring_up(migrator& worker,
                                             const migration_job& job) {
  auto files = files_of(job);
  if (!files)
    return std::unexpected{files.error()};
  auto report = worker.up(*files, job.target);
  if (!report)
    return std::unexpected{report.error()};
  auto number = std::ssize(report->applied) + std::ssize(report->repeated);
  if (number > 0)
    log::info("migrated", {{"set", job.set},
                           {"schema", job.target.schema},
                           {"applied", number},
                           {"ms", report->duration.count()}});
  return number;
}

} // namespace millrace
