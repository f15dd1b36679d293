// `millrace partitions run`, and what `archive` has in common with it.

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/partitions_hand.hpp"
#include "nodes/cli/partitions_tables.hpp"
#include "nodes/cli/signal_stop.hpp"

#include <atomic>
#include <stop_token>
#include <utility>

namespace millrace::cli {

exit_code run_partitions_run(const partitions_arguments& what, console& to) {
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  if (auto some = check_tables(*sessions->open.front().all, what); !some)
    return tell(some.error(), to);
  return run_rounds(what, to, *sessions, {});
}

exit_code run_rounds(const partitions_arguments& what, console& to,
                     admin_sessions& sessions,
                     std::optional<std::chrono::milliseconds> older_than) {
  signal_stop signals;
  std::atomic<bool> stop = false;
  std::stop_callback on_signal{signals.token(), [&stop] { stop = true; }};
  auto code = exit_code::ok;
  findings failures;
  auto fail = [&](const admin_failure& x) {
    failures.insert(failures.end(), x.all.begin(), x.all.end());
    code = x.code;
  };
  json_writer out;
  out.begin_object();
  out.key("tables").begin_array();
  for (auto& session : sessions.open) {
    const auto& all = *session.all;
    // What follows needs sessions of its own, and this one none.
    session.conn.close();
    hand_round round{all,
                     *find_database(all, session.database),
                     wanted_tables(session, what),
                     casual_note_of(what, older_than ? "partitions archive"
                                                     : "partitions run"),
                     to,
                     stop,
                     older_than};
    round.keep_record();
    if (auto done = round.run(); !done)
      fail(done.error());
    for (const auto& x : round.tables()) {
      write_done(out, x, session.database);
      if (!to.json() && x.reach)
        to.out(done_text(x));
    }
  }
  if (sessions.lacking)
    fail(*sessions.lacking);
  out.end_array();
  out.key("failures").begin_array();
  for (const auto& x : failures)
    out.string(x.text);
  out.end_array();
  out.end_object();
  if (to.json())
    to.out(std::move(out).str() + '\n');
  else
    to.tell(failures);
  return code;
}

} // namespace millrace::cli
