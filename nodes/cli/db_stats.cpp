#include "nodes/cli/db_stats.hpp"

#include "actors/cluster/json_writer.hpp"
#include "nodes/cli/db_session.hpp"
#include "nodes/cli/db_stats_text.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::cli {

namespace {

struct stats_survey {
  std::vector<tenant_stats> tenants;
  findings failures;
  exit_code code = exit_code::ok;

  void fail(const admin_failure& x) {
    std::ranges::copy(x.all, std::back_inserter(failures));
    code = x.code;
  }
};

void survey_stats(const admin_session& session, const db_stats_arguments& what,
                  const console& to, stats_survey& seen) {
  auto conn = open_patient(session);
  if (!conn)
    return seen.fail(conn.error());
  const auto& database = *find_database(*session.all, session.database);
  auto watched = is_watched(to);
  stats_reader reader{*conn, !what.estimate,
                      [&to, watched](const std::string& table) {
                        if (watched)
                          to.note("counting " + table);
                      }};
  for (const auto* tenant : tenants_in(session, what.tenant)) {
    auto read = reader.read(tenant->schema,
                            series_of(*session.all, database, tenant->name));
    if (!read)
      return seen.fail(admin_fail(read.error()).error());
    read->tenant = tenant->name;
    read->database = session.database;
    for (const auto& x : read->tables)
      if (!x.error.empty())
        seen.fail(
          {exit_code::failed,
           {make_error(tenant->schema + '.' + x.name + ": " + x.error)}});
    seen.tenants.push_back(std::move(*read));
  }
}

std::string stats_json(const std::vector<tenant_stats>& all, bool one) {
  json_writer out;
  if (!one)
    out.begin_array();
  for (const auto& x : all)
    write_stats(out, x);
  if (!one)
    out.end_array();
  return std::move(out).str() + '\n';
}

} // namespace

exit_code run_db_stats(const db_stats_arguments& what, console& to) {
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  const auto& all = *sessions->open.front().all;
  if (auto known = check_tenant(all, what.tenant); !known)
    return tell(known.error(), to);
  stats_survey seen;
  for (auto& session : sessions->open) {
    session.conn.close();
    survey_stats(session, what, to, seen);
  }
  if (sessions->lacking)
    seen.fail(*sessions->lacking);
  if (seen.tenants.empty()) {
    to.tell(seen.failures);
    return seen.code;
  }
  if (to.json() || what.format == "json") {
    to.out(stats_json(seen.tenants, !what.tenant.empty()));
    if (!to.json())
      to.tell(seen.failures);
    return seen.code;
  }
  std::string text;
  for (const auto& x : seen.tenants)
    text += (text.empty() ? "" : "\n") + stats_text(x);
  to.out(text);
  to.tell(seen.failures);
  return seen.code;
}

} // namespace millrace::cli
