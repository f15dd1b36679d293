#include "nodes/cli/db_setup.hpp"

#include "actors/store/sql_text.hpp"
#include "config/values.hpp"
#include "nodes/cli/db_roles.hpp"
#include "nodes/cli/migrate_jobs.hpp"

#include <charconv>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

/// Every server has it.
constexpr auto maintenance_database = "postgres";

/// A URL's `%20` as what it means.
std::string percent_decoded(std::string_view x) {
  std::string result;
  for (std::size_t i = 0; i < x.size(); ++i) {
    unsigned value = 0;
    auto digits = x.substr(i + 1 < x.size() ? i + 1 : x.size(), 2);
    auto end = digits.data() + digits.size();
    if (x[i] == '%' && digits.size() == 2
        && std::from_chars(digits.data(), end, value, 16).ptr == end) {
      result += static_cast<char>(value);
      i += 2;
    } else {
      result += x[i];
    }
  }
  return result;
}

/// Makes the database unless it can be reached.
admin_result<void> ensure_database(const postgresql_config& x, console& to) {
  auto reached = open_database(x);
  if (reached)
    return {};
  auto name = database_name_of(x);
  auto conn = open_database(x, maintenance_database);
  if (!conn || name.empty())
    return admin_fail(reached.error());
  auto there = conn->query("SELECT 1 FROM pg_database WHERE datname = $1",
                           {name});
  if (!there)
    return admin_fail(there.error());
  if (!there->rows.empty())
    return admin_fail(reached.error());
  if (auto made = conn->run("CREATE DATABASE " + quote_identifier(name)
                            + " ENCODING 'UTF8' TEMPLATE template0");
      !made)
    return admin_fail(made.error());
  if (!to.json())
    to.out("made database " + printable(name) + '\n');
  return {};
}

} // namespace

std::string database_name_of(const postgresql_config& x) {
  if (!x.database.empty())
    return x.database;
  std::string_view url = x.url.reveal();
  auto scheme = url.find("://");
  if (scheme == url.npos)
    return {};
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find('?'));
  auto slash = url.find('/');
  return slash == url.npos ? std::string{}
                           : percent_decoded(url.substr(slash + 1));
}

exit_code run_db_setup_dev(const db_setup_arguments& what, console& to) {
  const auto& given = what.init.migrate;
  if (given.config.empty())
    return to.fail(exit_code::usage,
                   "expected --config FILE: it names what is to be made");
  auto work = find_work(given);
  if (!work)
    return tell_failure(work.error(), to);
  for (const auto& place : work->databases)
    if (auto done = ensure_database(place.database, to); !done)
      return tell(done.error(), to);
  if (auto code = run_db_init(what.init, to); code != exit_code::ok)
    return code;
  db_roles_arguments roles;
  roles.config = given.config;
  roles.database_url = given.database_url;
  roles.pack_dirs = given.pack_dirs;
  roles.database = given.database;
  roles.prefix = what.prefix;
  auto sessions = open_all_admins(roles);
  if (!sessions)
    return tell(sessions.error(), to);
  for (auto& session : sessions->open)
    if (auto done = apply_roles(session, roles, "db setup-dev"); !done)
      return tell(done.error(), to);
  if (!to.json())
    to.out(std::format("roles {0}_ingest and {0}_reader are there\nnext: "
                       "millrace node {1}\n",
                       what.prefix, printable(given.config)));
  return exit_code::ok;
}

} // namespace millrace::cli
