#pragma once

#include "actors/coordinator/migrator.hpp"
#include "actors/decode/decoder.hpp"
#include "actors/decode/program.hpp"
#include "actors/source/share_start.hpp"
#include "actors/store/connection.hpp"
#include "actors/store/session_config.hpp"
#include "actors/store/write_plan.hpp"
#include "config/config.hpp"
#include "messages/store_requests.hpp"
#include "nodes/prepare_failure.hpp"

#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// A pipeline with all that its actors for one database need to know before
/// they start.
struct prepared_pipeline {
  pipeline_config config;

  /// Name of the database.
  std::string database;
  program_ptr program;

  /// Of the program and its tenants: what the database has to have too.
  uint64_t map_fingerprint = 0;

  /// Which records are for the database; nothing when all are.
  std::optional<record_share> share;
  std::vector<share_start> share_starts;

  /// The pipeline's tenants in the database; `_unrouted` among them where it
  /// has its records.
  std::vector<boot_tenant> tenants;

  /// By tenant.
  std::map<std::string, write_plan_ptr> plans;
};

/// How a session of this node reaches a database, and which role it takes on
/// there; empty: that of the log-in. Holds secrets.
session_config make_session_config(const postgresql_config& database,
                                   const std::string& role = {});

/// For one database: applies or checks the migrations, reads the target tables
/// and compiles the mappings against them. All pipelines that are read for it.
/// Migrations that this process has brought up before are not looked at: one of
/// them may be under way in a tenant, for long, and others must not wait for
/// it. Blocks, while another migrator is at work in a schema that lacks
/// something for minutes; until `stop` says true, when it is not empty: that is
/// looked at between migrations, too, and between tenants.
std::expected<std::vector<prepared_pipeline>, prepare_failure>
prepare(const config& all, const postgresql_config& database,
        const std::vector<migration_job>& before = {},
        const std::function<bool()>& stop = {});

/// Reads a pipeline's target tables in one database and compiles its mapping
/// for each tenant there. Changes nothing. Blocks, until `stop` says true.
std::expected<prepared_pipeline, prepare_failure>
prepare_pipeline(connection& conn, const config& all,
                 const postgresql_config& database,
                 const pipeline_config& pipeline,
                 const std::function<bool()>& stop = {});

/// What the configuration file calls the database: `postgresql`, or
/// `database.NAME`.
std::string section_of(const postgresql_config& x);

/// What a database needs applied, in that order: the control schema, then the
/// packs of its pipelines and the `[[migrations]]`, for every tenant.
std::vector<migration_job> migration_jobs(const config& all,
                                          const postgresql_config& database);

/// The bundled set of migrations that a pipeline's tables come from, or empty
/// when its tables are the user's own.
std::string migration_set_of(const pipeline_config& pipeline);

} // namespace millrace
