// The second half of a LANE WRITER: what it makes of outcomes, and how it halts
// and waits. The first half, lane_writer.cpp, takes batches and opens steps.

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/lane/lane_writer.hpp"

#include <caf/actor_system.hpp>

#include <utility>

namespace millrace {

namespace {

/// Whether the program may not fit the tables any more. MR005 is raised by
/// `millrace.check_columns`; a session that makes its staging tables after a
/// column was dropped or changed fails before.
bool tells_of_other_columns(std::string_view sqlstate) {
  return sqlstate == "MR005" || sqlstate == "42703" || sqlstate == "42804";
}

} // namespace

// -- outcomes -----------------------------------------------------------------

void lane_writer_state::on_flushed(flush_result& result) {
  switch (result.verdict) {
    case flush_verdict::committed:
      count(result);
      delays_.reset();
      park_delays_.reset();
      parents_.committed(core_, result.duration);
      break;
    case flush_verdict::refused:
      ++refused_;
      core_.refused();
      break;
    case flush_verdict::in_doubt:
      metrics_.in_doubt->inc();
      log::warn("flush-in-doubt", {{"lane", to_string(config_.lane)},
                                   {"reason", result.message}});
      core_.lost();
      break;
    case flush_verdict::disconnected:
      core_.lost();
      break;
    case flush_verdict::failed:
      on_failed(result);
      break;
  }
  if (core_.halted() != lane_halt::none)
    on_halted();
  pump();
}

void lane_writer_state::on_failed(flush_result& result) {
  auto text = result.message;
  if (!result.sqlstate.empty())
    text = result.sqlstate + ": " + text;
  ++failed_;
  auto orphans = result.sqlstate == lacks_parent;
  // What a flush left behind may be what another row lacks.
  auto parts = core_.flies_before_orphans()
               && result.action == failure_action::missing;
  if (orphans || parts)
    if (auto pause = parents_.refused(core_, result.missing,
                                      self_->clock().now())) {
      if (pause->count() > 0)
        cool_down(*pause);
      return;
    }
  switch (result.action) {
    case failure_action::bisect:
      on_refused_data(result);
      break;
    case failure_action::missing:
      core_.rows_missing(result.missing, result.reason,
                         orphans ? result.sqlstate : std::string{});
      break;
    case failure_action::halt:
    case failure_action::none:
      core_.halt(lane_halt::data, text);
      break;
    case failure_action::reconnect:
      core_.lost();
      break;
    case failure_action::wait_partition:
      text += "; a partition is missing, see docs/operations.md";
      [[fallthrough]];
    case failure_action::park:
      if (tells_of_other_columns(result.sqlstate) && config_.on_other_columns)
        config_.on_other_columns(text);
      park(text);
      break;
    case failure_action::back_off:
      core_.retry();
      on_no_room(text);
      break;
    case failure_action::retry:
    case failure_action::halve:
      log::warn("flush-retry",
                {{"lane", to_string(config_.lane)}, {"reason", text}});
      if (result.action == failure_action::halve)
        core_.retry_smaller();
      else
        core_.retry();
      cool_down(delays_.next(std::chrono::seconds{0}, chance_));
      break;
  }
}

/// Its own flush found the tables unusable: it tries again.
void lane_writer_state::park(const std::string& why) {
  auto delay = park_delays_.next(std::chrono::seconds{0}, chance_);
  log::error("lane-parked", {{"lane", to_string(config_.lane)},
                             {"reason", why},
                             {"retry_ms", delay.count()}});
  vitals_.become("parked", why);
  parked_ = true;
  core_.retry();
  cool_down(delay);
}

/// Another lane's did, and nothing was sent: the POOL says when to go on.
/// Should that get lost, or the other lane, this one tries itself.
void lane_writer_state::on_parked_tenant(const std::string& why) {
  vitals_.become("parked", why);
  parked_ = true;
  core_.retry();
  cool_down(2 * config_.park_delays.max);
}

/// The server is short of something: the POOL says whose turn it is to try, or
/// that all go on. Should that get lost, this lane comes by itself.
void lane_writer_state::on_no_room(const std::string& why) {
  vitals_.become("waiting for PostgreSQL", why);
  parked_ = true;
  cool_down(2 * config_.delays.max);
}

void lane_writer_state::on_refused_data(flush_result& result) {
  ++bisected_;
  auto searching = core_.bisecting();
  auto now = self_->clock().now();
  // One line for each refused event, and not more than one in ten seconds.
  if (searching || now - last_refusal_ < std::chrono::seconds{10}) {
    unlogged_ += searching ? 0 : 1;
  } else {
    log::warn("event-refused", {{"lane", to_string(config_.lane)},
                                {"sqlstate", result.sqlstate},
                                {"reason", result.message},
                                {"table", result.table},
                                {"constraint", result.constraint},
                                {"more_since", unlogged_}});
    last_refusal_ = now;
    unlogged_ = 0;
  }
  core_.data_refused({std::move(result.sqlstate), std::move(result.message),
                      std::move(result.reason)});
}

void lane_writer_state::on_step_error(const caf::error& reason) {
  auto text = reason_text(reason);
  if (reason == store_errc::no_lane) {
    core_.halt(lane_halt::row_missing, text);
    on_halted();
  } else if (reason == store_errc::lane_inactive) {
    core_.halt(lane_halt::by_row, text);
    on_halted();
  } else if (reason == store_errc::back_off) {
    core_.step_failed();
    on_no_room(text);
  } else {
    core_.step_failed();
    auto park = reason == store_errc::misconfigured
                || reason == store_errc::refused;
    vitals_.become(park ? "parked" : "waiting for PostgreSQL", text);
    if (park)
      log::error("lane-parked",
                 {{"lane", to_string(config_.lane)}, {"reason", text}});
    cool_down(park ? config_.park_retry
                   : delays_.next(std::chrono::seconds{0}, chance_));
  }
  pump();
}

void lane_writer_state::on_halted() {
  if (vitals_.state() == "halted") {
    wait_for_mend();
    return;
  }
  vitals_.become("halted", core_.halt_reason());
  log::error("lane-halted", {{"lane", to_string(config_.lane)},
                             {"cause", to_string(core_.halted())},
                             {"reason", core_.halt_reason()},
                             {"mend", "remove the cause, then run "
                                      "'millrace lanes resume "
                                        + to_string(config_.lane) + "'"}});
  write_halt_down();
}

void lane_writer_state::write_halt_down() {
  // In the row, so that consumers read past the lane and its neighbours go on;
  // and so that a restart does not run into the same wall.
  if (core_.halted() == lane_halt::none)
    return;
  if (core_.halted() == lane_halt::by_row) {
    wait_for_mend();
    return;
  }
  self_
    ->request(pool_, config_.store_timeout,
              halt_request{config_.lane, core_.held_epoch(), core_.owner(),
                           core_.halt_reason()})
    .then([this](const lane_row&) { wait_for_mend(); },
          [this](const caf::error& reason) {
            if (reason == store_errc::no_lane)
              wait_for_mend();
            else
              self_->run_delayed(config_.park_retry,
                                 [this] { write_halt_down(); });
          });
}

void lane_writer_state::wait_for_mend() {
  // Once the row is active again its consumers send, and the next batch takes
  // the lane over; while it is not, a batch only halts it again.
  self_->run_delayed(config_.park_retry, [this] {
    core_.resume();
    pump();
  });
}

void lane_writer_state::cool_down(std::chrono::milliseconds delay) {
  if (cooling_)
    return;
  cooling_ = true;
  self_->run_delayed(delay, [this, number = ++cooling_number_] {
    if (number != cooling_number_)
      return;
    cooling_ = parked_ = false;
    pump();
  });
}

void lane_writer_state::count(const flush_result& result) {
  ++flushes_;
  rows_ += result.rows;
  metrics_.flushes->inc();
  metrics_.rows_written->inc(result.rows);
  for (auto keys : result.not_found)
    metrics_.rows_not_found->inc(keys);
  metrics_.flush_seconds->observe(
    std::chrono::duration<double>(result.duration).count());
  auto now_ms = vitals::now_ms();
  for (const auto& part : core_.flight().sources) {
    const auto& data = *part.data;
    for (const auto& r : data.rejects)
      if (part.keeps(r.at))
        metrics_.dead_letters(r.stage)->inc();
    for (const auto& r : part.refused)
      metrics_.dead_letters(r.stage)->inc();
    // Of a batch in parts the last one counts.
    if (part.keep_below < data.range.to)
      continue;
    metrics_.events_filtered->inc(data.filtered);
    metrics_.crossed_quotes->inc(data.crossed);
    if (data.oldest_timestamp_ms > 0)
      metrics_.commit_latency_seconds->observe(
        static_cast<double>(now_ms - data.oldest_timestamp_ms) / 1e3);
  }
}

} // namespace millrace
