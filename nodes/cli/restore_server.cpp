#include "nodes/cli/restore_server.hpp"

#include "actors/store/program_environment.hpp"
#include "actors/store/sql_text.hpp"
#include "config/values.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace millrace::cli {

namespace {

using namespace std::chrono_literals;
/// Settings whose value is a list of names, kept with their quotes.
bool is_list(std::string_view setting) {
  constexpr std::array<std::string_view, 5> all{
    "search_path", "temp_tablespaces", "session_preload_libraries",
    "shared_preload_libraries", "local_preload_libraries"};
  return std::ranges::contains(all, setting);
}

std::string creation(const std::string& name, const kept_properties& x,
                     int32_t version, bool with_owner) {
  auto result = "CREATE DATABASE " + quote_identifier(name)
                + " TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE "
                + quote_literal(x.collate) + " LC_CTYPE "
                + quote_literal(x.ctype);
  if (version >= 150'000 && x.provider == "i")
    result += " LOCALE_PROVIDER icu ICU_LOCALE " + quote_literal(x.locale);
  else if (version >= 170'000 && x.provider == "b")
    result += " LOCALE_PROVIDER builtin BUILTIN_LOCALE "
              + quote_literal(x.locale);
  else if (version >= 150'000)
    result += " LOCALE_PROVIDER libc";
  if (with_owner)
    result += " OWNER " + quote_identifier(x.owner);
  return result;
}

} // namespace

std::string mark_statement(const std::string& database,
                           const restore_mark& mark) {
  return "COMMENT ON DATABASE " + quote_identifier(database) + " IS "
         + quote_literal(to_comment(mark));
}

restore_server::restore_server(const postgresql_config& config,
                               session_config session, std::string database,
                               std::string maintenance, connection conn)
  : config_{&config},
    session_{std::move(session)},
    database_{std::move(database)},
    maintenance_{std::move(maintenance)},
    new_{restoring_name(database_)},
    conn_{std::move(conn)} {
}

admin_result<restore_server>
restore_server::open(const postgresql_config& database,
                     const std::string& maintenance,
                     std::chrono::milliseconds patience) {
  auto session = task_session(database);
  session.application_name = "millrace restore";
  session.connect_timeout = std::min(session.connect_timeout, patience);
  auto name = database_name(session);
  if (name.empty())
    return admin_fail(exit_code::usage,
                      "the configuration does not name the database of '"
                        + database.name + "'");
  if (name == maintenance)
    return admin_fail(exit_code::usage,
                      "--maintenance-db: " + in_quotes(maintenance)
                        + " is the database to replace; expected another one "
                          "of its server");
  auto keywords = session;
  keywords.keywords.emplace_back("dbname", maintenance);
  auto conn = connection::open(keywords);
  if (!conn)
    return admin_fail(conn.error());
  return restore_server{database, std::move(session), std::move(name),
                        maintenance, std::move(*conn)};
}

session_config restore_server::session_of(const std::string& database) const {
  auto result = session_;
  result.keywords.emplace_back("dbname", database);
  return result;
}

admin_result<void> restore_server::run(const std::string& sql) {
  if (auto done = conn_.run(sql); !done)
    return admin_fail(done.error());
  return {};
}

/// pg_database.oid
admin_result<std::optional<std::string>>
restore_server::number_of(const std::string& name) {
  auto found = conn_.query("SELECT oid FROM pg_database WHERE datname = $1",
                           {name});
  if (!found)
    return admin_fail(found.error());
  if (found->rows.empty())
    return std::nullopt;
  return found->rows[0][0];
}

/// A lock is of the database that its session is in. So each one takes its own
/// first, and then looks for those of sessions elsewhere: of two at once, one
/// at least sees the other.
admin_result<void> restore_server::lock() {
  auto got = conn_.query("SELECT pg_try_advisory_lock(hashtextextended("
                         "'millrace restore ' || $1, 0))",
                         {database_});
  if (!got)
    return admin_fail(got.error());
  auto alone = conn_.query(
    "SELECT count(*) = 0 FROM pg_locks, hashtextextended('millrace restore ' "
    "|| $1, 0) k WHERE locktype = 'advisory' AND granted AND pid <> "
    "pg_backend_pid() AND objsubid = 1 AND classid::bigint = ((k >> 32) & "
    "4294967295) AND objid::bigint = (k & 4294967295)",
    {database_});
  if (!alone)
    return admin_fail(alone.error());
  if (got->rows[0][0] == "t" && alone->rows[0][0] == "t")
    return {};
  return admin_fail(exit_code::failed, "another 'millrace db restore' is at "
                                       "work on database "
                                         + in_quotes(database_));
}

admin_result<restore_state> restore_server::look() {
  restore_state result;
  result.name = config_->name;
  auto found = conn_.query("SELECT datname, shobj_description(oid, "
                           "'pg_database') FROM pg_database WHERE datname IN "
                           "($1, $2)",
                           {database_, new_});
  if (!found)
    return admin_fail(found.error());
  for (const auto& row : found->rows) {
    auto mark = parse_comment(row[1].value_or(""));
    if (row[0] == database_) {
      result.live = mark;
    } else {
      result.has_new = true;
      if (mark && mark->database == database_)
        result.made = mark;
    }
  }
  return result;
}

admin_result<bool> restore_server::exists() {
  auto number = number_of(database_);
  if (!number)
    return std::unexpected{number.error()};
  return number->has_value();
}

admin_result<std::vector<std::string>>
restore_server::missing_roles(const kept_properties& x) {
  auto wanted = x.roles;
  wanted.push_back(x.owner);
  for (const auto& grant : x.grants.value_or(std::vector<kept_grant>{}))
    if (!grant.grantee.empty())
      wanted.push_back(grant.grantee);
  for (const auto& setting : x.settings)
    if (!setting.role.empty())
      wanted.push_back(setting.role);
  auto found = conn_.query(
    "SELECT DISTINCT w FROM unnest($1::text[]) w WHERE NOT EXISTS (SELECT 1 "
    "FROM pg_roles WHERE rolname = w) ORDER BY w",
    {array_text(wanted)});
  if (!found)
    return admin_fail(found.error());
  std::vector<std::string> result;
  for (const auto& row : found->rows)
    result.push_back(row[0].value_or(""));
  return result;
}

// -- the new one --------------------------------------------------------------

/// One without a mark is ours when its maker died before it could say so: then
/// there is nothing in it.
admin_result<void> restore_server::check_leftover(const std::string& name) {
  auto state = look();
  if (!state)
    return std::unexpected{state.error()};
  if (state->made)
    return {};
  auto conn = connection::open(session_of(name));
  auto found = conn ? conn->query("SELECT count(*) FROM pg_class c JOIN "
                                  "pg_namespace n ON n.oid = c.relnamespace "
                                  "WHERE n.nspname NOT LIKE 'pg\\_%' AND "
                                  "n.nspname <> 'information_schema'")
                    : std::unexpected{conn.error()};
  if (found && found->rows[0][0] == "0") {
    conn->close_and_wait(5s);
    return {};
  }
  return admin_fail(exit_code::failed,
                    "there is a database " + in_quotes(name)
                      + " that no restore has made, and a restore needs the "
                        "name: rename or drop it");
}

admin_result<void> restore_server::make_new(const kept_properties& x,
                                            const restore_mark& mark) {
  auto number = number_of(new_);
  if (!number)
    return std::unexpected{number.error()};
  if (*number) {
    if (auto ours = check_leftover(new_); !ours)
      return ours;
    if (auto done
        = run("DROP DATABASE " + quote_identifier(new_) + " WITH (FORCE)");
        !done)
      return done;
  }
  auto me = conn_.query("SELECT current_user");
  if (!me)
    return admin_fail(me.error());
  auto done = run(creation(new_, x, version(), me->rows[0][0] != x.owner));
  if (done)
    done = run(mark_statement(new_, mark));
  return done;
}

admin_result<void> restore_server::complete_new(const kept_properties& x,
                                                const restore_mark& mark) {
  auto name = quote_identifier(new_);
  for (const auto& s : x.settings) {
    auto sql = (s.role.empty() ? "ALTER DATABASE " + name
                               : "ALTER ROLE " + quote_identifier(s.role)
                                   + " IN DATABASE " + name)
               + " SET " + quote_identifier(s.name) + " TO "
               + (is_list(s.name) && !s.value.empty() ? s.value
                                                      : quote_literal(s.value));
    if (auto done = run(sql); !done)
      return done;
  }
  if (x.grants) {
    if (auto done = run("REVOKE ALL ON DATABASE " + name + " FROM PUBLIC");
        !done)
      return done;
    for (const auto& g : *x.grants) {
      auto done = run("GRANT " + g.privilege + " ON DATABASE " + name + " TO "
                      + (g.grantee.empty() ? std::string{"PUBLIC"}
                                           : quote_identifier(g.grantee))
                      + (g.grantable ? " WITH GRANT OPTION" : ""));
      if (!done)
        return done;
    }
  }
  return run(mark_statement(new_, mark));
}

void restore_server::drop_new() {
  static_cast<void>(conn_.run("DROP DATABASE IF EXISTS "
                              + quote_identifier(new_) + " WITH (FORCE)"));
}

admin_result<connection> restore_server::enter_new() const {
  auto result = connection::open(session_of(new_));
  if (!result)
    return admin_fail(result.error());
  return std::move(*result);
}

admin_result<connection> restore_server::enter() const {
  auto result = connection::open(session_);
  if (!result)
    return admin_fail(result.error());
  return std::move(*result);
}

} // namespace millrace::cli
