#include "actors/coordinator/migration_lint.hpp"

#include <algorithm>
#include <array>

namespace millrace {

namespace {

constexpr auto rules = std::to_array<lint_rule>({
  {"allow-without-effect", "there is nothing that this comment allows",
   "take it out"},
  {"allow-without-reason", "nobody will know why this was allowed",
   "write -- millrace:allow RULE because …"},
  {"check-scans", "all rows are read while nobody can use the table",
   "add it NOT VALID, and VALIDATE CONSTRAINT in a later file"},
  {"concurrently-in-transaction",
   "PostgreSQL refuses CONCURRENTLY in a transaction",
   "put -- millrace:no-transaction before -- millrace:up"},
  {"detach-stops-table", "the parent is locked against everybody",
   "DETACH PARTITION … CONCURRENTLY, in a file without a transaction"},
  {"drop-column-breaks-writers",
   "nodes that name the column cannot write until they have read their "
   "configuration again",
   "take it out of the mapping first, and drop it later"},
  {"drop-index-stops-table",
   "it waits for everybody who uses the table, and everybody waits for it",
   "DROP INDEX CONCURRENTLY, in a file without a transaction"},
  {"drop-table-breaks-writers", "what still uses the table fails",
   "take it out of every mapping first"},
  {"foreign-key-scans",
   "all rows are checked while nobody can write either "
   "table",
   "add it NOT VALID, and VALIDATE CONSTRAINT in a later file"},
  {"index-stops-writers", "nobody can write until the index is built",
   "CREATE INDEX CONCURRENTLY, in a file without a transaction"},
  {"lock-stops-table", "the lock is held to the end of the file",
   "take it out, or name the weakest lock that will do"},
  {"new-column-rewrites",
   "each row gets a value of its own: the table is "
   "written anew while nobody can use it",
   "add the column without a default, set the default, then fill it in parts"},
  {"not-null-scans", "all rows are read while nobody can use the table",
   "add CHECK (… IS NOT NULL) NOT VALID, validate it in a later file, then SET "
   "NOT NULL, which goes by it, and drop the check"},
  {"refresh-stops-view", "nobody can read the view until it is done",
   "REFRESH MATERIALIZED VIEW CONCURRENTLY"},
  {"rename-breaks-writers", "nodes and queries that have the old name fail",
   "add what is new beside what is old, and drop that later"},
  {"rewrite-stops-table", "the table is written anew while nobody can use it",
   "do it when nothing else uses the table"},
  {"truncate-stops-table",
   "it waits for everybody who uses the table, and all "
   "rows are gone",
   "delete in parts, or drop partitions"},
  {"type-change-rewrites",
   "the table may be written anew while nobody can use "
   "it, and its lanes read their configuration again",
   "add a column of the new type, fill it in parts, and drop the old one "
   "later"},
  {"unique-builds-index", "its index is built while nobody can use the table",
   "CREATE UNIQUE INDEX CONCURRENTLY in a file without a transaction, then ADD "
   "CONSTRAINT … USING INDEX"},
  {"update-all-rows", "all rows are locked and written at once",
   "do it in parts, in a file without a transaction, or give it a WHERE"},
});

/// Which rule a kind of statement breaks where it does that much work.
struct kind_rule {
  std::string_view kind;
  table_work work;
  std::string_view rule;
};

constexpr auto by_kind = std::to_array<kind_rule>({
  {"CREATE INDEX", table_work::scan, "index-stops-writers"},
  {"DROP INDEX", table_work::idle, "drop-index-stops-table"},
  {"DROP TABLE", table_work::idle, "drop-table-breaks-writers"},
  {"TRUNCATE", table_work::idle, "truncate-stops-table"},
  {"CLUSTER", table_work::rewrite, "rewrite-stops-table"},
  {"VACUUM FULL", table_work::rewrite, "rewrite-stops-table"},
  {"LOCK TABLE", table_work::idle, "lock-stops-table"},
  {"LOCK", table_work::idle, "lock-stops-table"},
  {"REFRESH MATERIALIZED VIEW", table_work::rewrite, "refresh-stops-view"},
  {"ALTER TABLE ADD FOREIGN KEY", table_work::scan, "foreign-key-scans"},
  {"ALTER TABLE ADD CHECK", table_work::scan, "check-scans"},
  {"ALTER TABLE ADD NOT NULL", table_work::scan, "not-null-scans"},
  {"ALTER TABLE ADD UNIQUE", table_work::scan, "unique-builds-index"},
  {"ALTER TABLE ADD PRIMARY KEY", table_work::scan, "unique-builds-index"},
  {"ALTER TABLE ADD EXCLUDE", table_work::scan, "unique-builds-index"},
  {"ALTER TABLE ADD COLUMN", table_work::rewrite, "new-column-rewrites"},
  {"ALTER TABLE DROP COLUMN", table_work::idle, "drop-column-breaks-writers"},
  {"ALTER TABLE ALTER … TYPE", table_work::rewrite, "type-change-rewrites"},
  {"ALTER TABLE ALTER … SET DATA TYPE", table_work::rewrite,
   "type-change-rewrites"},
  {"ALTER TABLE ALTER … SET NOT NULL", table_work::scan, "not-null-scans"},
  {"ALTER TABLE SET LOGGED", table_work::rewrite, "rewrite-stops-table"},
  {"ALTER TABLE SET UNLOGGED", table_work::rewrite, "rewrite-stops-table"},
  {"ALTER TABLE SET TABLESPACE", table_work::rewrite, "rewrite-stops-table"},
  {"ALTER TABLE SET ACCESS METHOD", table_work::rewrite, "rewrite-stops-table"},
  {"ALTER TABLE DETACH PARTITION", table_work::idle, "detach-stops-table"},
  {"ALTER TABLE RENAME", table_work::idle, "rename-breaks-writers"},
});

const lint_rule& rule(std::string_view name) {
  return *std::ranges::find(rules, name, &lint_rule::name);
}

bool has(const sql_statement& x, std::string_view word) {
  return std::ranges::any_of(x.tokens,
                             [word](const auto& t) { return t.is(word); });
}

/// `-- millrace:allow RULE because …`
struct allowance {
  std::string rule;
  bool has_reason = false;
  bool used = false;
};

std::vector<allowance> allowances(const sql_statement& x) {
  constexpr std::string_view mark = "millrace:allow ";
  constexpr std::string_view because = " because ";
  std::vector<allowance> result;
  for (std::string_view comment : x.comments)
    if (comment.starts_with(mark)) {
      comment.remove_prefix(mark.size());
      auto end = comment.find(' ');
      result.push_back({std::string{comment.substr(0, end)},
                        end != comment.npos
                          && comment.substr(end).starts_with(because)
                          && comment.size() > end + because.size()});
    }
  return result;
}

/// Names of the rules that a statement breaks.
std::vector<std::string_view>
broken(const sql_statement& statement, const std::vector<statement_effect>& all,
       const std::set<std::string>& made, bool in_transaction) {
  std::vector<std::string_view> result;
  for (const auto& x : all) {
    if (in_transaction && x.kind.contains(" CONCURRENTLY")
        && !x.kind.starts_with("REFRESH"))
      result.push_back("concurrently-in-transaction");
    if (!x.table.empty() && made.contains(x.table))
      continue;
    for (const auto& row : by_kind)
      if (row.kind == x.kind && x.work >= row.work)
        result.push_back(row.rule);
    if ((x.kind == "UPDATE" || x.kind == "DELETE") && !has(statement, "WHERE"))
      result.push_back("update-all-rows");
  }
  std::ranges::sort(result);
  auto doubled = std::ranges::unique(result);
  result.erase(doubled.begin(), doubled.end());
  return result;
}

} // namespace

std::span<const lint_rule> lint_rules() {
  return rules;
}

std::vector<lint_finding> migration_linter::check(std::string_view set,
                                                  const migration& file) {
  std::vector<lint_finding> result;
  auto statements = split_sql(file.up);
  // PostgreSQL will say what is wrong with it.
  if (!statements)
    return result;
  for (const auto& statement : *statements) {
    auto found = [&](std::string_view name) {
      const auto& x = rule(name);
      result.push_back({file_of(set, file), statement.line, std::string{x.name},
                        std::string{x.reason}, std::string{x.way_out}});
    };
    auto effects = effects_of(statement);
    auto allowed = allowances(statement);
    for (auto name : broken(statement, effects, made_, file.in_transaction)) {
      auto at = std::ranges::find(allowed, name, &allowance::rule);
      if (at == allowed.end())
        found(name);
      else
        at->used = true;
    }
    for (const auto& x : allowed) {
      if (!x.used)
        found("allow-without-effect");
      else if (!x.has_reason)
        found("allow-without-reason");
    }
    for (const auto& x : effects)
      if (!x.makes.empty())
        made_.insert(x.makes);
  }
  return result;
}

} // namespace millrace
