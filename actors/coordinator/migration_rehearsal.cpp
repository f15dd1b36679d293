#include "actors/coordinator/migration_rehearsal.hpp"

#include "actors/coordinator/concurrent_step.hpp"
#include "actors/coordinator/server_statement.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <utility>

namespace millrace {

namespace {

/// A table as the catalogue has it.
struct table_state {
  std::string name;
  int64_t file = 0;
  lock_level lock = lock_level::none;
};

using tables = std::map<int64_t, table_state>;

/// Tables with the strongest lock that this session holds on each.
store_result<tables> look(connection& conn) {
  auto found = conn.query(
    "SELECT c.oid, c.relname, pg_catalog.pg_relation_filenode(c.oid), "
    "l.mode FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid "
    "= c.relnamespace LEFT JOIN pg_catalog.pg_locks l ON l.relation = c.oid "
    "AND l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted "
    "WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname "
    "<> 'information_schema'");
  if (!found)
    return std::unexpected{std::move(found.error())};
  tables result;
  for (const auto& row : found->rows) {
    auto& x = result[int_of(row[0])];
    x.name = text_of(row[1]);
    x.file = row[2] ? int_of(row[2]) : 0;
    if (row[3])
      x.lock = std::max(x.lock, lock_level_of(*row[3]));
  }
  return result;
}

/// What has become of the tables of `first` between two looks.
std::vector<table_effect> compare(const tables& first, const tables& before,
                                  const tables& after) {
  std::vector<table_effect> result;
  for (const auto& [oid, was] : before) {
    if (!first.contains(oid))
      continue;
    auto now = after.find(oid);
    table_effect x{was.name};
    // Only ACCESS EXCLUSIVE lets a table be dropped.
    auto lock = now == after.end() ? lock_level::access_exclusive
                                   : now->second.lock;
    if (lock > was.lock)
      x.lock = lock;
    if (now != after.end() && now->second.file != was.file)
      x.work = table_work::rewrite;
    if (x.lock > lock_level::access_share || x.work != table_work::idle)
      result.push_back(std::move(x));
  }
  return result;
}

std::vector<table_effect> by_kind(const sql_statement& x) {
  std::vector<table_effect> result;
  for (const auto& effect : effects_of(x))
    if (effect.lock != lock_level::none && !effect.table.empty())
      result.push_back({effect.table, effect.lock, effect.work});
  return result;
}

/// A statement that was run reads as many rows as its kind is known to: an
/// empty table cannot tell.
void add_scans(std::vector<table_effect>& to, const sql_statement& x) {
  for (const auto& known : by_kind(x))
    if (known.work == table_work::scan)
      for (auto& seen : to)
        if (seen.table == known.table && seen.work == table_work::idle)
          seen.work = table_work::scan;
}

rehearsed_migration by_kinds(const planned_migration& what) {
  rehearsed_migration result{what, {}};
  auto up = what.direction == migration_direction::up;
  if (auto all = split_sql(up ? what.file.up : what.file.down))
    for (const auto& x : *all)
      result.statements.push_back({x.text, by_kind(x), false});
  return result;
}

/// Runs one file in the rehearsal's database.
class file_rehearsal {
public:
  file_rehearsal(connection& conn, const migration_target& target)
    : conn_{conn},
      path_{"search_path = " + quote_identifier(target.schema) + ", public"} {
  }

  store_result<rehearsed_migration> run(const planned_migration& what) {
    auto up = what.direction == migration_direction::up;
    auto all = split_sql(up ? what.file.up : what.file.down);
    if (!all)
      return std::unexpected{store_error{store_errc::refused, {}, all.error()}};
    rehearsed_migration result{what, {}};
    auto first = look(conn_);
    if (!first)
      return std::unexpected{std::move(first.error())};
    auto begin = [&] { return conn_.run("BEGIN; SET LOCAL " + path_); };
    auto whole = what.file.in_transaction;
    auto ready = whole ? begin() : conn_.run("SET " + path_);
    for (std::size_t i = 0; ready && i < all->size(); ++i) {
      const auto& x = (*all)[i];
      auto alone = !whole && classify_step(x).kind != step_kind::transactional;
      if (!whole && !alone)
        ready = begin();
      auto seen = ready ? statement(x, *first, alone)
                        : std::unexpected{ready.error()};
      if (!seen)
        return std::unexpected{std::move(seen.error())};
      result.statements.push_back(std::move(*seen));
      if (!whole && !alone)
        ready = conn_.run("COMMIT");
    }
    if (ready && whole)
      ready = conn_.run("COMMIT");
    if (!ready)
      return std::unexpected{std::move(ready.error())};
    return result;
  }

private:
  store_result<rehearsed_statement> statement(const sql_statement& x,
                                              const tables& first, bool alone) {
    auto before = look(conn_);
    if (!before)
      return std::unexpected{std::move(before.error())};
    if (alone) {
      // Its locks are gone when it ends; and on a partitioned table it would
      // have to be taken apart.
      return rehearsed_statement{x.text, by_kind(x), false};
    }
    if (auto ran = conn_.run(x.text); !ran)
      return std::unexpected{std::move(ran.error())};
    auto after = look(conn_);
    if (!after)
      return std::unexpected{std::move(after.error())};
    rehearsed_statement result{x.text, compare(first, *before, *after), true};
    add_scans(result.effects, x);
    return result;
  }

  connection& conn_;
  std::string path_;
};

std::string reason(const store_error& x) {
  return "not measured: " + text_of_error(x);
}

/// Files that are run in the rehearsal's database, and where.
struct applied_files {
  migration_set set;
  migration_target target;
};

using file_sets = std::vector<applied_files>;

/// What brings the rehearsal's database to where the history is.
std::expected<file_sets, std::string>
files_before(connection& real, const migration_set& set,
             const migration_target& target) {
  file_sets result;
  auto add = [&](const migration_set& files) -> std::optional<std::string> {
    auto history = history_tables{real, target.schema}.read(files.name);
    if (!history)
      return text_of_error(history.error());
    auto done = files;
    std::erase_if(done.files, [&](const migration& x) {
      return !std::ranges::contains(history->versions, x.version,
                                    &applied_migration::version);
    });
    std::erase_if(done.repeatables, [&](const migration& x) {
      return !std::ranges::contains(history->repeatables, x.name,
                                    &applied_migration::name);
    });
    result.push_back({std::move(done), target});
    return {};
  };
  // Tenants need the control schema; for it itself, `set` has the files.
  if (set.name != "control") {
    auto control = load_embedded_migrations("control");
    if (!control)
      return std::unexpected{control.error()};
    result.push_back({std::move(*control), {"millrace", std::nullopt}});
  }
  // Sets that this one may build upon.
  auto table = quote_identifier(target.schema, "schema_migrations");
  auto there = real.query("SELECT to_regclass($1) IS NOT NULL", {table});
  if (!there)
    return std::unexpected{text_of_error(there.error())};
  if (bool_of(there->rows[0][0])) {
    auto others = real.query("SELECT pack FROM " + table
                               + " WHERE pack <> $1 GROUP BY pack ORDER BY "
                                 "min(applied_at)",
                             {set.name});
    if (!others)
      return std::unexpected{text_of_error(others.error())};
    for (const auto& row : others->rows)
      if (auto files = load_embedded_migrations(text_of(row[0])))
        if (auto wrong = add(*files))
          return std::unexpected{std::move(*wrong)};
  }
  if (auto wrong = add(set))
    return std::unexpected{std::move(*wrong)};
  return result;
}

/// Why none of these may be run for a try: what they do to the server happens
/// whatever database they are run in, and would stay.
std::string reaches_out(const file_sets& before, const std::string& set,
                        const std::vector<planned_migration>& plan) {
  std::string result;
  auto read = [&](const std::string& of_set, const migration& file,
                  const std::string& script) {
    auto all = split_sql(script);
    if (!all)
      return;
    for (const auto& x : *all)
      if (auto act = server_act_of(x); result.empty() && !act.empty())
        result = std::format("not measured: {} changes what the whole server "
                             "shares ({})",
                             file_of(of_set, file), act);
  };
  for (const auto& x : plan)
    read(set, x.file,
         x.direction == migration_direction::up ? x.file.up : x.file.down);
  for (const auto& x : before)
    for (const auto* files : {&x.set.files, &x.set.repeatables})
      for (const auto& file : *files)
        read(x.set.name, file, file.up);
  return result;
}

std::expected<void, std::string> catch_up(connection& stage,
                                          const file_sets& before) {
  migrator worker{stage};
  for (const auto& x : before)
    if (auto ran = worker.up(x.set, x.target); !ran)
      return std::unexpected{ran.error()};
  return {};
}

/// Makes the rehearsal's database, runs the plan in it, and drops it.
void run_beside(rehearsal& result, connection& conn,
                const database_opener& open, const file_sets& before,
                const migration_set& set, const migration_target& target,
                const std::vector<planned_migration>& plan) {
  auto name = conn.query("SELECT 'millrace_rehearsal_' || replace("
                         "gen_random_uuid()::text, '-', '')");
  auto made = name ? conn.run("CREATE DATABASE "
                              + quote_identifier(text_of(name->rows[0][0]))
                              + " TEMPLATE template0")
                   : std::unexpected{name.error()};
  if (!made) {
    result.why_not = reason(made.error());
    return;
  }
  std::string stage_name{text_of(name->rows[0][0])};
  {
    auto stage = open(stage_name);
    auto ready = stage ? catch_up(*stage, before)
                       : std::unexpected{text_of_error(stage.error())};
    if (!ready)
      result.why_not = "not measured: " + ready.error();
    for (const auto& x : plan) {
      if (!result.why_not.empty())
        break;
      auto seen = file_rehearsal{*stage, target}.run(x);
      if (seen)
        result.files.push_back(std::move(*seen));
      else
        result.why_not = std::format("{}: {}", file_of(set.name, x.file),
                                     reason(seen.error()));
    }
  }
  auto dropped = conn.run("DROP DATABASE " + quote_identifier(stage_name)
                          + " WITH (FORCE)");
  if (!dropped && result.why_not.empty())
    result.why_not = "the database " + stage_name
                     + " is left: " + text_of_error(dropped.error());
}

} // namespace

rehearsal rehearse(connection& conn, const database_opener& open,
                   const migration_set& set, const migration_target& target,
                   const std::vector<planned_migration>& plan) {
  rehearsal result;
  auto before = files_before(conn, set, target);
  result.why_not = before ? reaches_out(*before, set.name, plan)
                          : "not measured: " + before.error();
  if (result.why_not.empty())
    run_beside(result, conn, open, *before, set, target, plan);
  for (auto i = result.files.size(); i < plan.size(); ++i)
    result.files.push_back(by_kinds(plan[i]));
  return result;
}

} // namespace millrace
