#include "actors/lane/lane_writer.hpp"

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

std::optional<std::string> validate(const lane_writer_config& config) {
  if (config.limits.flush_bytes == 0)
    return "limits.flush_bytes must be at least 1";
  if (config.limits.queue_bytes < config.limits.flush_bytes)
    return "limits.queue_bytes must not be below limits.flush_bytes";
  if (!(config.limits.max_reject_ratio >= 0
        && config.limits.max_reject_ratio <= 1))
    return "limits.max_reject_ratio must be from 0 to 1";
  if (!config.plan)
    return "plan must be set";
  if (config.store_timeout <= std::chrono::milliseconds{0})
    return "store_timeout must be positive";
  return std::nullopt;
}

lane_writer_state::lane_writer_state(lane_writer_actor::pointer self,
                                     lane_writer_config config, pool_actor pool,
                                     router_actor router)
  : self_{self},
    config_{std::move(config)},
    pool_{std::move(pool)},
    router_{std::move(router)},
    core_{config_.lane, config_.limits},
    metrics_{make_lane_writer_metrics(self->system(), config_.lane.pipeline,
                                      config_.lane.tenant)},
    delays_{config_.delays},
    chance_{std::random_device{}()} {
  auto me = caf::actor_cast<caf::actor>(self_);
  self_->send(pool_, pool_subscribe{me});
  self_->send(router_, lane_route{config_.lane, me});
}

lane_writer_actor::behavior_type lane_writer_state::make_behavior() {
  // The next start finds the new POOL, and tells the new ROUTER who writes.
  self_->monitor(pool_);
  self_->monitor(router_);
  self_->set_down_handler([this](caf::down_msg& msg) {
    self_->quit(caf::make_error(
      caf::sec::runtime_error,
      msg.source == pool_.address() ? "POOL is gone" : "ROUTER is gone"));
  });
  return {
    [this](lane_batch& x) { receive(x); },
    [this](resume_atom) { resume(); },
    [this](pool_reconnected) {
      core_.reconnected();
      pump();
    },
    [this](inspect_atom) {
      auto report
        = vitals_.report(core_.queued_batches(),
                         {{"flushes", flushes_},
                          {"rows", rows_},
                          {"takeovers", takeovers_},
                          {"fenced", fenced_},
                          {"refused", refused_},
                          {"failed", failed_},
                          {"bisected", bisected_},
                          {"senders", static_cast<int64_t>(origins_.size())},
                          {"dropped", core_.dropped_batches()}});
      report.name = to_string(config_.lane);
      return report;
    },
  };
}

void lane_writer_state::receive(lane_batch& x) {
  auto from = origin_of(x.reply_to);
  auto& last = consumers_[x.data->source];
  if (last != x.reply_to)
    last = x.reply_to;
  core_.receive(std::move(x.data), x.at, from);
  pump();
}

void lane_writer_state::resume() {
  if (core_.halted() == lane_halt::none)
    return;
  core_.resume();
  vitals_.become("idle");
  pump();
}

void lane_writer_state::pump() {
  send_replies();
  if (cooling_ || core_.halted() != lane_halt::none)
    return;
  auto step = core_.next_step();
  if (core_.halted() != lane_halt::none) {
    send_replies();
    on_halted();
    return;
  }
  switch (step) {
    case lane_step::none:
      break;
    case lane_step::take_over:
      take_over();
      break;
    case lane_step::load:
      load(false);
      break;
    case lane_step::resolve:
      load(true);
      break;
    case lane_step::flush:
      flush_now();
      break;
    case lane_step::fetch:
      fetch();
      break;
  }
}

void lane_writer_state::send_replies() {
  // One message per sender and call, however many batches it answers.
  std::map<origin, lane_answer> answers;
  for (auto& x : core_.take_replies()) {
    auto& answer = answers[x.to];
    answer.lane = config_.lane;
    answer.replies.push_back(x.reply);
  }
  for (auto& [to, answer] : answers) {
    auto i = origins_.find(to);
    if (i != origins_.end())
      caf::anon_send(i->second, std::move(answer));
  }
}

origin lane_writer_state::origin_of(const caf::actor& who) {
  for (const auto& [number, actor] : origins_)
    if (actor == who)
      return number;
  forget_origins();
  origin result{++last_origin_};
  origins_.emplace(result, who);
  return result;
}

void lane_writer_state::forget_origins() {
  // Whoever has nothing to be answered gets a new number when he sends again.
  if (origins_.size() < origins_limit_)
    return;
  std::erase_if(origins_,
                [this](const auto& x) { return !core_.owes(x.first); });
  origins_limit_ = std::max<std::size_t>(64, 2 * origins_.size());
}

// -- steps --------------------------------------------------------------------

void lane_writer_state::take_over() {
  vitals_.become("taking over");
  self_
    ->request(pool_, config_.store_timeout,
              takeover_request{config_.lane, uuid::random(), config_.node})
    .then(
      [this](lane_row& row) {
        ++takeovers_;
        metrics_.takeovers->inc();
        log::info("lane-takeover", {{"lane", to_string(config_.lane)},
                                    {"epoch", row.epoch.value},
                                    {"next_seq", row.next_seq.value}});
        // A fenced writer takes over again, but ever more slowly: somebody
        // else believes that the lane is his.
        auto fenced = core_.attempts() > 0;
        if (!fenced)
          delays_.reset();
        core_.took_over(std::move(row));
        vitals_.become("writing");
        if (core_.halted() != lane_halt::none)
          on_halted();
        pump();
      },
      [this](const caf::error& reason) { on_step_error(reason); });
}

void lane_writer_state::load(bool for_update) {
  vitals_.become(for_update ? "resolving" : "loading");
  self_
    ->request(pool_, config_.store_timeout,
              load_request{config_.lane, for_update})
    .then(
      [this](lane_row& row) {
        core_.loaded(std::move(row));
        if (core_.halted() != lane_halt::none) {
          on_halted();
        } else if (core_.owns_row()) {
          vitals_.become("writing");
        } else {
          ++fenced_;
          log::warn("lane-fenced", {{"lane", to_string(config_.lane)}});
          cool_down(delays_.next(std::chrono::seconds{0}, chance_));
        }
        pump();
      },
      [this](const caf::error& reason) { on_step_error(reason); });
}

void lane_writer_state::flush_now() {
  vitals_.become("writing");
  auto request = core_.flight();
  request.plan = config_.plan;
  self_->request(pool_, config_.store_timeout, std::move(request))
    .then([this](flush_result& result) { on_flushed(result); },
          [this](const caf::error& reason) {
            if (reason == store_errc::overloaded
                || reason == store_errc::unavailable) {
              // Nothing was sent.
              core_.retry();
              cool_down(delays_.next(std::chrono::seconds{0}, chance_));
            } else {
              metrics_.in_doubt->inc();
              core_.lost();
            }
            pump();
          });
}

void lane_writer_state::fetch() {
  auto what = core_.wanted();
  auto failed = [this](const std::string& why) {
    core_.step_failed();
    vitals_.become("waiting for a record of a dead letter", why);
    cool_down(delays_.next(std::chrono::seconds{0}, chance_));
    pump();
  };
  auto i = consumers_.find(what.source);
  if (i == consumers_.end() || !i->second) {
    failed("nobody reads the partition");
    return;
  }
  auto consumer = caf::actor_cast<partition_consumer_actor>(i->second);
  self_
    ->request(consumer, config_.record_timeout,
              record_request{what.source, what.at})
    .then(
      [this](const record_copy& raw) {
        delays_.reset();
        core_.fetched(raw);
        pump();
      },
      [failed](const caf::error& reason) { failed(reason_text(reason)); });
}

// -- outcomes -----------------------------------------------------------------

void lane_writer_state::on_flushed(flush_result& result) {
  switch (result.verdict) {
    case flush_verdict::committed:
      count(result);
      delays_.reset();
      core_.committed();
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
  switch (result.action) {
    case failure_action::bisect:
      on_refused_data(result);
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
      vitals_.become("parked", text);
      log::error("lane-parked", {{"lane", to_string(config_.lane)},
                                 {"reason", text},
                                 {"retry_ms", config_.park_retry.count()}});
      core_.retry();
      cool_down(config_.park_retry);
      break;
    case failure_action::retry:
    case failure_action::halve:
    case failure_action::back_off:
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

void lane_writer_state::on_refused_data(flush_result& result) {
  ++bisected_;
  auto searching = core_.bisecting();
  // One line for each refused event, and not more than one in ten seconds.
  auto now = self_->clock().now();
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
  self_->run_delayed(delay, [this] {
    cooling_ = false;
    pump();
  });
}

void lane_writer_state::count(const flush_result& result) {
  ++flushes_;
  rows_ += result.rows;
  metrics_.flushes->inc();
  metrics_.rows_written->inc(result.rows);
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
    metrics_.crossed_quotes->inc(data.crossed);
    if (data.oldest_timestamp_ms > 0)
      metrics_.commit_latency_seconds->observe(
        static_cast<double>(now_ms - data.oldest_timestamp_ms) / 1e3);
  }
}

caf::actor spawn_lane_writer(caf::local_actor* parent,
                             lane_writer_config config, pool_actor pool,
                             router_actor router) {
  return caf::actor_cast<caf::actor>(parent->spawn<lane_writer>(
    std::move(config), std::move(pool), std::move(router)));
}

} // namespace millrace
