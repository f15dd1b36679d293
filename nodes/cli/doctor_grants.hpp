#pragma once

#include "actors/store/connection.hpp"
#include "config/config.hpp"
#include "nodes/cli/doctor_facts.hpp"

#include <string>
#include <vector>

namespace millrace::cli {

/// Finds out what the roles lack to write: that which logs in, and those that
/// tenants' sessions take on. Changes nothing. Blocks.
class grant_reader {
public:
  /// These outlive it. `role` is the one that logs in.
  grant_reader(connection& conn, const config& all,
               const postgresql_config& database, std::string role);

  /// Each grant once.
  store_result<std::vector<grant_fact>> read();

private:
  using names = std::vector<std::string>;

  store_result<void> read_login();
  store_result<void> read_tenant(const tenant_config& tenant);
  store_result<void> read_owner();
  store_result<void> lacks_schema(const std::string& role,
                                  const std::string& schema);
  store_result<void> lacks_temporary(const std::string& role);
  store_result<void> lacks_tables(const std::string& role,
                                  const std::string& schema,
                                  const names& tables, const names& privileges);

  /// Of the control schema, all but these.
  store_result<void> lacks_functions(const std::string& role,
                                     const names& but_these);
  void add(grant_fact x);

  connection& conn_;
  const config& all_;
  const postgresql_config& database_;
  std::string role_;
  std::vector<grant_fact> found_;
};

} // namespace millrace::cli
