#include "actors/coordinator/statement_effect.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <utility>

namespace millrace {

namespace {

using enum lock_level;
using enum table_work;
using words = std::vector<std::string>;

/// What a kind of statement, or an action of ALTER TABLE, takes and does;
/// chapter "Explicit Locking" and the pages of the commands in PostgreSQL's
/// manual. The first row whose words the statement begins with counts; `…`
/// stands for one name, and words that change nothing are left out before.
struct effect_row {
  std::string_view words;
  lock_level lock;
  table_work work;
};

constexpr auto statements = std::to_array<effect_row>({
  {"CREATE TABLE", none, idle},
  {"CREATE INDEX CONCURRENTLY", share_update_exclusive, scan},
  {"CREATE INDEX", share, scan},
  {"DROP INDEX CONCURRENTLY", share_update_exclusive, idle},
  {"DROP INDEX", access_exclusive, idle},
  {"REINDEX", share, scan},
  {"CREATE TRIGGER", share_row_exclusive, idle},
  {"DROP TRIGGER", access_exclusive, idle},
  {"CREATE RULE", access_exclusive, idle},
  {"CREATE POLICY", access_exclusive, idle},
  {"DROP POLICY", access_exclusive, idle},
  {"DROP TABLE", access_exclusive, idle},
  {"DROP VIEW", access_exclusive, idle},
  {"DROP MATERIALIZED VIEW", access_exclusive, idle},
  {"TRUNCATE", access_exclusive, idle},
  {"CLUSTER", access_exclusive, rewrite},
  {"VACUUM FULL", access_exclusive, rewrite},
  {"VACUUM", share_update_exclusive, scan},
  {"ANALYZE", share_update_exclusive, idle},
  {"REFRESH MATERIALIZED VIEW CONCURRENTLY", exclusive, scan},
  {"REFRESH MATERIALIZED VIEW", access_exclusive, rewrite},
  {"CREATE STATISTICS", share_update_exclusive, idle},
  {"COMMENT ON", share_update_exclusive, idle},
  {"LOCK TABLE", access_exclusive, idle},
  {"LOCK", access_exclusive, idle},
  {"INSERT", row_exclusive, idle},
  {"UPDATE", row_exclusive, idle},
  {"DELETE", row_exclusive, idle},
  {"MERGE", row_exclusive, idle},
  {"SELECT", access_share, idle},
  {"WITH", row_exclusive, idle},
});

constexpr auto actions = std::to_array<effect_row>({
  {"VALIDATE CONSTRAINT", share_update_exclusive, scan},
  {"ADD FOREIGN KEY", share_row_exclusive, scan},
  {"ADD CHECK", access_exclusive, scan},
  {"ADD UNIQUE", access_exclusive, scan},
  {"ADD PRIMARY KEY", access_exclusive, scan},
  {"ADD EXCLUDE", access_exclusive, scan},
  {"ADD NOT NULL", access_exclusive, scan},
  {"ADD", access_exclusive, idle},
  {"DROP CONSTRAINT", access_exclusive, idle},
  {"DROP", access_exclusive, idle},
  {"ALTER … TYPE", access_exclusive, rewrite},
  {"ALTER … SET DATA TYPE", access_exclusive, rewrite},
  {"ALTER … SET NOT NULL", access_exclusive, scan},
  {"ALTER … SET STATISTICS", share_update_exclusive, idle},
  {"ALTER … SET (", share_update_exclusive, idle},
  {"ALTER CONSTRAINT", access_exclusive, idle},
  {"ALTER", access_exclusive, idle},
  {"SET STATISTICS", share_update_exclusive, idle},
  {"SET (", share_update_exclusive, idle},
  {"RESET (", share_update_exclusive, idle},
  {"SET WITHOUT CLUSTER", share_update_exclusive, idle},
  {"CLUSTER ON", share_update_exclusive, idle},
  {"SET LOGGED", access_exclusive, rewrite},
  {"SET UNLOGGED", access_exclusive, rewrite},
  {"SET TABLESPACE", access_exclusive, rewrite},
  {"SET ACCESS METHOD", access_exclusive, rewrite},
  {"ATTACH PARTITION", share_update_exclusive, scan},
  {"DETACH PARTITION", access_exclusive, idle},
  {"ENABLE", share_row_exclusive, idle},
  {"DISABLE", share_row_exclusive, idle},
  {"RENAME", access_exclusive, idle},
  {"OWNER TO", access_exclusive, idle},
});

using tokens = std::vector<sql_token>;

bool is_name(const sql_token& x) {
  return x.kind == sql_token_kind::word
         || x.kind == sql_token_kind::quoted_name;
}

bool is_any(const sql_token& x,
            std::initializer_list<std::string_view> candidates) {
  return std::ranges::any_of(candidates,
                             [&x](auto word) { return x.is(word); });
}

/// Without words that change nothing about lock and work.
tokens without_noise(const tokens& all) {
  tokens result;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& x = all[i];
    if (i < 8
        && is_any(x, {"UNIQUE", "TEMP", "TEMPORARY", "UNLOGGED", "CONSTRAINT",
                      "EACH"})
        && !result.empty() && result.back().is("CREATE"))
      continue;
    if (x.is("OR") && i + 1 < all.size() && all[i + 1].is("REPLACE")) {
      ++i;
      continue;
    }
    if (x.is("IF")) {
      while (i + 1 < all.size() && is_any(all[i + 1], {"NOT", "EXISTS"}))
        ++i;
      continue;
    }
    if (x.is("ONLY") || (x.is("COLUMN") && !result.empty()))
      continue;
    result.push_back(x);
  }
  return result;
}

/// How many tokens the row's words take at the beginning; 0: another one.
std::size_t matches(const effect_row& row, const tokens& all) {
  std::size_t at = 0;
  for (auto rest = row.words; !rest.empty();) {
    auto word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    if (at >= all.size()
        || (word == "…" ? !is_name(all[at]) : !all[at].is(word)))
      return 0;
    ++at;
  }
  return at;
}

/// The last part of a name at `at`, which is moved behind it.
std::string take_name(const tokens& all, std::size_t& at) {
  std::string result;
  while (at < all.size() && is_name(all[at])) {
    result = name_of(all[at++]);
    if (at >= all.size() || !all[at].is("."))
      break;
    ++at;
  }
  return result;
}

/// The name after the first ON, FROM, INTO or the like.
std::string name_after(const tokens& all, std::size_t from,
                       std::initializer_list<std::string_view> before) {
  for (auto i = from; i < all.size(); ++i)
    if (is_any(all[i], before)) {
      auto at = i + 1;
      return take_name(all, at);
    }
  return {};
}

std::string table_of(const effect_row& row, const tokens& all, std::size_t at) {
  auto begins = [&row](std::string_view x) { return row.words.starts_with(x); };
  if (begins("CREATE INDEX") || begins("CREATE TRIGGER")
      || begins("DROP TRIGGER") || begins("CREATE POLICY")
      || begins("DROP POLICY"))
    return name_after(all, at, {"ON"});
  if (begins("CREATE RULE"))
    return name_after(all, at, {"TO"});
  if (begins("DROP INDEX") || begins("CREATE STATISTICS") || begins("COMMENT")
      || begins("SELECT") || begins("WITH"))
    return {};
  while (at < all.size() && is_any(all[at], {"TABLE", "FROM", "INTO", "FULL"}))
    ++at;
  return take_name(all, at);
}

/// What ADD and the other actions need to look at beyond their first words.
void refine(statement_effect& x, const tokens& all) {
  auto has = [&all](std::string_view word) {
    return std::ranges::any_of(all,
                               [word](const auto& t) { return t.is(word); });
  };
  auto not_valid = has("VALID");
  auto using_index = has("USING") && has("INDEX");
  if ((x.kind.contains("FOREIGN KEY") || x.kind.contains("CHECK")
       || x.kind.contains("NOT NULL"))
      && not_valid)
    x.work = idle;
  if ((x.kind.contains("UNIQUE") || x.kind.contains("PRIMARY KEY"))
      && using_index)
    x.work = idle;
  if (x.kind.contains("DETACH PARTITION") && has("CONCURRENTLY")) {
    x.kind += " CONCURRENTLY";
    x.lock = share_update_exclusive;
  }
  // A value of its own for every row.
  if (x.kind.ends_with("ADD COLUMN")
      && (has("GENERATED") || has("RANDOM") || has("GEN_RANDOM_UUID")
          || has("UUID_GENERATE_V4") || has("CLOCK_TIMESTAMP") || has("SERIAL")
          || has("BIGSERIAL") || has("NEXTVAL")))
    x.work = rewrite;
}

/// `CONSTRAINT name` says nothing about what is added.
tokens without_constraint_name(tokens action) {
  if (action.size() > 2 && action[0].is("ADD") && action[1].is("CONSTRAINT"))
    action.erase(action.begin() + 1, action.begin() + 3);
  return action;
}

statement_effect action_effect(const tokens& raw, const std::string& table) {
  auto action = without_constraint_name(raw);
  statement_effect result{"ALTER TABLE", access_exclusive, idle, table, {}};
  for (const auto& row : actions)
    if (matches(row, action) > 0) {
      auto added = row.words == "ADD" || row.words == "DROP";
      result.kind += ' ' + std::string{row.words} + (added ? " COLUMN" : "");
      result.lock = row.lock;
      result.work = row.work;
      break;
    }
  refine(result, action);
  return result;
}

std::vector<statement_effect> alter_table(const tokens& all) {
  std::size_t at = 2;
  auto table = take_name(all, at);
  std::vector<statement_effect> result;
  tokens action;
  auto depth = 0;
  for (; at <= all.size(); ++at) {
    if (at == all.size() || (depth == 0 && all[at].is(","))) {
      if (!action.empty())
        result.push_back(action_effect(action, table));
      action.clear();
      continue;
    }
    depth += all[at].is("(") ? 1 : all[at].is(")") ? -1 : 0;
    action.push_back(all[at]);
  }
  return result;
}

} // namespace

std::string to_string(lock_level x) {
  static constexpr auto names = std::to_array<std::string_view>(
    {"no lock", "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE",
     "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE",
     "ACCESS EXCLUSIVE"});
  return std::string{names.at(static_cast<std::size_t>(x))};
}

lock_level lock_level_of(std::string_view mode) {
  static constexpr auto names = std::to_array<std::string_view>(
    {"", "AccessShareLock", "RowShareLock", "RowExclusiveLock",
     "ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock",
     "ExclusiveLock", "AccessExclusiveLock"});
  auto found = std::ranges::find(names, mode);
  return found == names.end()
           ? lock_level::none
           : static_cast<lock_level>(std::distance(names.begin(), found));
}

std::string to_string(table_work x) {
  switch (x) {
    case idle:
      return {};
    case scan:
      return "reads all rows";
    case rewrite:
      return "writes all rows anew";
  }
  return {};
}

std::vector<statement_effect> effects_of(const sql_statement& statement) {
  auto all = without_noise(statement.tokens);
  if (all.size() > 2 && all[0].is("ALTER") && all[1].is("TABLE"))
    return alter_table(all);
  for (const auto& row : statements) {
    auto at = matches(row, all);
    if (at == 0)
      continue;
    statement_effect result{
      std::string{row.words}, row.lock, row.work, table_of(row, all, at), {}};
    if (row.words == "CREATE TABLE") {
      result.makes = std::exchange(result.table, {});
      // It locks its parent.
      if (auto parent = name_after(all, at, {"OF"});
          all.size() > at + 1 && !parent.empty()
          && std::ranges::any_of(all, [](const auto& x) {
               return x.is("PARTITION");
             })) {
        result.kind += " … PARTITION OF";
        result.table = parent;
        result.lock = access_exclusive;
      }
    }
    return {result};
  }
  return {{}};
}

} // namespace millrace
