#include "nodes/cli/migrate_command.hpp"

#include "nodes/cli/migrate_dry_run.hpp"
#include "nodes/cli/migrate_jobs.hpp"
#include "nodes/cli/migrate_text.hpp"

#include <format>
#include <utility>

namespace millrace::cli {

namespace {

std::string report_json(const migration_job& job,
                        const postgresql_config& database,
                        const migration_report& x) {
  json_writer out;
  begin_job(out, job, database);
  write_report(out, x);
  out.end_object();
  return std::move(out).str();
}

/// `worker(migrator, files, target)` answers with a report.
template <class Worker>
job_step report_step(std::string_view idle, Worker worker) {
  return
    [idle, worker](migrator& by, const migration_set& files,
                   const migration_job& job, const postgresql_config& database)
      -> std::expected<job_outcome, std::string> {
      auto report = worker(by, files, job.target);
      if (!report)
        return std::unexpected{report.error()};
      return job_outcome{report_text(title_of(job, database), *report, idle),
                         report_json(job, database, *report)};
    };
}

template <class Worker>
exit_code report_jobs(const migrate_arguments& what, console& to,
                      std::string_view idle, Worker worker) {
  return run_jobs(what, to, report_step(idle, worker));
}

exit_code run_goal(const migrate_arguments& what, console& to,
                   std::string_view idle, const migration_goal& goal) {
  if (what.dry_run)
    return run_jobs(what, to,
                    [&](migrator& by, const migration_set& files,
                        const migration_job& job,
                        const postgresql_config& database) {
                      return dry_run(by, files, job, database, goal);
                    });
  return report_jobs(what, to, idle,
                     [&](migrator& by, const migration_set& files,
                         const migration_target& target) {
                       return by.run(files, target, goal);
                     });
}

migrate_arguments for_one_set(migrate_arguments x) {
  x.one_set = true;
  return x;
}

/// Members of the object that `status` prints for one migration.
void add_status(json_writer& out, const migration_status& x) {
  out.key("version").integer(x.version);
  out.key("name").string(x.name);
  out.key("description").string(x.description);
  out.key("author").string(x.author);
  out.key("state").string(to_string(x.state));
  if (x.applied_at.empty())
    return;
  out.key("applied_at").string(x.applied_at);
  out.key("applied_by").string(x.applied_by);
  out.key("execution_time_ms").integer(x.execution_time_ms);
  out.key("baseline").boolean(x.baseline);
}

} // namespace

exit_code run_migrate_new(const new_migration_arguments& what, console& to) {
  auto path = new_migration(what.dir, what.words, what.author, what.repeatable);
  if (!path)
    return to.fail(exit_code::usage, path.error());
  if (!to.json()) {
    to.out(*path + '\n');
    return exit_code::ok;
  }
  json_writer out;
  out.begin_object().key("file").string(*path).end_object();
  to.out(std::move(out).str() + '\n');
  return exit_code::ok;
}

exit_code run_migrate_init(const migrate_arguments& what, console& to) {
  if (what.dry_run)
    return run_jobs(what, to,
                    [](migrator& by, const migration_set&,
                       const migration_job& job,
                       const postgresql_config& database) {
                      return dry_run_init(by, job, database);
                    });
  return report_jobs(what, to, "initialised",
                     [](migrator& by, const migration_set&,
                        const migration_target& target)
                       -> std::expected<migration_report, std::string> {
                       auto done = by.init(target);
                       if (!done)
                         return std::unexpected{done.error()};
                       return migration_report{};
                     });
}

job_step up_step() {
  return report_step("up to date", [](migrator& by, const migration_set& files,
                                      const migration_target& target) {
    return by.run(files, target, migrate_up{});
  });
}

exit_code run_migrate_up(const migrate_arguments& what, console& to) {
  return run_goal(what, to, "up to date", migrate_up{});
}

exit_code run_migrate_down(const migrate_arguments& what, console& to) {
  if (what.number < 1)
    return to.fail(exit_code::usage,
                   std::format("COUNT: found {}, expected 1 or more",
                               what.number));
  return run_goal(for_one_set(what), to, "nothing to take back",
                  migrate_down{what.number});
}

exit_code run_migrate_redo(const migrate_arguments& what, console& to) {
  return run_goal(for_one_set(what), to, "nothing to do again", migrate_redo{});
}

exit_code run_migrate_to(const migrate_arguments& what, console& to) {
  migrate_to goal{what.number};
  if (!what.only.empty())
    goal.only = what.only == "up" ? migration_direction::up
                                  : migration_direction::down;
  return run_goal(for_one_set(what), to, "is there already", goal);
}

exit_code run_migrate_baseline(const migrate_arguments& what, console& to) {
  return report_jobs(for_one_set(what), to, "nothing to write down",
                     [&](migrator& by, const migration_set& files,
                         const migration_target& target) {
                       return by.baseline(files, target, what.number);
                     });
}

exit_code run_migrate_status(const migrate_arguments& what, console& to) {
  return run_jobs(
    what, to,
    [](migrator& by, const migration_set& files, const migration_job& job,
       const postgresql_config& database)
      -> std::expected<job_outcome, std::string> {
      auto all = by.status(files, job.target);
      if (!all)
        return std::unexpected{all.error()};
      auto wrong = by.verify(files, job.target);
      if (!wrong)
        return std::unexpected{wrong.error()};
      job_outcome result;
      result.sound = wrong->empty();
      result.text = status_text(title_of(job, database), *all)
                    + problem_lines(*wrong) + '\n';
      for (const auto& x : *all) {
        json_writer out;
        begin_job(out, job, database);
        add_status(out, x);
        out.end_object();
        result.json += (result.json.empty() ? "" : ",") + out.str();
      }
      return result;
    });
}

} // namespace millrace::cli
