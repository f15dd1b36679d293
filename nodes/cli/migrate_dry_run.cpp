#include "nodes/cli/migrate_dry_run.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"

#include <format>
#include <utility>

namespace millrace::cli {

namespace {

std::string effect_text(const table_effect& x, bool measured) {
  auto work = to_string(x.work);
  return std::format("      {}: {}{}{}{}\n", printable(x.table),
                     to_string(x.lock), work.empty() ? "" : ", ", work,
                     measured ? "" : " (by its kind)");
}

/// The statement as it stands in its file, moved to the right.
std::string indented(std::string_view sql) {
  std::string result = "    ";
  for (auto c : sql) {
    result += c;
    if (c == '\n')
      result += "    ";
  }
  return result + ";\n";
}

std::string text_of(const std::string& title, const std::string& set,
                    const rehearsal& x,
                    const std::vector<lint_finding>& found) {
  if (x.files.empty())
    return title + ": nothing to do\n";
  auto result = title + ": would do\n";
  for (const auto& file : x.files) {
    result += std::format("  {} {}\n", file_of(set, file.what.file),
                          to_string(file.what.direction));
    for (const auto& statement : file.statements) {
      result += indented(statement.text);
      for (const auto& effect : statement.effects)
        result += effect_text(effect, statement.measured);
    }
  }
  if (!x.why_not.empty())
    result += "  " + printable(x.why_not) + '\n';
  return result + findings_text(found);
}

void write(json_writer& out, const rehearsed_statement& x) {
  out.begin_object();
  out.key("sql").string(x.text);
  out.key("measured").boolean(x.measured);
  out.key("effects").begin_array();
  for (const auto& effect : x.effects) {
    out.begin_object();
    out.key("table").string(effect.table);
    out.key("lock").string(to_string(effect.lock));
    out.key("rewrites").boolean(effect.work == table_work::rewrite);
    out.key("scans").boolean(effect.work == table_work::scan);
    out.end_object();
  }
  out.end_array().end_object();
}

std::string json_of(const migration_job& job, const postgresql_config& database,
                    const rehearsal& x,
                    const std::vector<lint_finding>& found) {
  json_writer out;
  begin_job(out, job, database);
  out.key("plan").begin_array();
  for (const auto& file : x.files) {
    out.begin_object();
    out.key("file").string(file_of(job.set, file.what.file));
    out.key("direction").string(to_string(file.what.direction));
    out.key("statements").begin_array();
    for (const auto& statement : file.statements)
      write(out, statement);
    out.end_array().end_object();
  }
  out.end_array();
  if (!x.why_not.empty())
    out.key("not_measured").string(x.why_not);
  out.key("findings").begin_array();
  for (const auto& finding : found) {
    out.begin_object();
    out.key("file").string(finding.file);
    out.key("line").integer(finding.line);
    out.key("rule").string(finding.rule);
    out.key("reason").string(finding.reason);
    out.key("way_out").string(finding.way_out);
    out.end_object();
  }
  out.end_array().end_object();
  return std::move(out).str();
}

} // namespace

std::vector<lint_finding> lint(std::string_view set,
                               const std::vector<planned_migration>& plan) {
  migration_linter linter;
  std::vector<lint_finding> result;
  for (const auto& x : plan)
    if (x.direction == migration_direction::up)
      for (auto& finding : linter.check(set, x.file))
        result.push_back(std::move(finding));
  return result;
}

std::string findings_text(const std::vector<lint_finding>& all) {
  std::string result;
  for (const auto& x : all)
    result += std::format("  {}:{}: {}: {}; {}\n", x.file, x.line, x.rule,
                          x.reason, x.way_out);
  return result;
}

std::expected<job_outcome, std::string>
dry_run(migrator& by, const migration_set& files, const migration_job& job,
        const postgresql_config& database, const migration_goal& goal) {
  auto plan = by.plan(files, job.target, goal);
  if (!plan)
    return std::unexpected{plan.error()};
  rehearsal x;
  if (!plan->empty())
    x = rehearse(
      by.session(),
      [&](const std::string& name) { return open_database(database, name); },
      files, job.target, *plan);
  auto found = lint(files.name, *plan);
  return job_outcome{text_of(title_of(job, database), job.set, x, found),
                     json_of(job, database, x, found)};
}

std::expected<job_outcome, std::string>
dry_run_init(migrator& by, const migration_job& job,
             const postgresql_config& database) {
  auto statements = by.plan_init(job.target);
  if (!statements)
    return std::unexpected{statements.error()};
  auto text = title_of(job, database)
              + (statements->empty() ? ": nothing to do\n" : ": would do\n");
  json_writer out;
  begin_job(out, job, database);
  out.key("sql").begin_array();
  for (const auto& x : *statements) {
    text += indented(x);
    out.string(x);
  }
  out.end_array().end_object();
  return job_outcome{std::move(text), std::move(out).str()};
}

} // namespace millrace::cli
