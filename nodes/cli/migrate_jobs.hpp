#pragma once

#include "actors/cluster/json_writer.hpp"
#include "nodes/cli/console.hpp"
#include "nodes/cli/migrate_command.hpp"
#include "nodes/prepare.hpp"

#include <expected>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace millrace::cli {

struct failure {
  exit_code code = exit_code::usage;
  findings all;
};

/// What to do in one database.
struct database_jobs {
  postgresql_config database;
  std::vector<migration_job> jobs;
};

/// All that the arguments ask for, found without asking a server.
struct migrate_work {
  std::vector<database_jobs> databases;
  std::map<std::string, migration_set> sets;
  std::chrono::milliseconds lock_timeout{0};
};

std::expected<migrate_work, failure> find_work(const migrate_arguments& what);

/// What became of a job: text for people, a JSON object, and whether all is
/// well; or why it failed.
struct job_outcome {
  std::string text;
  std::string json;
  bool sound = true;
};

using job_step = std::function<std::expected<job_outcome, std::string>(
  migrator&, const migration_set&, const migration_job&,
  const postgresql_config&)>;

/// What became of all jobs, in their order.
struct jobs_done {
  std::string text;

  /// Objects with commas in between, those of failed jobs too.
  std::string json;
  findings failures;

  /// Whether any was done.
  bool any = false;
  exit_code code = exit_code::ok;
};

/// Runs the step for each job: in every database the control schema's first,
/// then `parallel` schemas at a time, those of one schema in order. What fails
/// in one schema stops nothing in the others.
jobs_done do_jobs(const migrate_arguments& what, const migrate_work& work,
                  console& to, const job_step& step);

/// The step that applies what is missing.
job_step up_step();

/// Prints the outcomes; returns their code.
exit_code tell_jobs(const jobs_done& done, console& to);

/// Does that with all that the arguments ask for, and prints the outcomes.
exit_code run_jobs(const migrate_arguments& what, console& to, job_step step);

/// The schema, with its database where that is not the control database.
std::string place_of(const migration_job& job,
                     const postgresql_config& database);

/// `SET in PLACE`
std::string title_of(const migration_job& job,
                     const postgresql_config& database);

/// Begins an object that says which job it is about.
void begin_job(json_writer& out, const migration_job& job,
               const postgresql_config& database);

/// A session as migrations want it, in another database of the server where
/// one is named.
store_result<connection> open_database(const postgresql_config& x,
                                       const std::string& name = {});

exit_code tell_failure(const failure& x, console& to);

} // namespace millrace::cli
