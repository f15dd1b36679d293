#include "actors/store/fold_plan.hpp"

#include "actors/store/fold.hpp"
#include "actors/store/sql_text.hpp"

#include <algorithm>
#include <format>
#include <stdexcept>

namespace millrace {

namespace {

/// What a flush knows of a staged row besides its columns.
constexpr std::string_view facts
  = "millrace_row,millrace_op,millrace_set,millrace_new,millrace_old";

/// Rows that the first statement has found and holds. A row made or updated by
/// this transaction has another `xmax`, or needs nothing more.
constexpr std::string_view held = "t.xmax=pg_catalog.pg_current_xact_id()::xid";

using names = std::vector<std::string>;

bool has(const names& all, const std::string& name) {
  return std::ranges::find(all, name) != all.end();
}

bool same(names x, names y) {
  std::ranges::sort(x);
  std::ranges::sort(y);
  return x == y;
}

[[noreturn]] void fail(const write_target& x, std::string_view what) {
  throw std::invalid_argument(
    std::format("writes into {}.{}: {}", x.schema, x.table, what));
}

void check(std::span<const fold_member> writes) {
  const auto& first = *writes.front().target;
  if (writes.size() > max_folded_writes)
    fail(first, "more than can be folded");
  for (const auto& write : writes) {
    const auto& x = *write.target;
    if (x.method == write_method::append)
      fail(x, "an append beside updates or deletes");
    if (x.key != first.key)
      fail(x, "the same key is needed for all");
    if (x.method == write_method::remove && !same(x.columns, x.key))
      fail(x, "a delete has other columns than its key");
    if (x.method == write_method::update && same(x.columns, x.key))
      fail(x, "an update has no columns but its key");
    if (x.only_if_newer.empty())
      continue;
    if (x.method == write_method::remove)
      fail(x, "a delete with only_if_newer");
    for (const auto& other : writes)
      if (&other != &write && other.target->method != write_method::remove)
        fail(x, "only_if_newer beside another write that is no delete");
  }
}

/// Builds the statements of one table.
class fold_writer {
public:
  fold_writer(std::span<const fold_member> writes, planned_write& plan)
    : key_{writes.front().target->key},
      table_{plan.table},
      staging_{"pg_temp." + plan.staging} {
    for (const auto& write : writes)
      add(write);
  }

  void create(planned_write& plan) const {
    plan.create_staging
      = std::format("CREATE TEMP TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS "
                    "AS SELECT {},0::bigint AS millrace_row,0::smallint AS "
                    "millrace_op,0 AS millrace_set,0 AS millrace_new,0 AS "
                    "millrace_old FROM {} WITH NO DATA",
                    plan.staging, name_list(all_), table_);
    plan.copy = std::format("COPY {} ({},{}) FROM STDIN (FORMAT binary)",
                            staging_, name_list(all_), facts);
  }

  folded_write finish() {
    for (std::size_t i = 0; i < all_.size(); ++i)
      if (!has(base_, all_[i]))
        made_.with_extras |= written_by_[i];
    made_.columns = all_.size();
    if (inserts()) {
      made_.insert = std::format("{}{}{}", insert(), sorted("1"), conflict());
      made_.take_and_insert = std::format(
        "{} FROM {} WHERE CASE WHEN l.held THEN false ELSE s.millrace_op IN "
        "(1,4,5) END{}",
        insert(), taken(), conflict());
      made_.replace = std::format("{}{} ON CONFLICT ({}) DO NOTHING", insert(),
                                  sorted("4"), name_list(key_));
    }
    made_.take = std::format("SELECT count(l.held) FROM {}", taken());
    made_.count_found
      = std::format("SELECT s.millrace_old,count(*) FROM {} WHERE {} AND "
                    "s.millrace_old<>0 AND {} GROUP BY 1",
                    both(staging_ + " AS s"), on_key("t"), held);
    made_.refuse_missing = std::format(
      "SELECT millrace.refuse_missing((SELECT array_agg(x.r) FROM (SELECT "
      "s.millrace_row AS r FROM {} AS s WHERE s.millrace_old&{}<>0 AND NOT "
      "EXISTS (SELECT 1 FROM {} AS t WHERE {} AND {}) LIMIT 1000) AS x))",
      staging_, made_.strict, table_, on_key("t"), held);
    made_.remove = std::format("DELETE FROM {} AS t USING {} AS s WHERE {} AND "
                               "s.millrace_op IN (3,4) AND {}",
                               table_, staging_, on_key("t"), held);
    extend();
    update();
    return std::move(made_);
  }

private:
  void add(const fold_member& write) {
    const auto& x = *write.target;
    auto bit = member_set{1} << made_.members.size();
    auto& member = made_.members.emplace_back(write.block, x.method);
    made_.methods.push_back(x.method);
    if (x.method != write_method::upsert && x.on_missing != missing_row::ignore)
      made_.strict |= bit;
    for (const auto& name : x.columns) {
      auto at = std::ranges::find(all_, name);
      member.places.push_back(static_cast<std::size_t>(at - all_.begin()));
      if (at == all_.end()) {
        all_.push_back(name);
        written_by_.push_back(0);
      }
      if (x.method != write_method::remove)
        written_by_[member.places.back()] |= bit;
    }
    if (x.method != write_method::remove)
      changing_ |= bit;
    if (!x.only_if_newer.empty()) {
      guard_ = quote_identifier(x.only_if_newer);
      made_.guarded = true;
    }
    if (x.method != write_method::upsert)
      return;
    if (base_.empty())
      base_ = x.columns;
    else
      std::erase_if(base_, [&x](const auto& y) { return !has(x.columns, y); });
  }

  bool inserts() const {
    return !base_.empty();
  }

  // -- pieces -----------------------------------------------------------------

  std::string on_key(std::string_view alias) const {
    std::string result;
    for (const auto& name : key_) {
      auto quoted = quote_identifier(name);
      result += std::format("{}{}.{}=s.{}", result.empty() ? "" : " AND ",
                            alias, quoted, quoted);
    }
    return result;
  }

  std::string both(std::string_view rows) const {
    return std::format("{} AS t,{}", table_, rows);
  }

  std::string insert() const {
    return std::format("INSERT INTO {} AS t ({}) SELECT {}", table_,
                       name_list(base_), name_list(base_, "s."));
  }

  /// Of rows with one key the greatest guard wins, and of equal guards the
  /// first, as it would if each row came in a flush of its own.
  std::string winners(std::string_view columns, std::string_view where) const {
    auto keys = name_list(key_);
    if (!made_.guarded)
      return std::format("SELECT {} FROM {}{}", columns, staging_, where);
    return std::format("SELECT DISTINCT ON ({}) {} FROM {}{} ORDER BY {},{} "
                       "DESC NULLS LAST,millrace_row",
                       keys, columns, staging_, where, keys, guard_);
  }

  /// ` FROM … `, the winners of the rows with one operation in key order.
  std::string sorted(std::string_view operation) const {
    auto where = std::format(" WHERE millrace_op={}", operation);
    return std::format(" FROM ({}) AS s ORDER BY {}", winners("*", where),
                       name_list(key_, "s."));
  }

  /// One after the other in key order: a row that is there already is locked
  /// when its turn comes. Upserts lock theirs when they meet it.
  std::string taken() const {
    auto order = made_.guarded ? std::string{} : " ORDER BY " + name_list(key_);
    return std::format("({}{}) AS s LEFT JOIN LATERAL (SELECT true AS held "
                       "FROM {} AS x WHERE {} AND s.millrace_op<>1 FOR UPDATE) "
                       "AS l ON true",
                       winners("*", ""), order, table_, on_key("x"));
  }

  std::string newer() const {
    if (!made_.guarded)
      return {};
    return std::format("({}.{}>t.{} OR (t.{} IS NULL AND {}.{} IS NOT NULL))",
                       "s", guard_, guard_, guard_, "s", guard_);
  }

  /// A row without other columns is updated all the same: this locks it.
  std::string conflict() const {
    std::string changes;
    for (const auto& name : base_)
      if (!has(key_, name))
        changes += std::format("{}{}=EXCLUDED.{}", changes.empty() ? "" : ",",
                               quote_identifier(name), quote_identifier(name));
    if (changes.empty()) {
      auto name = quote_identifier(key_.front());
      changes = std::format("{}=EXCLUDED.{}", name, name);
    }
    auto result = std::format(" ON CONFLICT ({}) DO UPDATE SET {}",
                              name_list(key_), changes);
    if (made_.guarded)
      result += std::format(" WHERE EXCLUDED.{}>t.{} OR (t.{} IS NULL AND "
                            "EXCLUDED.{} IS NOT NULL)",
                            guard_, guard_, guard_, guard_);
    return result;
  }

  /// `column=value` for each of the columns that a row's members may set.
  std::string changes(const names& columns, std::string_view set) const {
    std::string result;
    for (const auto& name : columns) {
      auto at = std::ranges::find(all_, name) - all_.begin();
      auto by = written_by_[static_cast<std::size_t>(at)];
      auto quoted = quote_identifier(name);
      result += result.empty() ? "" : ",";
      if (by == changing_)
        result += std::format("{}=s.{}", quoted, quoted);
      else
        result += std::format("{}=CASE WHEN s.{}&{}<>0 THEN s.{} ELSE t.{} END",
                              quoted, set, by, quoted, quoted);
    }
    return result;
  }

  // -- statements -------------------------------------------------------------

  void extend() {
    if (made_.with_extras == 0 || !inserts())
      return;
    names extras;
    for (const auto& name : all_)
      if (!has(base_, name))
        extras.push_back(name);
    made_.extend = std::format(
      "UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND s.millrace_op IN "
      "(1,4,5) AND s.millrace_new&{}<>0 AND NOT (s.millrace_op=5 AND {})",
      table_, changes(extras, "millrace_new"), staging_, on_key("t"),
      made_.with_extras, held);
  }

  void update() {
    names columns;
    for (std::size_t i = 0; i < all_.size(); ++i)
      if (!has(key_, all_[i]) && written_by_[i] != 0)
        columns.push_back(all_[i]);
    if (columns.empty())
      return;
    auto newest = newer();
    made_.update
      = std::format("UPDATE {} AS t SET {} FROM ({}) AS s WHERE {} AND {}{}{}",
                    table_, changes(columns, "millrace_set"),
                    winners("*", " WHERE millrace_op IN (2,5)"), on_key("t"),
                    held, newest.empty() ? "" : " AND ", newest);
  }

  const names& key_;
  const std::string& table_;
  std::string staging_;

  /// Staging columns, and which members that change rows write each.
  names all_;
  std::vector<member_set> written_by_;
  member_set changing_ = 0;

  /// Columns that every upsert writes, so that all may be inserted at once.
  names base_;

  std::string guard_;
  folded_write made_;
};

} // namespace

std::string name_list(std::span<const std::string> names,
                      std::string_view prefix) {
  std::string result;
  for (const auto& name : names) {
    if (!result.empty())
      result += ',';
    result += prefix;
    result += quote_identifier(name);
  }
  return result;
}

bool must_fold(std::span<const fold_member> writes) {
  auto keyed = std::ranges::count_if(writes, [](const fold_member& x) {
    return x.target->method != write_method::append;
  });
  return keyed > 1 || std::ranges::any_of(writes, [](const fold_member& x) {
           return x.target->method != write_method::append
                  && x.target->method != write_method::upsert;
         });
}

void plan_fold(std::span<const fold_member> writes, planned_write& plan) {
  check(writes);
  fold_writer writer{writes, plan};
  writer.create(plan);
  plan.folded = std::make_shared<const folded_write>(writer.finish());
}

} // namespace millrace
