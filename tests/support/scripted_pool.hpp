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

/// In a source of its own: its handlers take long to compile.
pool_actor spawn_scripted_pool(caf::actor_system& sys,
                               std::shared_ptr<pool_script> script);

} // namespace millrace::test
