#include "nodes/cli/db_seed.hpp"

#include "actors/coordinator/sql_script.hpp"
#include "actors/store/catalog.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"
#include "nodes/cli/migrate_jobs.hpp"
#include "nodes/cli/migrate_text.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

/// How many rows each of them has; none where it is not there.
store_result<std::vector<int64_t>>
rows_of_each(connection& conn, const std::string& schema,
             const std::vector<std::string>& tables) {
  std::vector<int64_t> result;
  for (const auto& table : tables) {
    auto name = quote_identifier(schema, table);
    auto there = has_relation(conn, name);
    if (!there)
      return std::unexpected{std::move(there.error())};
    if (!*there) {
      result.push_back(0);
      continue;
    }
    auto found = conn.query("SELECT count(*) FROM " + name);
    if (!found)
      return std::unexpected{std::move(found.error())};
    result.push_back(int_of(found->rows.at(0)[0]));
  }
  return result;
}

/// What of the set is written now; of one that was asked for by its name also
/// what was written before.
std::vector<migration> seeding_files(const migration_set& all,
                                     std::vector<planned_migration> plan,
                                     bool named) {
  std::vector<migration> result;
  if (named)
    result = all.files;
  for (auto& x : plan)
    result.push_back(std::move(x.file));
  return result;
}

class seeding {
public:
  explicit seeding(const migrate_arguments& what) : what_{what} {
  }

  std::expected<job_outcome, std::string>
  seed(migrator& by, const migration_set& files, const migration_job& job,
       const postgresql_config& database) const {
    auto plan = by.plan(files, job.target, migrate_seed{});
    if (!plan)
      return std::unexpected{plan.error()};
    auto named = std::ranges::contains(what_.sets_beside, job.set);
    auto tables = seeded_tables(seeding_files(files, std::move(*plan), named));
    const auto& schema = job.target.schema;
    auto before = rows_of_each(by.session(), schema, tables);
    if (!before)
      return std::unexpected{text_of_error(before.error())};
    auto report = by.run(files, job.target, migrate_seed{});
    if (!report)
      return std::unexpected{report.error()};
    auto after = rows_of_each(by.session(), schema, tables);
    if (!after)
      return std::unexpected{text_of_error(after.error())};
    auto text = report_text(title_of(job, database), *report,
                            "no reference rows");
    json_writer out;
    begin_job(out, job, database);
    write_report(out, *report);
    out.key("tables").begin_array();
    for (std::size_t i = 0; i < tables.size(); ++i) {
      auto fresh = std::max<int64_t>((*after)[i] - (*before)[i], 0);
      text += std::format("  {}: {} rows, {} of them new\n", tables[i],
                          (*after)[i], fresh);
      out.begin_object();
      out.key("table").string(tables[i]);
      out.key("rows").integer((*after)[i]);
      out.key("new").integer(fresh);
      out.end_object();
    }
    out.end_array().end_object();
    return job_outcome{std::move(text), std::move(out).str()};
  }

private:
  const migrate_arguments& what_;
};

} // namespace

std::vector<std::string> seeded_tables(const std::vector<migration>& files) {
  std::vector<std::string> result;
  for (const auto& file : files) {
    auto all = split_sql(file.up);
    if (!all)
      continue;
    for (const auto& statement : *all) {
      const auto& words = statement.tokens;
      if (words.size() < 4 || !words[0].is("INSERT") || !words[1].is("INTO"))
        continue;
      // One with a schema is not of this one.
      if (words[3].is("."))
        continue;
      auto name = name_of(words[2]);
      if (!std::ranges::contains(result, name))
        result.push_back(std::move(name));
    }
  }
  return result;
}

exit_code run_db_seed(const migrate_arguments& what, console& to) {
  if (what.config.empty())
    return to.fail(exit_code::usage,
                   "expected --config FILE: it names whose rows they are");
  seeding all{what};
  return run_jobs(what, to,
                  [&all](migrator& by, const migration_set& files,
                         const migration_job& job,
                         const postgresql_config& database) {
                    return all.seed(by, files, job, database);
                  });
}

} // namespace millrace::cli
