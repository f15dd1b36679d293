#include "nodes/cli/db_reset.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/coordinator/hand_term.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"
#include "config/values.hpp"
#include "nodes/cli/db_session.hpp"
#include "nodes/cli/db_stats_text.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <memory>
#include <utility>

namespace millrace::cli {

namespace {

constexpr std::string_view reset_control = "millrace";

/// Partitions of one transaction: each takes locks, and those are counted.
constexpr int dropped_at_once = 100;

/// A schema that is there.
struct doomed_schema {
  std::string name;
  int64_t tables = 0;
  int64_t bytes = 0;
};

/// What of one database would go, and what speaks against it.
struct reset_view {
  std::string database;

  /// The control schema last.
  std::vector<doomed_schema> schemas;
  std::vector<std::string> against;

  bool has_control() const {
    return !schemas.empty() && schemas.back().name == reset_control;
  }
};

class reset_reader {
public:
  reset_reader(const admin_session& session, connection& conn)
    : session_{session},
      conn_{conn} {
  }

  store_result<reset_view> read() {
    view_.database = session_.database;
    for (const auto* x : tenants_in(session_, {})) {
      names_.push_back(x->name);
      schemas_.push_back(x->schema);
    }
    schemas_.emplace_back(reset_control);
    auto done = read_schemas();
    if (done && view_.has_control())
      done = read_control();
    if (done)
      done = read_strangers();
    if (done)
      done = read_sessions();
    if (!done)
      return std::unexpected{std::move(done.error())};
    return std::move(view_);
  }

private:
  store_result<void> read_schemas() {
    auto found = conn_.query(
      "SELECT n.nspname, count(c.oid) FILTER (WHERE c.relkind IN ('r', 'p') "
      "AND NOT c.relispartition), coalesce(sum(pg_total_relation_size(c.oid)) "
      "FILTER (WHERE c.relkind IN ('r', 'm')), 0)::bigint FROM pg_namespace n "
      "LEFT JOIN pg_class c ON c.relnamespace = n.oid WHERE n.nspname = "
      "ANY($1::text[]) GROUP BY 1 ORDER BY n.nspname = 'millrace', 1",
      {array_text(schemas_)});
    if (!found)
      return std::unexpected{std::move(found.error())};
    for (const auto& row : found->rows)
      view_.schemas.push_back(
        {std::string{text_of(row[0])}, int_of(row[1]), int_of(row[2])});
    if (std::ranges::contains(schemas_, "public"))
      view_.against.emplace_back("a tenant lives in the schema public, which "
                                 "may hold what is not Millrace's");
    return {};
  }

  store_result<void> read_control() {
    auto others = conn_.query("SELECT name, schema FROM millrace.tenant WHERE "
                              "NOT name = ANY($1::text[]) ORDER BY 1",
                              {array_text(names_)});
    if (!others)
      return std::unexpected{std::move(others.error())};
    for (const auto& row : others->rows)
      view_.against.push_back(std::format(
        "the tenant {} of another configuration is there; its schema {} would "
        "stay, and how far its lanes have come would be gone",
        text_of(row[0]), text_of(row[1])));
    auto lease = conn_.query("SELECT node FROM millrace.coordinator WHERE "
                             "lease_until > clock_timestamp()");
    if (!lease)
      return std::unexpected{std::move(lease.error())};
    for (const auto& row : lease->rows)
      view_.against.push_back("node " + row[0].value_or("?")
                              + " coordinates this database");
    return {};
  }

  /// Schemas of tenants' names that Millrace has not made here.
  store_result<void> read_strangers() {
    std::vector<std::string> known{std::string{reset_control}};
    if (view_.has_control()) {
      auto found = conn_.query("SELECT schema FROM millrace.tenant");
      if (!found)
        return std::unexpected{std::move(found.error())};
      for (const auto& row : found->rows)
        known.push_back(row[0].value_or(""));
    }
    for (const auto& x : view_.schemas)
      if (!std::ranges::contains(known, x.name))
        view_.against.push_back("the schema " + x.name
                                + " is there, and no tenant of this database "
                                  "has it: it may be somebody else's");
    return {};
  }

  store_result<void> read_sessions() {
    auto found = conn_.query(
      "SELECT count(*) FROM pg_stat_activity WHERE datname = "
      "current_database() AND pid <> pg_backend_pid() AND application_name "
      "LIKE "
      "'millrace%' AND application_name NOT IN ('millrace admin', 'millrace "
      "validate')");
    if (!found)
      return std::unexpected{std::move(found.error())};
    if (auto count = int_of(found->rows.at(0)[0]); count > 0)
      view_.against.push_back(
        std::format("nodes or commands have {} sessions here", count));
    return {};
  }

  const admin_session& session_;
  connection& conn_;
  reset_view view_;
  std::vector<std::string> names_;
  std::vector<std::string> schemas_;
};

/// Drops what was told, in the coordinator's term where there is one.
class resetting {
public:
  resetting(connection& conn, const held_lease* lease)
    : conn_{conn},
      lease_{lease} {
  }

  store_result<void> drop(const doomed_schema& x) {
    // A statement that drops thousands of tables would need more locks than
    // PostgreSQL has room for.
    for (;;) {
      auto children = conn_.query(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN "
        "pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND "
        "c.relispartition AND c.relkind = 'r' LIMIT "
          + std::to_string(dropped_at_once),
        {x.name});
      if (!children)
        return std::unexpected{std::move(children.error())};
      if (children->rows.empty())
        break;
      std::string all;
      for (const auto& row : children->rows)
        all += (all.empty() ? "" : ", ") + std::string{text_of(row[0])};
      if (auto done = transaction("DROP TABLE " + all + " CASCADE"); !done)
        return done;
    }
    return transaction("DROP SCHEMA IF EXISTS " + quote_identifier(x.name)
                       + " CASCADE");
  }

private:
  store_result<void> transaction(const std::string& sql) {
    return conn_.in_transaction([&]() -> store_result<void> {
      if (lease_)
        if (auto held = check_lease(conn_, lease_->term()); !held)
          return held;
      return conn_.run(sql);
    });
  }

  connection& conn_;
  const held_lease* lease_;
};

admin_result<void> reset_database(const admin_session& session,
                                  const reset_view& view, console& to) {
  const auto& database = *find_database(*session.all, session.database);
  auto settings = task_session(database);
  settings.application_name = "millrace admin";
  std::unique_ptr<hand_term> term;
  if (view.has_control()) {
    auto timing = timing_for(session.all->coordinator.lease);
    auto who = note_of({}, {});
    auto begun
      = hand_term::begin(lease_session(database, timing.term),
                         "db reset of " + who.os_user + " on " + who.host,
                         timing);
    if (!begun)
      return admin_fail(begun.error());
    term = std::move(*begun);
    settings.application_name
      = coordinator_session_name(term->lease().term().epoch);
  }
  auto conn = connection::open(settings);
  if (!conn)
    return admin_fail(conn.error());
  resetting worker{*conn, term ? &term->lease() : nullptr};
  for (const auto& x : view.schemas) {
    if (auto done = worker.drop(x); !done)
      return admin_fail(exit_code::failed, "schema " + x.name + ": "
                                             + done.error().message
                                             + "; run it again");
    if (!to.json())
      to.out("dropped " + printable(x.name) + '\n');
  }
  return {};
}

std::string reset_text(const std::vector<reset_view>& all) {
  std::string result;
  for (const auto& view : all) {
    result += std::format("database {}:\n", printable(view.database));
    for (const auto& x : view.schemas)
      result += std::format("  schema {}: {} tables, {}\n", printable(x.name),
                            x.tables, size_text(x.bytes));
    if (view.schemas.empty())
      result += "  nothing\n";
  }
  return result;
}

std::string reset_json(const std::vector<reset_view>& all) {
  json_writer out;
  out.begin_object().key("dropped").begin_array();
  for (const auto& view : all)
    for (const auto& x : view.schemas) {
      out.begin_object().key("database").string(view.database);
      out.key("schema").string(x.name);
      out.key("tables").integer(x.tables);
      out.key("bytes").integer(x.bytes).end_object();
    }
  out.end_array().end_object();
  return std::move(out).str() + '\n';
}

/// What speaks against it, unless `--force` was given.
admin_result<void> check_reset(const db_reset_arguments& what,
                               const std::vector<reset_view>& all) {
  admin_failure result;
  for (const auto& view : all)
    for (const auto& text : view.against)
      result.all.push_back(make_error(std::format(
        "database {}: {}; --force does it all the same", view.database, text)));
  if (what.force || result.all.empty())
    return {};
  return std::unexpected{std::move(result)};
}

} // namespace

exit_code run_db_reset(const db_reset_arguments& what, console& to) {
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  std::vector<reset_view> views;
  for (auto& session : sessions->open) {
    auto view = reset_reader{session, session.conn}.read();
    if (!view)
      return tell(admin_fail(view.error()).error(), to);
    session.conn.close();
    views.push_back(std::move(*view));
  }
  if (auto fine = check_reset(what, views); !fine)
    return tell(fine.error(), to);
  if (!to.json())
    to.note(reset_text(views));
  if (auto sure = confirm(what, to,
                          "Drop these schemas with everything that is in "
                          "them, for ever?");
      !sure)
    return tell(sure.error(), to);
  for (std::size_t i = 0; i < views.size(); ++i)
    if (auto done = reset_database(sessions->open[i], views[i], to); !done)
      return tell(done.error(), to);
  if (to.json())
    to.out(reset_json(views));
  return exit_code::ok;
}

} // namespace millrace::cli
