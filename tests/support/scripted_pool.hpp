#pragma once

// A POOL that does what a test tells it, and remembers what it was asked.

#include "messages/store.hpp"

#include <caf/response_promise.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace millrace::test {

/// Answers of one kind: the next one from `queued`, else what `usual` says.
template <class Request, class Answer>
class scripted_answers {
public:
  using promise = caf::typed_response_promise<Answer>;

  std::vector<Request> asked;
  std::deque<caf::expected<Answer>> queued;

  /// Keep requests open until `release`.
  bool hold = false;
  std::deque<promise> held;

  /// Where this says yes the answer is `otherwise`.
  std::function<bool(const Request&)> decide;
  Answer otherwise;

  template <class Self, class Usual>
  promise take(Self* self, const Request& x, Usual usual) {
    asked.push_back(x);
    auto answer = self->template make_response_promise<Answer>();
    if (hold) {
      held.push_back(answer);
    } else if (decide && decide(x)) {
      answer.deliver(otherwise);
    } else if (queued.empty()) {
      answer.deliver(usual(x));
    } else {
      auto next = std::move(queued.front());
      queued.pop_front();
      if (next)
        answer.deliver(std::move(*next));
      else
        answer.deliver(std::move(next.error()));
    }
    return answer;
  }

  /// The next answer to the oldest open request; `settle` sends it.
  void release(Answer x) {
    released_.push_back(std::move(x));
  }

  void settle() {
    for (auto& x : std::exchange(released_, {})) {
      held.front().deliver(std::move(x));
      held.pop_front();
    }
  }

private:
  std::deque<Answer> released_;
};

/// One lane and one partition, kept as PostgreSQL would keep them.
struct pool_script {
  lane_row row;
  partition_view view;

  scripted_answers<flush, flush_result> flushes;
  scripted_answers<takeover_request, lane_row> takeovers;
  scripted_answers<load_request, lane_row> loads;
  scripted_answers<halt_request, lane_row> halts;
  scripted_answers<retention_halt_request, lane_row> losses;
  scripted_answers<view_request, partition_view> views;
  scripted_answers<floor_request, floor_answer> floors;
  scripted_answers<waiting_request, waiting_answer> waiting;
  std::vector<caf::actor> sleepers;
  std::vector<caf::actor> listeners;

  flush_result commit(const flush& x) {
    row.next_seq.value += x.claim.seqs;
    for (const auto& range : x.claim.ranges)
      row.next_off[static_cast<std::size_t>(range.at.value)] = range.range.to;
    flush_result result;
    result.verdict = flush_verdict::committed;
    return result;
  }

  lane_row take_over(const takeover_request& x) {
    row.owner = x.owner;
    ++row.epoch.value;
    return row;
  }

  /// Accepts, without looking at the lanes: a test that wants a refusal queues
  /// it.
  floor_answer raise(const floor_act& x) {
    if (!x.full)
      view.floor = x.to;
    ++view.token.bytes[0];
    return {true, view.floor, view.token, view.map_version, false};
  }
};

inline pool_actor::behavior_type
scripted_pool(pool_actor::pointer self, std::shared_ptr<pool_script> script) {
  return {
    [=](const flush& x) {
      return script->flushes.take(self, x, [&](const flush& y) {
        return script->commit(y);
      });
    },
    [=](const takeover_request& x) {
      return script->takeovers.take(self, x, [&](const takeover_request& y) {
        return script->take_over(y);
      });
    },
    [=](const halt_request& x) {
      return script->halts.take(self, x, [&](const halt_request&) {
        script->row.state = lane_state::halted;
        return script->row;
      });
    },
    [=](const retention_halt_request& x) {
      return script->losses.take(self, x, [&](const retention_halt_request& y) {
        for (auto& lane : script->view.lanes)
          if (lane.lane == y.lane)
            lane.state = lane_state::halted;
        return script->row;
      });
    },
    [=](const load_request& x) {
      return script->loads.take(self, x, [&](const load_request&) {
        return script->row;
      });
    },
    [](const boot_request&) -> caf::result<boot_result> {
      return caf::make_error(store_errc::failed, "not scripted");
    },
    [=](const view_request& x) {
      return script->views.take(self, x, [&](const view_request&) {
        return script->view;
      });
    },
    [=](const floor_request& x) {
      return script->floors.take(self, x, [&](const floor_request& y) {
        return script->raise(y.act);
      });
    },
    [=](const waiting_request& x) {
      return script->waiting.take(self, x, [](const waiting_request&) {
        return waiting_answer{};
      });
    },
    [](pool_nudge) {},
    [=](const wake_request& x) { script->sleepers.push_back(x.lane); },
    [=](const pool_subscribe& x) { script->listeners.push_back(x.listener); },
    [](pool_inquiry) { return pool_status{}; },
    // A promise may only be kept by its actor.
    [=](const session_notice&) {
      script->flushes.settle();
      script->takeovers.settle();
      script->loads.settle();
      script->halts.settle();
      script->losses.settle();
      script->views.settle();
      script->floors.settle();
      script->waiting.settle();
    },
    [](inspect_atom) { return actor_report{}; },
  };
}

} // namespace millrace::test
