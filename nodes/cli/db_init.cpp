#include "nodes/cli/db_init.hpp"

#include "nodes/cli/config_files.hpp"
#include "nodes/cli/migrate_jobs.hpp"
#include "nodes/cli/partitions_hand.hpp"
#include "nodes/cli/signal_stop.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <stop_token>
#include <utility>

namespace millrace::cli {

namespace {

/// More are left to the node, which makes them as time goes by.
constexpr auto max_init_days = 400;

/// What is declared for the tables, but so far ahead, and nothing removed.
std::vector<partition_policy> first_days(const config& all,
                                         const postgresql_config& database,
                                         const db_init_arguments& what) {
  auto result = policies_of(all, database);
  std::erase_if(result, [&](const partition_policy& x) {
    return !what.migrate.tenant.empty() && x.tenant != what.migrate.tenant;
  });
  for (auto& x : result) {
    // Today counts, and so does this hour only at the end of the last day.
    auto days = x.rules.every == partition_every::hour ? what.days
                                                       : what.days - 1;
    x.rules.ahead = std::chrono::days{days};
    x.only_ahead = true;
  }
  return result;
}

/// The partitions of all databases, behind the migrations.
class first_partitions {
public:
  first_partitions(const db_init_arguments& what, console& to,
                   const migrate_work& work)
    : what_{what},
      to_{to},
      work_{work} {
  }

  /// Returns `code`, or how it failed.
  exit_code make(exit_code code) {
    if (what_.days == 0)
      return code;
    auto all = load_checked(what_.migrate.config, what_.migrate.pack_dirs, {},
                            what_.migrate.database_url);
    if (!all) {
      std::ranges::move(all.error(), std::back_inserter(failures_));
      return exit_code::usage;
    }
    signal_stop signals;
    std::atomic<bool> stop = false;
    std::stop_callback on_signal{signals.token(), [&stop] { stop = true; }};
    for (const auto& place : work_.databases) {
      hand_round round{*all,
                       place.database,
                       first_days(*all, place.database, what_),
                       note_of({}, "db init"),
                       to_,
                       stop};
      if (auto done = round.run(); !done) {
        std::ranges::move(done.error().all, std::back_inserter(failures_));
        code = done.error().code;
      }
      for (const auto& x : round.tables()) {
        write_done(json_, x, place.database.name);
        if (x.reach)
          text_ += done_text(x);
      }
    }
    return code;
  }

  /// To be begun and ended as an array by whoever writes it.
  json_writer& json() noexcept {
    return json_;
  }

  const std::string& text() const noexcept {
    return text_;
  }

  const findings& failures() const noexcept {
    return failures_;
  }

private:
  const db_init_arguments& what_;
  console& to_;
  const migrate_work& work_;
  json_writer json_;
  std::string text_;
  findings failures_;
};

} // namespace

exit_code run_db_init(const db_init_arguments& what, console& to) {
  if (what.migrate.config.empty())
    return to.fail(exit_code::usage,
                   "expected --config FILE: it names what is to be made");
  if (what.days < 0 || what.days > max_init_days)
    return to.fail(exit_code::usage, "--create-partitions-days: found "
                                       + std::to_string(what.days)
                                       + ", expected 0 to "
                                       + std::to_string(max_init_days));
  auto work = find_work(what.migrate);
  if (!work)
    return tell_failure(work.error(), to);
  auto done = do_jobs(what.migrate, *work, to, up_step());
  if (!to.json())
    to.out(done.text);
  first_partitions days{what, to, *work};
  days.json().begin_array();
  auto code = done.code;
  // Tables of a tenant that failed would only be missing once more.
  if (code == exit_code::ok)
    code = days.make(code);
  days.json().end_array();
  auto failures = done.failures;
  std::ranges::copy(days.failures(), std::back_inserter(failures));
  if (!to.json()) {
    to.out(days.text());
    to.tell(failures);
    return code;
  }
  json_writer errors;
  errors.begin_array();
  for (const auto& x : failures)
    errors.string(x.text);
  errors.end_array();
  to.out("{\"migrations\":[" + done.json + "],\"partitions\":"
         + days.json().str() + ",\"failures\":" + errors.str() + "}\n");
  return code;
}

} // namespace millrace::cli
