// `millrace partitions archive`.

#include "config/values.hpp"
#include "nodes/cli/partitions_tables.hpp"
#include "nodes/cli/partitions_text.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

using age = std::chrono::milliseconds;

admin_result<age> age_of(const partitions_arguments& what) {
  if (auto result = parse_duration(what.older_than))
    return *result;
  return admin_fail(exit_code::usage,
                    "--older-than: found " + in_quotes(what.older_than)
                      + ", expected a duration such as \"90d\"");
}

/// A usage error where the rows would have no place to go.
admin_result<void> check_folders(admin_sessions& sessions,
                                 const partitions_arguments& what) {
  for (const auto& session : sessions.open)
    for (const auto& x : wanted_tables(session, what))
      if (x.rules.archive.empty())
        return admin_fail(exit_code::usage,
                          to_string(x)
                            + " has no `archive` in its [[pipeline.NAME."
                              "partition]]; declare one, or leave the table "
                              "out with --table, --tenant or --pipeline");
  return {};
}

/// What would be archived of the tables of one database.
admin_result<std::vector<table_view>>
plan(admin_session& session, const partitions_arguments& what, age older_than) {
  partition_catalog catalog{session.conn};
  if (auto ready = catalog.prepare(); !ready)
    return admin_fail(ready.error());
  std::vector<table_view> result;
  for (auto& policy : wanted_tables(session, what)) {
    auto table = catalog.read(policy);
    if (!table)
      return admin_fail(table.error());
    if (table->is_hypertable())
      return admin_fail(exit_code::failed,
                        to_string(policy)
                          + " is a hypertable, whose chunks cannot be "
                            "archived; leave it out with --table");
    auto now = catalog.now();
    if (!now)
      return admin_fail(now.error());
    table_view x{std::move(policy),
                 session.database,
                 {},
                 std::move(*table),
                 {},
                 {},
                 {},
                 {}};
    x.plan.drop = plan_archive(x.policy, x.table, *now, older_than);
    result.push_back(std::move(x));
  }
  return result;
}

} // namespace

exit_code run_partitions_archive(const partitions_arguments& what,
                                 console& to) {
  auto older_than = age_of(what);
  if (!older_than)
    return tell(older_than.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto good = check_tables(*sessions->open.front().all, what);
  if (good)
    good = check_folders(*sessions, what);
  if (!good)
    return tell(good.error(), to);
  std::vector<table_view> all;
  for (auto& session : sessions->open) {
    auto some = plan(session, what, *older_than);
    if (!some)
      return tell(some.error(), to);
    std::ranges::move(*some, std::back_inserter(all));
  }
  std::size_t number = 0;
  for (const auto& x : all)
    number += x.plan.drop.size();
  if (number > 0) {
    if (!to.json())
      to.note(plan_text(all));
    auto agreed = confirm(
      what, to,
      std::format("put {} partitions into files and drop them?", number));
    if (!agreed)
      return tell(agreed.error(), to);
  }
  return run_rounds(what, to, *sessions, *older_than);
}

} // namespace millrace::cli
