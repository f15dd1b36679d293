#include "nodes/cli/db_fees.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/store/sql_steps.hpp"
#include "actors/store/sql_text.hpp"
#include "config/values.hpp"
#include "nodes/cli/db_session.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace millrace::cli {

namespace {

/// As PostgreSQL prints them; nothing for NULL.
struct fees {
  std::optional<std::string> maker;
  std::optional<std::string> taker;
};

struct fee_change {
  std::string tenant;
  std::string database;
  fees before;
  fees after;
};

/// A fee that was not given.
std::optional<std::string> given(const std::string& x) {
  return x.empty() ? std::nullopt : std::optional{x};
}

void write(json_writer& out, const fees& x) {
  auto member = [&](const char* key, const std::optional<std::string>& fee) {
    out.key(key);
    if (fee)
      out.string(*fee);
    else
      out.null();
  };
  out.begin_object();
  member("maker", x.maker);
  member("taker", x.taker);
  out.end_object();
}

std::string json_of(const fees& x) {
  json_writer out;
  write(out, x);
  return std::move(out).str();
}

std::string text_of(const fee_change& x, const std::string& exchange) {
  auto change = [](const std::optional<std::string>& before,
                   const std::optional<std::string>& after) {
    return before.value_or("none") + " before, " + after.value_or("none")
           + " now";
  };
  return std::format("exchange {} of tenant {}: maker {}; taker {}\n",
                     printable(exchange), printable(x.tenant),
                     change(x.before.maker, x.after.maker),
                     change(x.before.taker, x.after.taker));
}

admin_result<void> check(const db_fees_arguments& what) {
  admin_failure wrong{exit_code::usage, {}};
  auto add = [&wrong](const std::string& text) {
    wrong.all.push_back(make_error(text));
  };
  if (what.exchange.empty())
    add("expected --exchange NAME");
  if (what.maker.empty() && what.taker.empty())
    add("expected --maker RATIO, --taker RATIO, or both");
  for (const auto& [option, value] :
       {std::pair{"--maker", what.maker}, std::pair{"--taker", what.taker}})
    if (!value.empty() && !is_fee(value))
      add(std::format("{}: found {}, expected a decimal number such as 0.0002, "
                      "or -0.00005 for a rebate",
                      option, in_quotes(value)));
  if (wrong.all.empty())
    return {};
  return std::unexpected{std::move(wrong)};
}

/// Whether the schema has a table of exchanges with fees.
store_result<bool> knows_exchanges(connection& conn,
                                   const std::string& schema) {
  auto found = conn.query(
    "SELECT count(*) = 3 FROM information_schema.columns WHERE table_schema = "
    "$1 AND table_name = 'exchanges' AND column_name IN ('name', 'maker_fee', "
    "'taker_fee')",
    {schema});
  if (!found)
    return std::unexpected{std::move(found.error())};
  return bool_of(found->rows.at(0)[0]);
}

/// With its row of the change, in one transaction.
store_result<fee_change> change_fees(connection& conn,
                                     const tenant_config& tenant,
                                     const db_fees_arguments& what) {
  auto table = quote_identifier(tenant.schema, "exchanges");
  return conn.in_transaction([&]() -> store_result<fee_change> {
    return run_steps([&]() -> store_result<fee_change> {
      auto before = ask(conn,
                        "SELECT maker_fee, taker_fee FROM " + table
                          + " WHERE name = $1 FOR UPDATE",
                        {what.exchange});
      if (before.empty()) {
        std::vector<std::string> known;
        for (const auto& row :
             ask(conn, "SELECT name FROM " + table + " ORDER BY name", {}))
          known.emplace_back(millrace::text_of(row[0]));
        refuse(std::format("tenant {}: --exchange: found {}, expected {}",
                           tenant.name, in_quotes(what.exchange),
                           known.empty() ? "a table that is not empty"
                                         : one_of(known)));
      }
      auto after = ask(conn,
                       "UPDATE " + table
                         + " SET maker_fee = coalesce($2::numeric, maker_fee), "
                           "taker_fee = coalesce($3::numeric, taker_fee) WHERE "
                           "name = $1 RETURNING maker_fee, taker_fee",
                       {what.exchange, given(what.maker), given(what.taker)});
      fee_change result{tenant.name,
                        tenant.database,
                        {before[0][0], before[0][1]},
                        {after.at(0)[0], after[0][1]}};
      auto noted = record_action(conn, casual_note_of(what, "db update-fees"),
                                 tenant.schema + ".exchanges/" + what.exchange,
                                 json_of(result.before), json_of(result.after));
      if (!noted)
        return std::unexpected{std::move(noted.error())};
      return result;
    });
  });
}

/// What was done in all databases, and what failed.
struct fee_changes {
  std::vector<fee_change> done;
  findings failures;
  exit_code code = exit_code::ok;

  /// Whether any tenant has such a table.
  bool known = false;

  void fail(const store_error& x) {
    auto why = std::move(admin_fail(x).error());
    std::ranges::move(why.all, std::back_inserter(failures));
    code = why.code;
  }
};

void change_all(admin_session& session, const db_fees_arguments& what,
                fee_changes& to) {
  for (const auto* tenant : tenants_in(session, what.tenant)) {
    auto knows = knows_exchanges(session.conn, tenant->schema);
    if (!knows)
      return to.fail(knows.error());
    if (!*knows)
      continue;
    to.known = true;
    auto done = change_fees(session.conn, *tenant, what);
    if (done)
      to.done.push_back(std::move(*done));
    else
      to.fail(done.error());
  }
}

std::string changes_json(const fee_changes& all, const std::string& exchange) {
  json_writer out;
  out.begin_object();
  out.key("changed").begin_array();
  for (const auto& x : all.done) {
    out.begin_object();
    out.key("tenant").string(x.tenant);
    out.key("database").string(x.database);
    out.key("exchange").string(exchange);
    out.key("before");
    write(out, x.before);
    out.key("after");
    write(out, x.after);
    out.end_object();
  }
  out.end_array();
  out.key("failures").begin_array();
  for (const auto& x : all.failures)
    out.string(x.text);
  out.end_array().end_object();
  return std::move(out).str() + '\n';
}

} // namespace

bool is_fee(std::string_view x) {
  if (x.starts_with('-'))
    x.remove_prefix(1);
  auto digits = [](std::string_view part) {
    return !part.empty() && part.size() <= 20
           && std::ranges::all_of(part,
                                  [](char c) { return c >= '0' && c <= '9'; });
  };
  auto point = x.find('.');
  return digits(x.substr(0, point))
         && (point == x.npos || digits(x.substr(point + 1)));
}

exit_code run_db_update_fees(const db_fees_arguments& what, console& to) {
  if (auto good = check(what); !good)
    return tell(good.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto known = check_tenant(*sessions->open.front().all, what.tenant);
  if (!known)
    return tell(known.error(), to);
  fee_changes all;
  for (auto& session : sessions->open)
    change_all(session, what, all);
  if (!all.known && all.failures.empty())
    return to.fail(exit_code::failed,
                   "no tenant has a table 'exchanges' with fees; the set "
                   "perps-stats makes it");
  if (all.done.empty()) {
    to.tell(all.failures);
    return all.code;
  }
  if (to.json()) {
    to.out(changes_json(all, what.exchange));
    return all.code;
  }
  for (const auto& x : all.done)
    to.out(text_of(x, what.exchange));
  to.tell(all.failures);
  return all.code;
}

} // namespace millrace::cli
