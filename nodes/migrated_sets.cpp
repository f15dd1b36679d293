#include "nodes/migrated_sets.hpp"

namespace millrace {

void migrated_sets::note(const postgresql_config& database,
                         std::vector<migration_job> jobs) {
  all_[libpq_keywords(database)] = std::move(jobs);
}

std::vector<migration_job>
migrated_sets::of(const postgresql_config& database) const {
  auto i = all_.find(libpq_keywords(database));
  return i == all_.end() ? std::vector<migration_job>{} : i->second;
}

} // namespace millrace
