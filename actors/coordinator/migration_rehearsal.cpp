#include "actors/coordinator/migration_rehearsal.hpp"

#include "actors/coordinator/concurrent_step.hpp"
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

/// Runs the plan where everything before it was run.
void run_plan(rehearsal& result, connection& stage,
              const std::vector<applied_files>& before,
              const migration_set& set, const migration_target& target,
              const std::vector<planned_migration>& plan) {
  if (auto ready = catch_up(stage, before); !ready) {
    result.why_not = "not measured: " + ready.error();
    return;
  }
  for (const auto& x : plan) {
    auto seen = file_rehearsal{stage, target}.run(x);
    if (!seen) {
      result.why_not = std::format("{}: not measured: {}",
                                   file_of(set.name, x.file),
                                   text_of_error(seen.error()));
      return;
    }
    result.files.push_back(std::move(*seen));
  }
}

/// What keeps the plan from being run for a try; empty: nothing.
std::string refusal(const std::vector<applied_files>& before,
                    const std::string& set,
                    const std::vector<planned_migration>& plan) {
  auto reach = reaches_out(set, plan);
  if (reach.empty())
    reach = reaches_out(before);
  return reach.empty() ? reach : "not measured: " + reach;
}

} // namespace

rehearsal rehearse(connection& conn, const database_opener& open,
                   const migration_set& set, const migration_target& target,
                   const std::vector<planned_migration>& plan) {
  rehearsal result;
  auto before = read_applied_sets(conn, set, target, load_embedded_migrations);
  result.why_not = before ? refusal(before->files, set.name, plan)
                          : "not measured: " + before.error();
  if (result.why_not.empty()) {
    auto done = in_scratch_database(conn, open, [&](connection& stage) {
      run_plan(result, stage, before->files, set, target, plan);
    });
    if (!done.not_made.empty())
      result.why_not = "not measured: " + done.not_made;
    else if (result.why_not.empty())
      result.why_not = done.left;
  }
  for (auto i = result.files.size(); i < plan.size(); ++i)
    result.files.push_back(by_kinds(plan[i]));
  return result;
}

} // namespace millrace
