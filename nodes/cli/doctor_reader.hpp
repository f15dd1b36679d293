#pragma once

#include "actors/coordinator/migration_history.hpp"
#include "actors/store/connection.hpp"
#include "config/config.hpp"
#include "nodes/cli/doctor_facts.hpp"

#include <string>
#include <vector>

namespace millrace::cli {

/// Finds out what one database is like. Changes nothing. Blocks.
class doctor_reader {
public:
  /// These outlive it.
  doctor_reader(connection& conn, const config& all,
                const postgresql_config& database);

  store_result<doctor_facts> read();

private:
  store_result<void> read_settings();
  store_result<void> read_sessions();
  store_result<void> read_migrations();
  store_result<void> read_set(const migration_job& job, bool is_configured);
  void note_broken(const migration_job& job, const std::string& why);
  store_result<void> read_invalid();
  store_result<void> read_bloat();
  store_result<void> read_holders();
  store_result<void> read_partitions();
  store_result<void> read_rehearsals();

  connection& conn_;
  const config& all_;
  const postgresql_config& database_;
  doctor_facts facts_;
};

} // namespace millrace::cli
