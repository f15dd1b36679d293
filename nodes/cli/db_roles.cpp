#include "nodes/cli/db_roles.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/store/sql_values.hpp"
#include "config/values.hpp"
#include "nodes/cli/db_roles_plan.hpp"
#include "nodes/cli/db_session.hpp"

#include <format>
#include <utility>

namespace millrace::cli {

namespace {

store_result<std::vector<std::string>>
statements_for(admin_session& session, const db_roles_arguments& what) {
  role_request request;
  request.prefix = what.prefix;
  request.tenants = tenants_in(session, {});
  auto known = session.conn.query("SELECT rolname FROM pg_roles");
  if (!known)
    return std::unexpected{std::move(known.error())};
  for (const auto& row : known->rows)
    request.known.emplace(text_of(row[0]));
  auto me = session.conn.query("SELECT current_user");
  if (!me)
    return std::unexpected{std::move(me.error())};
  request.owner = text_of(me->rows.at(0)[0]);
  return role_statements(request);
}

store_result<void> apply_statements(connection& conn, const admin_note& note,
                                    const std::string& prefix,
                                    const std::vector<std::string>& all) {
  return conn.in_transaction([&]() -> store_result<void> {
    for (const auto& x : all)
      if (auto done = conn.run(x); !done)
        return done;
    return record_action(conn, note, prefix);
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
      to.out(std::format("{}: {} and {} may do their work; GRANT them to the "
                         "roles that log in\n",
                         printable(session.database), ingest_role(what.prefix),
                         reader_role(what.prefix)));
  }
  json.end_array().end_object();
  if (to.json())
    to.out(json.str() + '\n');
  return exit_code::ok;
}

} // namespace millrace::cli
