// `millrace partitions list` and `plan`.

#include "nodes/cli/partitions_command.hpp"

#include "config/values.hpp"
#include "nodes/cli/partitions_tables.hpp"
#include "nodes/cli/partitions_text.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::cli {

namespace {

bool is_wanted(const partition_policy& x, const partitions_arguments& what) {
  auto fits = [](const std::string& wanted, const std::string& is) {
    return wanted.empty() || wanted == is;
  };
  return fits(what.pipeline, x.pipeline) && fits(what.tenant, x.tenant)
         && fits(what.table, x.table);
}

store_result<void> look(partition_catalog& catalog, table_view& x) {
  auto table = catalog.read(x.policy);
  if (!table)
    return std::unexpected{std::move(table.error())};
  x.table = std::move(*table);
  auto removals = catalog.removals(x.policy);
  if (!removals)
    return std::unexpected{std::move(removals.error())};
  x.removals = std::move(*removals);
  auto sizes = catalog.sizes(x.policy);
  if (!sizes)
    return std::unexpected{std::move(sizes.error())};
  x.sizes = std::move(*sizes);
  auto now = catalog.now();
  if (!now)
    return std::unexpected{std::move(now.error())};
  x.plan = plan_partitions(x.policy, x.table, *now);
  x.reach = reach_of(x.policy, x.table, *now);
  return {};
}

/// What was seen, and what of it could not be.
struct survey {
  std::vector<table_view> tables;
  findings failures;
  exit_code code = exit_code::ok;

  void fail(const admin_failure& x) {
    std::ranges::copy(x.all, std::back_inserter(failures));
    code = x.code;
  }
};

void visit(admin_session& session, const partitions_arguments& what,
           survey& to) {
  partition_catalog catalog{session.conn};
  if (auto ready = catalog.prepare(); !ready)
    return to.fail(admin_fail(ready.error()).error());
  for (auto& policy : wanted_tables(session, what)) {
    table_view x{std::move(policy), session.database, {}, {}, {}, {}, {}, {}};
    if (auto seen = look(catalog, x); !seen) {
      auto failure = admin_fail(seen.error()).error();
      x.error = failure.all.front().text;
      to.code = failure.code;
      to.failures.push_back(make_error(to_string(x.policy) + ": " + x.error));
    }
    for (const auto& problem : x.plan.problems) {
      to.failures.push_back(make_error(to_string(x.policy) + ": " + problem));
      to.code = exit_code::failed;
    }
    to.tables.push_back(std::move(x));
  }
}

exit_code run_view(const partitions_arguments& what, console& to,
                   std::string (*text)(const std::vector<table_view>&),
                   std::string (*json)(const std::vector<table_view>&)) {
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  const auto& all = *sessions->open.front().all;
  if (auto some = check_tables(all, what); !some)
    return tell(some.error(), to);
  survey seen;
  for (auto& session : sessions->open)
    visit(session, what, seen);
  if (sessions->lacking)
    seen.fail(*sessions->lacking);
  // A document of findings where nothing could be seen.
  if (to.json() && seen.tables.empty() && !seen.failures.empty()) {
    to.tell(seen.failures);
    return seen.code;
  }
  to.out(to.json() ? json(seen.tables) : text(seen.tables));
  if (!to.json())
    to.tell(seen.failures);
  return seen.code;
}

} // namespace

std::vector<partition_policy> wanted_tables(const admin_session& session,
                                            const partitions_arguments& what) {
  auto result = policies_of(*session.all,
                            *find_database(*session.all, session.database));
  std::erase_if(result, [&what](const auto& x) { return !is_wanted(x, what); });
  return result;
}

admin_result<void> check_tables(const config& all,
                                const partitions_arguments& what) {
  for (const auto* database : all_databases(all))
    for (const auto& x : policies_of(all, *database))
      if (is_wanted(x, what))
        return {};
  return admin_fail(exit_code::usage,
                    "no [[pipeline.NAME.partition]] of the configuration says "
                    "anything of such a table");
}

exit_code run_partitions_list(const partitions_arguments& what, console& to) {
  return run_view(what, to, list_text, list_json);
}

exit_code run_partitions_plan(const partitions_arguments& what, console& to) {
  return run_view(what, to, plan_text, plan_json);
}

} // namespace millrace::cli
