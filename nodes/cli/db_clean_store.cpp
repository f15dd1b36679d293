#include "nodes/cli/db_clean_store.hpp"

#include "actors/coordinator/partition_catalog.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

/// Kind, whether something inherits from it, rows by the statistics, bytes, and
/// the type of the column $3.
constexpr auto about_sql = R"(
WITH RECURSIVE tree AS (
  SELECT c.oid AS root, c.oid
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
  UNION ALL
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i
  ON i.inhparent = t.oid)
SELECT r.relkind, count(*) > 1,
       coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE c.relkind = 'r'),
                0)::bigint,
       coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint,
       (SELECT format_type(a.atttypid, NULL) FROM pg_attribute a
        WHERE a.attrelid = r.oid AND a.attname = $3 AND a.attnum > 0
          AND NOT a.attisdropped)
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_class r ON r.oid = t.root
GROUP BY r.oid, r.relkind)";

/// Days are those of the table's partitions.
std::string_view zone_of(const series_table& x) {
  return x.rules ? std::string_view{x.rules->timezone} : "UTC";
}

/// Partitions of the table $1.$2 that are held, wherever in its tree.
constexpr auto held_sql = R"(
SELECT n.nspname, c.relname
FROM millrace.partition_hold h JOIN pg_class c ON c.oid = h.partition_oid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE h.partition_oid IN (
  SELECT t.relid FROM pg_class p JOIN pg_namespace pn ON pn.oid = p.relnamespace
  CROSS JOIN pg_partition_tree(p.oid) t
  WHERE pn.nspname = $1 AND p.relname = $2)
ORDER BY 1, 2)";

/// Whether the partition $1.$2 is held, or one that it is a part of.
constexpr auto is_held_sql = R"(
SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n
  ON n.oid = c.relnamespace CROSS JOIN pg_partition_ancestors(c.oid) a
  JOIN millrace.partition_hold h ON h.partition_oid = a
  WHERE n.nspname = $1 AND c.relname = $2))";

/// Where the rows of the partition $1.$2 are: in itself, or in parts of it.
constexpr auto leaves_sql = R"(
SELECT ln.nspname, l.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
JOIN pg_namespace ln ON ln.oid = l.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND t.isleaf ORDER BY 1, 2)";

constexpr auto compressed_sql
  = "SELECT is_compressed FROM timescaledb_information.chunks WHERE "
    "chunk_schema = $1 AND chunk_name = $2";

std::unexpected<store_error> clean_refuse(std::string why) {
  return std::unexpected{store_error{store_errc::refused, {}, std::move(why)}};
}

std::string name_of(const old_partition& x) {
  return x.schema + '.' + x.name;
}

/// A sentence for partitions that TRUNCATE would empty though they are held.
std::string held_text(const sql_result& rows) {
  std::string names;
  for (const auto& row : rows.rows)
    names += (names.empty() ? "" : ", ") + row[0].value_or("") + '.'
             + row[1].value_or("");
  return "has partitions that are held, and TRUNCATE would empty them: " + names
         + "; 'millrace partitions release' lets them go";
}

std::string condition(const clean_step& x) {
  return std::format("{} < $1::{}", quote_identifier(x.key), to_string(x.type));
}

} // namespace

// -- planning -----------------------------------------------------------------

store_result<void> clean_planner::prepare() {
  return partition_catalog{conn_}.prepare();
}

store_result<clean_step> clean_planner::plan(const series_table& table,
                                             const clean_limits& limits) {
  clean_step result;
  result.table = table;
  if (auto done = cut(result, limits); !done) {
    if (done.error().code == store_errc::unavailable)
      return std::unexpected{std::move(done.error())};
    result.drops.clear();
    result.deletes.clear();
    result.error = done.error().message;
  }
  return result;
}

store_result<clean_step> clean_planner::plan_all(const series_table& table) {
  clean_step result;
  result.table = table;
  auto about = conn_.query(about_sql, {table.schema, table.table, {}});
  if (!about)
    return std::unexpected{std::move(about.error())};
  if (about->rows.empty()) {
    result.error = "does not exist";
    return result;
  }
  auto held = conn_.query(held_sql, {table.schema, table.table});
  if (!held)
    return std::unexpected{std::move(held.error())};
  if (!held->rows.empty()) {
    result.error = held_text(*held);
    return result;
  }
  result.truncate = true;
  result.rows = int_of(about->rows[0][2]);
  result.bytes = int_of(about->rows[0][3]);
  return result;
}

store_result<void> clean_planner::cut(clean_step& to,
                                      const clean_limits& limits) {
  const auto& x = to.table;
  auto about = conn_.query(about_sql, {x.schema, x.table, x.says.time});
  if (!about)
    return std::unexpected{std::move(about.error())};
  if (about->rows.empty())
    return clean_refuse("does not exist");
  const auto& row = about->rows[0];
  // Chunks of a hypertable inherit from it.
  if (row[0] == "p" || bool_of(row[1]))
    return cut_partitions(to, limits);
  if (x.says.time.empty())
    return clean_refuse("is not partitioned, and no `time` of a "
                        "[[pipeline.NAME.series]] says what is old");
  if (!row[4])
    return clean_refuse("has no column " + x.says.time);
  auto type = parse_key_type(*row[4]);
  if (!type)
    return clean_refuse("has no time in " + x.says.time + ", which is of type "
                        + *row[4]);
  to.key = x.says.time;
  to.type = *type;
  return cut_rows(to, limits);
}

store_result<void> clean_planner::cut_partitions(clean_step& to,
                                                 const clean_limits& limits) {
  const auto& x = to.table;
  partition_policy policy{x.schema, x.table, {}, {}, x.tenant};
  partition_catalog catalog{conn_};
  auto known = catalog.read(policy);
  if (!known)
    return std::unexpected{std::move(known.error())};
  to.known = std::move(*known);
  to.key = to.known.key;
  to.type = to.known.type;
  auto now = catalog.now();
  if (!now)
    return std::unexpected{std::move(now.error())};
  auto sizes = catalog.sizes(policy);
  if (!sizes)
    return std::unexpected{std::move(sizes.error())};
  auto what = cut_of(to.known, limits, zone_of(x), *now);
  to.rows_before = what.rows_before;
  for (auto& old : what.drop) {
    clean_drop drop{std::move(old), {}, 0};
    for (const auto& size : *sizes)
      if (size.schema == drop.what.schema && size.name == drop.what.name) {
        drop.rows = size.rows;
        drop.bytes = size.bytes;
      }
    to.drops.push_back(std::move(drop));
  }
  for (const auto& from : what.boundary)
    if (auto done = cut_boundary(to, from); !done)
      return done;
  for (const auto& held : what.held)
    to.keeps.push_back(keep_held(held));
  return {};
}

store_result<void> clean_planner::cut_boundary(clean_step& to,
                                               const old_partition& from) {
  if (to.known.is_hypertable()) {
    auto compressed = conn_.query(compressed_sql, {from.schema, from.name});
    if (!compressed)
      return std::unexpected{std::move(compressed.error())};
    if (!compressed->rows.empty() && bool_of(compressed->rows[0][0])) {
      to.keeps.push_back({from, "is compressed, and goes once all of it is "
                                "older"});
      return {};
    }
    return count(to, from);
  }
  auto leaves = conn_.query(leaves_sql, {from.schema, from.name});
  if (!leaves)
    return std::unexpected{std::move(leaves.error())};
  for (const auto& leaf : leaves->rows)
    if (auto done = count(to, {leaf[0].value_or(""), leaf[1].value_or("")});
        !done)
      return done;
  return {};
}

store_result<void> clean_planner::cut_rows(clean_step& to,
                                           const clean_limits& limits) {
  auto now = partition_catalog{conn_}.now();
  if (!now)
    return std::unexpected{std::move(now.error())};
  to.rows_before = rows_before(to.type, limits, zone_of(to.table), *now);
  if (!to.rows_before)
    return {};
  return count(to, {to.table.schema, to.table.table});
}

store_result<void> clean_planner::count(clean_step& to,
                                        const old_partition& from) {
  auto found = conn_.query(std::format("SELECT count(*) FROM ONLY {} WHERE {}",
                                       quote_identifier(from.schema, from.name),
                                       condition(to)),
                           {key_text(to.type, *to.rows_before)});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (auto rows = int_of(found->rows.at(0)[0]); rows > 0)
    to.deletes.push_back({from, rows});
  return {};
}

// -- doing --------------------------------------------------------------------

cleaner::cleaner(connection& conn, const held_lease& lease,
                 partition_store& store, const clean_config& config)
  : conn_{conn},
    lease_{lease},
    store_{store},
    config_{config} {
}

store_result<void> cleaner::clean(const clean_step& step, clean_done& to) {
  partition_policy policy{
    step.table.schema, step.table.table, {}, {}, step.table.tenant};
  // Rows first: what is left when it is interrupted is nothing that a
  // partition's name promises to be whole.
  for (const auto& x : step.deletes) {
    auto done = check_held(x.from);
    if (done)
      done = delete_rows(step, x.from, to);
    if (!done)
      return done;
  }
  for (const auto& x : step.drops) {
    if (config_.stop)
      return {};
    if (auto free = check_held(x.what); !free)
      return free;
    if (auto done = store_.remove(policy, step.known, x.what); !done)
      return std::unexpected{done.error()};
    to.dropped.push_back(x.what.name);
    told(step, to);
  }
  return {};
}

/// Somebody may have brought it back since it was looked at.
store_result<void> cleaner::check_held(const old_partition& x) {
  auto held = conn_.query(is_held_sql, {x.schema, x.name});
  if (!held)
    return std::unexpected{std::move(held.error())};
  if (bool_of(held->rows.at(0)[0]))
    return clean_refuse(name_of(x)
                        + " is held by now, and stays: 'millrace "
                          "partitions release "
                        + name_of(x) + "' lets it go");
  return {};
}

store_result<void> cleaner::delete_rows(const clean_step& step,
                                        const old_partition& from,
                                        clean_done& to) {
  // From where the last batch ended, so that what it left behind is not looked
  // at again; rows that were moved meanwhile are found from the beginning.
  auto table = quote_identifier(from.schema, from.name);
  auto sql = std::format(
    "WITH gone AS (DELETE FROM ONLY {0} WHERE ctid = ANY(ARRAY(SELECT ctid "
    "FROM ONLY {0} WHERE ctid > $2::tid AND {1} LIMIT {2})) RETURNING ctid) "
    "SELECT count(*), max(ctid) FROM gone",
    table, condition(step), config_.batch_rows);
  const std::string beginning = "(0,0)";
  auto at = beginning;
  while (!config_.stop) {
    auto done = conn_.in_transaction([&]() -> store_result<sql_result> {
      if (auto held = check_lease(conn_, lease_.term()); !held)
        return std::unexpected{std::move(held.error())};
      return conn_.query(sql, {key_text(step.type, *step.rows_before), at});
    });
    if (!done)
      return std::unexpected{std::move(done.error())};
    const auto& row = done->rows.at(0);
    if (auto rows = int_of(row[0]); rows > 0) {
      to.deleted += rows;
      told(step, to);
      at = text_of(row[1]);
    } else if (at == beginning) {
      return {};
    } else {
      at = beginning;
    }
  }
  return {};
}

store_result<void> cleaner::truncate(const std::vector<clean_step>& steps) {
  std::string tables;
  for (const auto& x : steps)
    tables += (tables.empty() ? "" : ", ")
              + quote_identifier(x.table.schema, x.table.table);
  return conn_.in_transaction([&]() -> store_result<void> {
    if (auto held = check_lease(conn_, lease_.term()); !held)
      return held;
    if (auto done = conn_.run("TRUNCATE " + tables); !done)
      return done;
    // Nobody attaches another one from here on.
    for (const auto& x : steps) {
      auto held = conn_.query(held_sql, {x.table.schema, x.table.table});
      if (!held)
        return std::unexpected{std::move(held.error())};
      if (!held->rows.empty())
        return clean_refuse(to_string(x.table) + ' ' + held_text(*held));
    }
    return {};
  });
}

void cleaner::told(const clean_step& step, const clean_done& done) const {
  if (config_.did)
    config_.did(step, done);
}

} // namespace millrace::cli
