#include "nodes/cli/db_roles.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/store/sql_values.hpp"
#include "config/values.hpp"
#include "nodes/cli/db_session.hpp"

#include <format>
#include <utility>

namespace millrace::cli {

namespace {

store_result<void> add_statements(connection& conn, const std::string& call,
                                  const sql_params& of,
                                  std::vector<std::string>& to) {
  auto found = conn.query("SELECT " + call, of);
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows)
    to.emplace_back(text_of(row[0]));
  return {};
}

/// As the control schema has them: it gives the same to tenants that come.
store_result<std::vector<std::string>>
statements_for(admin_session& session, const db_roles_arguments& what) {
  std::vector<std::string> result;
  auto done = add_statements(session.conn, "millrace.role_statements($1)",
                             {what.prefix}, result);
  for (const auto* x : tenants_in(session, {}))
    if (done)
      done = add_statements(session.conn,
                            "millrace.tenant_role_statements($1, $2, $3, true)",
                            {what.prefix, x->name, x->schema}, result);
  if (!done)
    return std::unexpected{std::move(done.error())};
  return result;
}

store_result<void> apply_statements(connection& conn, const admin_note& note,
                                    const std::string& prefix,
                                    const std::vector<std::string>& all) {
  return conn.in_transaction([&]() -> store_result<void> {
    // Tenants that come now get theirs in the same way.
    auto done = conn.run("SELECT pg_advisory_xact_lock("
                         "hashtext('millrace.roles'))");
    for (const auto& x : all)
      if (done)
        done = conn.run(x);
    return done ? record_action(conn, note, prefix) : done;
  });
}

admin_result<void> check_prefix(const std::string& x) {
  // Room for the longest tenant and `_ingest`.
  constexpr std::size_t longest = 14;
  if (is_name(x) && x.size() <= longest)
    return {};
  return admin_fail(exit_code::usage,
                    std::format("--prefix: found {}, expected lower-case "
                                "letters, digits and '_', at most {}",
                                in_quotes(x), longest));
}

} // namespace

admin_result<void> apply_roles(admin_session& session,
                               const db_roles_arguments& what,
                               const std::string& command) {
  auto all = statements_for(session, what);
  if (!all)
    return admin_fail(all.error());
  auto note = note_of(what, command);
  if (note.reason.empty())
    note.reason = "not said";
  if (auto done = apply_statements(session.conn, note, what.prefix, *all);
      !done)
    return admin_fail(done.error());
  return {};
}

exit_code run_db_roles_plan(const db_roles_arguments& what, console& to) {
  if (auto fine = check_prefix(what.prefix); !fine)
    return tell(fine.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  json_writer json;
  std::string text;
  json.begin_array();
  for (auto& session : sessions->open) {
    auto all = statements_for(session, what);
    if (!all)
      return tell(admin_fail(all.error()).error(), to);
    json.begin_object().key("database").string(session.database);
    json.key("sql").begin_array();
    if (sessions->several)
      text += "-- database " + printable(session.database) + '\n';
    for (const auto& x : *all) {
      json.string(x);
      text += printable(x) + ";\n";
    }
    json.end_array().end_object();
  }
  json.end_array();
  to.out(to.json() ? json.str() + '\n' : text);
  return exit_code::ok;
}

exit_code run_db_roles_apply(const db_roles_arguments& what, console& to) {
  if (auto fine = check_prefix(what.prefix); !fine)
    return tell(fine.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  json_writer json;
  json.begin_object().key("applied").begin_array();
  for (auto& session : sessions->open) {
    if (auto done = apply_roles(session, what, "db roles apply"); !done)
      return tell(done.error(), to);
    json.string(session.database);
    if (!to.json())
      to.out(std::format("{0}: {1}_ingest and {1}_reader may do their work; "
                         "GRANT them to the roles that log in\n",
                         printable(session.database), what.prefix));
  }
  json.end_array().end_object();
  if (to.json())
    to.out(json.str() + '\n');
  return exit_code::ok;
}

} // namespace millrace::cli
