#pragma once

#include "actors/coordinator/migrator.hpp"
#include "actors/decode/program.hpp"
#include "actors/store/connection.hpp"
#include "actors/store/session_config.hpp"
#include "actors/store/write_plan.hpp"
#include "config/config.hpp"
#include "messages/store_requests.hpp"

#include <expected>
#include <map>
#include <string>
#include <vector>

namespace millrace {

/// A pipeline with all that its actors need to know before they start.
struct prepared_pipeline {
  pipeline_config config;
  program_ptr program;

  /// The pipeline's tenants, `_unrouted` among them.
  std::vector<boot_tenant> tenants;

  /// By tenant.
  std::map<std::string, write_plan_ptr> plans;
};

/// Why a node cannot start.
struct prepare_failure {
  /// Waiting may help: PostgreSQL does not answer. Otherwise somebody has to
  /// change the configuration or the schema.
  bool passing = false;

  /// One problem a line, each with what, where and how to mend it.
  std::vector<std::string> problems;
};

/// How a session of this node reaches PostgreSQL. Holds secrets.
session_config make_session_config(const config& all);

/// Applies or checks the migrations, reads the target tables and compiles the
/// mappings against them. Blocks.
std::expected<std::vector<prepared_pipeline>, prepare_failure>
prepare(const config& all);

/// Reads a pipeline's target tables and compiles its mapping for each tenant.
/// Changes nothing. Blocks.
std::expected<prepared_pipeline, prepare_failure>
prepare_pipeline(connection& conn, const config& all,
                 const pipeline_config& pipeline);

/// One set of migrations and the schema it belongs into.
struct migration_job {
  std::string set;
  migration_target target;
};

/// What a configuration needs applied, in that order: the control schema, then
/// the packs of its pipelines for every tenant.
std::vector<migration_job> migration_jobs(const config& all);

/// The bundled set of migrations that a pipeline's tables come from, or empty
/// when its tables are the user's own.
std::string migration_set_of(const pipeline_config& pipeline);

} // namespace millrace
