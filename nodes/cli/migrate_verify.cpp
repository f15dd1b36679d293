#include "actors/coordinator/schema_check.hpp"
#include "nodes/cli/migrate_command.hpp"
#include "nodes/cli/migrate_dry_run.hpp"
#include "nodes/cli/migrate_jobs.hpp"
#include "nodes/cli/migrate_text.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace::cli {

namespace {

/// Looks at one job after the other, in several threads.
class verification {
public:
  verification(const migrate_arguments& what, const migrate_work& work)
    : what_{what},
      work_{work} {
    if (what.config.empty())
      return;
    // `--set` leaves sets out that the schemas were made with all the same.
    auto whole = what;
    whole.set.clear();
    whole.dir.clear();
    if (auto all = find_work(whole))
      beside_ = std::move(all->sets);
  }

  std::expected<job_outcome, std::string>
  look(migrator& by, const migration_set& files, const migration_job& job,
       const postgresql_config& database) const {
    auto wrong = by.verify(files, job.target);
    if (!wrong)
      return std::unexpected{wrong.error()};
    auto compares = what_.deep && is_last(job, database);
    std::vector<schema_difference> differences;
    if (compares) {
      auto check = check_schema(
        by.session(),
        [&](const std::string& name) { return open_database(database, name); },
        files, job.target, [this](std::string_view set) { return find(set); });
      if (!check) {
        wrong->push_back(check.error());
        compares = false;
      } else {
        std::ranges::move(check->problems, std::back_inserter(*wrong));
        differences = std::move(check->differences);
      }
    }
    json_writer out;
    begin_job(out, job, database);
    out.key("problems").begin_array();
    for (const auto& x : *wrong)
      out.string(x);
    out.end_array();
    if (compares)
      write(out, differences);
    out.end_object();
    auto text = std::format("{}: {}\n", title_of(job, database),
                            wrong->empty() ? "sound" : "not sound")
                + problem_lines(*wrong);
    // What is applied cannot be changed any more.
    if (auto pending = by.plan(files, job.target, migrate_up{}))
      text += findings_text(lint(files.name, *pending));
    if (compares)
      text += drift_text(place_of(job, database), differences);
    return job_outcome{text, std::move(out).str(),
                       wrong->empty() && differences.empty()};
  }

private:
  /// A schema is compared once, as a whole.
  bool is_last(const migration_job& job,
               const postgresql_config& database) const {
    const migration_job* last = nullptr;
    for (const auto& place : work_.databases)
      if (place.database.name == database.name)
        for (const auto& x : place.jobs)
          if (x.target.schema == job.target.schema)
            last = &x;
    return last && *last == job;
  }

  std::expected<migration_set, std::string> find(std::string_view set) const {
    for (const auto* some : {&work_.sets, &beside_})
      if (auto x = some->find(std::string{set}); x != some->end())
        return x->second;
    return load_embedded_migrations(set);
  }

  static void write(json_writer& out,
                    const std::vector<schema_difference>& all) {
    out.key("differences").begin_array();
    for (const auto& x : all) {
      out.begin_object();
      out.key("kind").string(to_string(x.kind));
      out.key("object").string(x.object);
      if (x.kind != drift_kind::foreign)
        out.key("expected").string(x.expected);
      if (x.kind != drift_kind::missing)
        out.key("found").string(x.found);
      out.end_object();
    }
    out.end_array();
  }

  const migrate_arguments& what_;
  const migrate_work& work_;
  std::map<std::string, migration_set> beside_;
};

} // namespace

exit_code run_migrate_verify(const migrate_arguments& what, console& to) {
  auto work = find_work(what);
  if (!work)
    return tell_failure(work.error(), to);
  verification all{what, *work};
  auto step = [&all](migrator& by, const migration_set& files,
                     const migration_job& job,
                     const postgresql_config& database) {
    return all.look(by, files, job, database);
  };
  return tell_jobs(do_jobs(what, *work, to, step), to);
}

} // namespace millrace::cli
