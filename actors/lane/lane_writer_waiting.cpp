// The third part of a LANE WRITER: when waiting events are tried again. Which,
// and what becomes of them, is the core's to say.

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/lane/lane_writer.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Read at a time.
constexpr int32_t chunk_events = 128;
constexpr int64_t chunk_bytes = int64_t{1} << 20;

/// Nobody waits for longer than so many times the first delay once a commit
/// has woken the lane.
constexpr int woken_patience = 20;

} // namespace

lane_writer_state::~lane_writer_state() {
  metrics_.waiting_events->dec(shown_events_);
  metrics_.waiting_bytes->dec(shown_bytes_);
  if (oldest_)
    oldest_->value(0);
}

/// A lane is taken over at its first batch; this one may have none, and still
/// events that wait: at the start, after a failover that took them back, or
/// when another writer had the lane.
void lane_writer_state::ask_waiting() {
  if (!config_.waiting.make_mapper || core_.owns_row())
    return;
  if (std::exchange(asking_, true)) {
    ask_again_ = true;
    return;
  }
  self_
    ->request(pool_, config_.store_timeout,
              waiting_request{config_.lane, seq{}, 0, 0, 0,
                              config_.waiting.map})
    .then(
      [this](const waiting_answer& x) {
        asking_ = false;
        if (x.count > 0) {
          core_.expect_waiting();
          retry_now();
        } else if (std::exchange(ask_again_, false)) {
          ask_waiting();
        } else if (core_.attempts() > 0) {
          // Whoever fenced this one may put events aside and go.
          ask_later(config_.waiting.retry_max);
        }
      },
      [this](const caf::error&) { ask_later(config_.delays.max); });
}

void lane_writer_state::ask_later(std::chrono::milliseconds delay) {
  asking_ = true;
  self_->run_delayed(delay, [this] {
    asking_ = ask_again_ = false;
    ask_waiting();
  });
}

void lane_writer_state::read_waiting() {
  if (!mapper_ && config_.waiting.make_mapper)
    mapper_ = config_.waiting.make_mapper();
  waiting_request request{
    config_.lane, core_.wanted_waiting(),       chunk_events,
    chunk_bytes,  config_.waiting.keep.count(), config_.waiting.map};
  self_->request(pool_, config_.store_timeout, std::move(request))
    .then(
      [this](waiting_answer& x) {
        // Only the first of all is the oldest.
        if (!x.events.empty() && !core_.waiting().empty()
            && x.events.front().number
                 == core_.waiting().entries().front().number)
          show_oldest(x.events.front().waited_ms);
        std::vector<retried_event> events;
        for (auto& event : x.events) {
          auto data = core_.row() && mapper_ ? mapper_(event, *core_.row())
                                             : nullptr;
          if (data)
            events.push_back({std::move(event), std::move(data)});
        }
        core_.waiting_read(std::move(events));
        pump();
      },
      [this](const caf::error& reason) { on_step_error(reason); });
}

/// The next try is set for later as soon as none is on.
void lane_writer_state::tend_waiting() {
  show_waiting();
  warn_of_waiting();
  if (!core_.should_retry() || retry_armed_)
    return;
  futile_ = std::exchange(released_, core_.released()) == core_.released()
              ? futile_ + 1
              : 0;
  arm_retry();
}

void lane_writer_state::arm_retry() {
  const auto& options = config_.waiting;
  auto delay = options.retry_first * (1 << std::min(futile_, 16));
  delay = std::min(delay, woken_ ? woken_patience * options.retry_first
                                 : options.retry_max);
  auto left = std::chrono::ceil<std::chrono::milliseconds>(
    last_try_ + delay - self_->clock().now());
  retry_armed_ = true;
  self_->run_delayed(std::max(left, std::chrono::milliseconds{1}),
                     [this, number = ++retry_timer_] {
                       if (number == retry_timer_)
                         retry_now();
                     });
}

void lane_writer_state::retry_now() {
  retry_armed_ = woken_ = false;
  last_try_ = self_->clock().now();
  // Before anything is read: a commit from now on counts.
  if (!std::exchange(sleeps_, true))
    self_->send(pool_, wake_request{caf::actor_cast<caf::actor>(self_)});
  core_.retry_waiting();
  pump();
}

void lane_writer_state::on_woken() {
  sleeps_ = false;
  woken_ = true;
  if (retry_armed_)
    arm_retry();
}

void lane_writer_state::show_waiting() {
  auto events = std::ssize(core_.waiting().entries());
  auto bytes = core_.waiting().bytes();
  metrics_.waiting_events->inc(events - std::exchange(shown_events_, events));
  metrics_.waiting_bytes->inc(bytes - std::exchange(shown_bytes_, bytes));
  if (oldest_ && events == 0)
    show_oldest(0);
}

void lane_writer_state::show_oldest(int64_t waited_ms) {
  if (!oldest_)
    oldest_ = waiting_oldest_gauge(self_->system(), config_.lane);
  oldest_->value(static_cast<double>(waited_ms) / 1e3);
  oldest_waited_ = std::chrono::milliseconds{waited_ms};
}

void lane_writer_state::warn_of_waiting() {
  const auto& limits = config_.limits;
  const auto& now = core_.waiting();
  if (!waiting_alarm_.look(now.size(), now.bytes(), oldest_waited_))
    return;
  log::warn("waiting-near-limit",
            {{"lane", to_string(config_.lane)},
             {"events", std::ssize(now.entries())},
             {"max_events", static_cast<int64_t>(limits.waiting_events)},
             {"bytes", now.bytes()},
             {"max_bytes", limits.waiting_bytes},
             {"oldest_s", oldest_waited_.count() / 1'000},
             {"keep_s", config_.waiting.keep.count() / 1'000},
             {"mend", "see 'Events wait' in docs/runbook.md"}});
}

} // namespace millrace
