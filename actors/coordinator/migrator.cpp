#include "actors/coordinator/migrator.hpp"

#include "actors/coordinator/step_runner.hpp"
#include "actors/store/catalog.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <utility>

namespace millrace {

namespace {

using clock = std::chrono::steady_clock;

std::chrono::milliseconds since(clock::time_point started) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock::now()
                                                               - started);
}

std::string lines_of(const std::vector<std::string>& all) {
  std::string result;
  for (const auto& x : all)
    result += (result.empty() ? "" : "\n") + x;
  return result;
}

std::unexpected<std::string> fail(const migration_target& target,
                                  const store_error& x) {
  return std::unexpected{"schema " + target.schema + ": " + text_of_error(x)};
}

store_result<bool> is_registered(connection& conn,
                                 const migration_target& target) {
  auto found = conn.query("SELECT 1 FROM millrace.tenant WHERE name = $1 AND "
                          "schema = $2",
                          {target.tenant, target.schema});
  if (!found)
    return std::unexpected{std::move(found.error())};
  return !found->rows.empty();
}

store_result<void> register_tenant(connection& conn,
                                   const migration_target& target) {
  if (!target.tenant)
    return {};
  auto known = conn.query("INSERT INTO millrace.tenant (name, schema) VALUES "
                          "($1, $2) ON CONFLICT DO NOTHING",
                          {target.tenant, target.schema});
  if (!known)
    return std::unexpected{std::move(known.error())};
  auto there = is_registered(conn, target);
  if (!there)
    return std::unexpected{std::move(there.error())};
  if (*there)
    return {};
  return std::unexpected{
    store_error{store_errc::refused,
                {},
                "tenant " + *target.tenant + " or schema " + target.schema
                  + " is registered in millrace.tenant with another partner"}};
}

/// The statement that registers it, for people to read; nothing where that is
/// done.
store_result<std::optional<std::string>>
missing_tenant(connection& conn, const migration_target& target) {
  if (!target.tenant)
    return std::nullopt;
  auto result = "INSERT INTO millrace.tenant (name, schema) VALUES ("
                + quote_literal(*target.tenant) + ", "
                + quote_literal(target.schema) + ')';
  auto there = has_relation(conn, "millrace.tenant");
  if (!there)
    return std::unexpected{std::move(there.error())};
  if (!*there)
    return result;
  auto known = is_registered(conn, target);
  if (!known)
    return std::unexpected{std::move(known.error())};
  return *known ? std::nullopt : std::optional{result};
}

/// Runs the script, and finds out when it has ended its transaction.
store_result<void> run_whole(connection& conn, const std::string& script) {
  auto before = conn.query("SELECT pg_current_xact_id()");
  if (!before)
    return std::unexpected{std::move(before.error())};
  if (auto ran = conn.run(script); !ran)
    return ran;
  auto after = conn.query("SELECT pg_current_xact_id()");
  if (!after)
    return std::unexpected{std::move(after.error())};
  if (before->rows == after->rows)
    return {};
  return std::unexpected{
    store_error{store_errc::refused,
                {},
                "the file ends its transaction itself; take COMMIT and "
                "ROLLBACK out, and look at what it left behind"}};
}

} // namespace

migrator::migrator(connection& conn, std::chrono::milliseconds lock_timeout)
  : conn_{conn} {
  options_.lock_timeout = lock_timeout;
}

migrator::migrator(connection& conn, migrator_options options)
  : conn_{conn},
    options_{std::move(options)} {
}

std::expected<migration_history, std::string>
migrator::history_of(const migration_set& set, const migration_target& target) {
  auto found = history_tables{conn_, target.schema}.read(set.name);
  if (!found)
    return std::unexpected{text_of_error(found.error())};
  return std::move(*found);
}

std::expected<std::vector<migration_status>, std::string>
migrator::status(const migration_set& set, const migration_target& target) {
  auto history = history_of(set, target);
  if (!history)
    return std::unexpected{history.error()};
  return compare(set, *history);
}

std::expected<std::vector<std::string>, std::string>
migrator::verify(const migration_set& set, const migration_target& target) {
  auto history = history_of(set, target);
  if (!history)
    return std::unexpected{history.error()};
  return find_problems(set, *history);
}

std::expected<std::vector<planned_migration>, std::string>
migrator::plan(const migration_set& set, const migration_target& target,
               const migration_goal& goal) {
  auto history = history_of(set, target);
  if (!history)
    return std::unexpected{history.error()};
  auto result = make_plan(set, *history, goal);
  if (!result)
    return std::unexpected{lines_of(result.error())};
  return std::move(*result);
}

std::expected<migration_report, std::string>
migrator::up(const migration_set& set, const migration_target& target) {
  return run(set, target, migrate_up{});
}

std::expected<migration_report, std::string>
migrator::run(const migration_set& set, const migration_target& target,
              const migration_goal& goal) {
  auto started = clock::now();
  // What is wrong is told without waiting for anybody.
  auto wrong = verify(set, target);
  if (!wrong)
    return std::unexpected{wrong.error()};
  if (!wrong->empty())
    return std::unexpected{lines_of(*wrong)};
  if (std::holds_alternative<migrate_up>(goal)) {
    auto some = lacks(set, target);
    if (!some)
      return std::unexpected{some.error()};
    if (!*some)
      return migration_report{};
  }
  migration_session session{conn_, target, options_};
  history_tables history{conn_, target.schema};
  if (auto locked = session.lock(); !locked)
    return fail(target, locked.error());
  if (auto ready = prepare(session, history); !ready)
    return std::unexpected{ready.error()};
  auto work = plan(set, target, goal);
  if (!work)
    return std::unexpected{work.error()};
  migration_report result;
  for (const auto& x : *work) {
    auto name = file_of(set.name, x.file);
    session.tell(name + ": " + to_string(x.direction));
    auto done = apply(session, history, set, x);
    if (!done)
      return std::unexpected{name + ": " + text_of_error(done.error())};
    if (x.direction == migration_direction::down)
      result.undone.push_back(x.file.version);
    else if (x.file.repeatable())
      result.repeated.push_back(x.file.name);
    else
      result.applied.push_back(x.file.version);
  }
  result.duration = since(started);
  return result;
}

std::expected<void, std::string>
migrator::init(const migration_target& target) {
  migration_session session{conn_, target, options_};
  history_tables history{conn_, target.schema};
  if (auto locked = session.lock(); !locked)
    return fail(target, locked.error());
  return prepare(session, history);
}

std::expected<std::vector<std::string>, std::string>
migrator::plan_init(const migration_target& target) {
  auto result = history_tables{conn_, target.schema}.missing();
  if (!result)
    return fail(target, result.error());
  auto tenant = missing_tenant(conn_, target);
  if (!tenant)
    return fail(target, tenant.error());
  if (*tenant)
    result->push_back(std::move(**tenant));
  return std::move(*result);
}

std::expected<bool, std::string>
migrator::lacks(const migration_set& set, const migration_target& target) {
  auto work = plan(set, target, migrate_up{});
  if (!work)
    return std::unexpected{work.error()};
  if (!work->empty())
    return true;
  auto init = plan_init(target);
  if (!init)
    return std::unexpected{init.error()};
  return !init->empty();
}

std::expected<migration_report, std::string>
migrator::baseline(const migration_set& set, const migration_target& target,
                   int32_t version) {
  auto started = clock::now();
  migration_session session{conn_, target, options_};
  history_tables history{conn_, target.schema};
  if (auto locked = session.lock(); !locked)
    return fail(target, locked.error());
  if (auto ready = prepare(session, history); !ready)
    return std::unexpected{ready.error()};
  auto before = history_of(set, target);
  if (!before)
    return std::unexpected{before.error()};
  auto files = plan_baseline(set, *before, version);
  if (!files)
    return std::unexpected{lines_of(files.error())};
  auto done = session.transaction([&]() -> store_result<void> {
    for (const auto& x : *files)
      if (auto noted = history.note_applied(set.name, x, {}, true); !noted)
        return noted;
    return {};
  });
  if (!done)
    return fail(target, done.error());
  migration_report result;
  for (const auto& x : *files)
    result.applied.push_back(x.version);
  result.duration = since(started);
  return result;
}

std::expected<void, std::string> migrator::prepare(migration_session& session,
                                                   history_tables& history) {
  auto done = conn_.in_transaction([&]() -> store_result<void> {
    if (auto allowed = session.guard(); !allowed)
      return allowed;
    if (auto made = history.prepare(); !made)
      return made;
    return register_tenant(conn_, session.target());
  });
  if (!done)
    return fail(session.target(), done.error());
  return {};
}

store_result<void>
migrator::apply(migration_session& session, history_tables& history,
                const migration_set& set, const planned_migration& what) {
  auto started = clock::now();
  auto up = what.direction == migration_direction::up;
  auto note = [&] {
    return up ? history.note_applied(set.name, what.file, since(started), false)
              : history.note_undone(set.name, what.file);
  };
  if (!what.file.in_transaction)
    return step_runner{session, history, set.name}.run(what.file,
                                                       what.direction, note);
  return session.transaction([&]() -> store_result<void> {
    auto ran = run_whole(conn_, up ? what.file.up : what.file.down);
    return ran ? note() : ran;
  });
}

} // namespace millrace
