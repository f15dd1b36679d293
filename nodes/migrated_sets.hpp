#pragma once

#include "actors/coordinator/migration_history.hpp"
#include "config/config.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// What this process has brought up, by the database that it is in: as it is
/// reached, whatever the configuration calls it. Another one in its place has
/// nothing yet. Holds secrets.
class migrated_sets {
public:
  void note(const postgresql_config& database, std::vector<migration_job> jobs);

  std::vector<migration_job> of(const postgresql_config& database) const;

private:
  using address = std::vector<std::pair<std::string, std::string>>;

  std::map<address, std::vector<migration_job>> all_;
};

} // namespace millrace
