#include "nodes/cli/db_clean.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/db_clean_run.hpp"
#include "nodes/cli/db_session.hpp"
#include "nodes/cli/signal_stop.hpp"

#include <algorithm>
#include <atomic>
#include <format>
#include <iterator>
#include <stop_token>
#include <utility>

namespace millrace::cli {

namespace {

constexpr auto max_clean_days = 36'500;
constexpr auto max_clean_batch = 1'000'000;

admin_result<void> check_days(const char* option,
                              const std::optional<int32_t>& x) {
  if (!x || (*x >= 1 && *x <= max_clean_days))
    return {};
  return admin_fail(exit_code::usage,
                    std::format("{}: found {}, expected 1 to {} days", option,
                                *x, max_clean_days));
}

admin_result<void> check_clean(const db_clean_arguments& x) {
  auto by_age = x.older_than || x.drop_partitions_older_than;
  if (!by_age && !x.truncate)
    return admin_fail(exit_code::usage,
                      "expected --older-than DAYS, "
                      "--drop-partitions-older-than DAYS or --truncate: what "
                      "shall go");
  if (by_age && x.truncate)
    return admin_fail(exit_code::usage,
                      "--truncate removes all rows: it goes with neither "
                      "--older-than nor --drop-partitions-older-than");
  if (x.batch < 1 || x.batch > max_clean_batch)
    return admin_fail(exit_code::usage,
                      std::format("--batch: found {}, expected 1 to {}",
                                  x.batch, max_clean_batch));
  if (auto fine = check_days("--older-than", x.older_than); !fine)
    return fine;
  return check_days("--drop-partitions-older-than",
                    x.drop_partitions_older_than);
}

std::vector<series_table> wanted_series(const config& all,
                                        const postgresql_config& database,
                                        const db_clean_arguments& what) {
  auto result = series_of(all, database, what.tenant);
  std::erase_if(result, [&](const series_table& x) {
    return !what.table.empty() && x.table != what.table;
  });
  return result;
}

admin_result<void> check_series(const config& all,
                                const db_clean_arguments& what) {
  if (auto known = check_tenant(all, what.tenant); !known)
    return known;
  for (const auto* database : all_databases(all))
    if (!wanted_series(all, *database, what).empty())
      return {};
  return admin_fail(exit_code::usage,
                    "no [[pipeline.NAME.series]] and no "
                    "[[pipeline.NAME.partition]] of the configuration says "
                    "that such a table grows with time");
}

admin_result<database_clean> plan_clean(const admin_session& session,
                                        const db_clean_arguments& what,
                                        const console& to) {
  database_clean result{session.database, {}, {}};
  auto conn = open_patient(session);
  if (!conn)
    return std::unexpected{std::move(conn.error())};
  clean_planner planner{*conn};
  if (auto ready = planner.prepare(); !ready)
    return admin_fail(ready.error());
  const auto& database = *find_database(*session.all, session.database);
  for (const auto& x : wanted_series(*session.all, database, what)) {
    if (is_watched(to))
      to.note("looking at " + to_string(x));
    auto step
      = what.truncate
          ? planner.plan_all(x)
          : planner.plan(x, {what.older_than, what.drop_partitions_older_than});
    if (!step)
      return admin_fail(step.error());
    result.steps.push_back(std::move(*step));
  }
  result.done.resize(result.steps.size());
  return result;
}

/// All databases, from the plans to the end.
class clean_all {
public:
  clean_all(const db_clean_arguments& what, admin_sessions& sessions,
            console& to)
    : what_{what},
      sessions_{sessions},
      to_{to} {
  }

  exit_code run() {
    for (auto& session : sessions_.open) {
      session.conn.close();
      auto planned = plan_clean(session, what_, to_);
      if (!planned)
        return tell(planned.error(), to_);
      for (const auto& x : planned->steps)
        if (!x.error.empty())
          fail({exit_code::failed,
                {make_error(to_string(x.table) + ": " + x.error)}});
      work_.push_back(std::move(*planned));
    }
    auto idle = std::ranges::all_of(work_, [](const database_clean& x) {
      return std::ranges::all_of(x.steps, &clean_step::is_nothing);
    });
    if (what_.dry_run) {
      tell_plan(true);
      return end(false);
    }
    // What stays is told, too.
    if (!idle || keeps_any())
      tell_plan(false);
    if (!idle) {
      if (auto sure = confirm(what_, to_, "Remove this for ever?"); !sure)
        return tell(sure.error(), to_);
      carry_out();
    }
    return end(true);
  }

private:
  void fail(const admin_failure& x) {
    std::ranges::copy(x.all, std::back_inserter(failures_));
    code_ = x.code;
  }

  bool keeps_any() const {
    return std::ranges::any_of(work_, [](const database_clean& x) {
      return std::ranges::any_of(x.steps, [](const clean_step& step) {
        return !step.keeps.empty();
      });
    });
  }

  /// For a dry run it is the result.
  void tell_plan(bool as_result) {
    if (to_.json())
      return;
    std::string text;
    for (const auto& x : work_)
      text += clean_plan_text(x.steps);
    text += "Events whose rows go do not come back: Millrace does not read "
            "them again.\n";
    if (as_result)
      to_.out(text);
    else
      to_.note(text);
  }

  void carry_out() {
    signal_stop signals;
    std::atomic<bool> stop = false;
    std::stop_callback on_signal{signals.token(), [&stop] { stop = true; }};
    for (std::size_t i = 0; i < work_.size(); ++i) {
      clean_run go{sessions_.open[i], what_, work_[i], to_, stop};
      if (auto done = go.run(); !done)
        fail(done.error());
    }
  }

  exit_code end(bool done) {
    if (!to_.json()) {
      for (const auto& x : work_)
        if (done)
          to_.out(clean_done_text(x));
      to_.tell(failures_);
      return code_;
    }
    std::string plan;
    std::string result;
    for (std::size_t i = 0; i < work_.size(); ++i) {
      json_writer name;
      name.string(work_[i].database);
      plan += std::format("{}{{\"database\":{},\"tables\":{}}}", i ? "," : "",
                          name.str(), clean_plan_json(work_[i].steps));
      result += std::format("{}{{\"database\":{},\"tables\":{}}}", i ? "," : "",
                            name.str(), clean_done_json(work_[i]));
    }
    json_writer errors;
    errors.begin_array();
    for (const auto& x : failures_)
      errors.string(x.text);
    errors.end_array();
    to_.out("{\"plan\":[" + plan + "],\"done\":["
            + (done ? result : std::string{}) + "],\"failures\":" + errors.str()
            + "}\n");
    return code_;
  }

  const db_clean_arguments& what_;
  admin_sessions& sessions_;
  console& to_;
  std::vector<database_clean> work_;
  findings failures_;
  exit_code code_ = exit_code::ok;
};

} // namespace

exit_code run_db_clean(const db_clean_arguments& what, console& to) {
  if (auto fine = check_clean(what); !fine)
    return tell(fine.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  if (auto some = check_series(*sessions->open.front().all, what); !some)
    return tell(some.error(), to);
  return clean_all{what, *sessions, to}.run();
}

} // namespace millrace::cli
