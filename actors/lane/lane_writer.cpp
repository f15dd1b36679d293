#include "actors/lane/lane_writer.hpp"

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Handles of one actor are equal, also where the connection of one of them is
/// lost, and what is sent by that one is dropped without a word.
bool is_another(const caf::actor& one, const caf::actor& other) {
  return caf::actor_cast<caf::actor_control_block*>(one)
         != caf::actor_cast<caf::actor_control_block*>(other);
}

} // namespace

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
  if (config.waiting.retry_first <= std::chrono::milliseconds{0}
      || config.waiting.retry_max < config.waiting.retry_first)
    return "waiting.retry_first must be positive and not above retry_max";
  return std::nullopt;
}

lane_writer_state::lane_writer_state(lane_writer_actor::pointer self,
                                     lane_writer_config config, pool_actor pool,
                                     router_actor router)
  : self_{self},
    config_{std::move(config)},
    pool_{std::move(pool)},
    router_{std::move(router)},
    core_{config_.lane, config_.limits, config_.writes},
    metrics_{make_lane_writer_metrics(self->system(), config_.lane.pipeline,
                                      config_.lane.tenant)},
    delays_{config_.delays},
    park_delays_{config_.park_delays},
    chance_{std::random_device{}()},
    waiting_alarm_{config_.limits.waiting_events, config_.limits.waiting_bytes,
                   config_.waiting.keep} {
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
  ask_waiting();
  return {
    [this](lane_batch& x) { receive(x); },
    [this](batch_frame& x) { receive(x); },
    [this](resume_atom) { resume(); },
    [this](woken_atom) { on_woken(); },
    [this](pool_reconnected) {
      core_.reconnected();
      ask_waiting();
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
                          {"waiting", std::ssize(core_.waiting().entries())},
                          {"senders", static_cast<int64_t>(origins_.size())},
                          {"dropped", core_.dropped_batches()}});
      report.name = to_string(config_.lane);
      return report;
    },
  };
}

void lane_writer_state::receive(lane_batch& x) {
  auto from = origin_of(x.reply_to);
  auto source = x.data->source;
  auto& reader = consumers_[source];
  auto another = is_another(reader, x.reply_to);
  reader = x.reply_to;
  core_.receive(std::move(x.data), x.at, from);
  if (another && asked_ == source)
    fetch();
  pump();
}

void lane_writer_state::resume() {
  if (core_.halted() != lane_halt::none)
    core_.resume();
  else if (parked_)
    cooling_ = false;
  else
    return;
  parked_ = false;
  vitals_.become("idle");
  pump();
}

void lane_writer_state::pump() {
  send_replies();
  tend_waiting();
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
    case lane_step::read_waiting:
      read_waiting();
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
  // The latest counts, also of equal ones: see is_another.
  for (auto& [number, actor] : origins_)
    if (actor == who) {
      actor = who;
      return number;
    }
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
  std::erase_if(framed_,
                [this](const auto& x) { return !origins_.contains(x.first); });
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
          ask_waiting();
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
            } else if (reason == store_errc::misconfigured) {
              on_parked_tenant(reason_text(reason));
            } else if (reason == store_errc::back_off) {
              core_.retry();
              on_no_room(reason_text(reason));
            } else {
              metrics_.in_doubt->inc();
              core_.lost();
            }
            pump();
          });
}

caf::actor spawn_lane_writer(caf::local_actor* parent,
                             lane_writer_config config, pool_actor pool,
                             router_actor router) {
  return caf::actor_cast<caf::actor>(parent->spawn<lane_writer>(
    std::move(config), std::move(pool), std::move(router)));
}

} // namespace millrace
