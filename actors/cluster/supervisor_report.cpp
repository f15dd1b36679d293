// What a supervisor is asked before it starts, and what it answers about its
// tree.

#include "actors/cluster/supervisor.hpp"
#include "actors/cluster/vitals.hpp"

#include <caf/actor_cast.hpp>

#include <format>
#include <set>
#include <utility>

namespace millrace {

namespace {

/// One round of questions to the children, which ends when all have answered,
/// or when its time is over. One timer for all of them: a node has thousands,
/// and what CAF's clock does for one timer grows with how many there are.
struct round {
  actor_report report;
  std::size_t open = 0;
  caf::typed_response_promise<actor_report> answer;
  caf::disposable timer;

  bool is_over() const {
    return !answer.pending();
  }

  void close_one() {
    if (--open == 0)
      end();
  }

  void end() {
    timer.dispose();
    if (!is_over())
      answer.deliver(std::move(report));
  }
};

} // namespace

std::optional<std::string> validate(const child_spec& spec) {
  if (spec.name.empty())
    return "a child needs a name";
  if (!spec.factory)
    return std::format("child {} needs a factory", spec.name);
  if (spec.stop_grace.count() <= 0)
    return std::format("stop_grace of child {} must be positive", spec.name);
  return std::nullopt;
}

std::optional<std::string> validate(const supervisor_config& config) {
  if (config.name.empty())
    return "a supervisor needs a name";
  if (auto complaint = validate(config.backoff, config.limit))
    return complaint;
  if (config.park_retry.count() <= 0)
    return "park_retry must be positive";
  if (config.inspect_timeout.count() <= 0)
    return "inspect_timeout must be positive";
  if (config.kill_grace.count() <= 0)
    return "kill_grace must be positive";
  if (config.children.size() > config.max_children)
    return "there are more children than max_children";
  std::set<std::string_view> names;
  for (const auto& spec : config.children) {
    if (auto complaint = validate(spec))
      return complaint;
    if (!names.insert(spec.name).second)
      return std::format("there are two children {}", spec.name);
  }
  return std::nullopt;
}

child_spec supervisor_child(supervisor_config config) {
  child_spec result;
  result.name = config.name;
  result.stop_grace = std::chrono::milliseconds{1'000};
  for (const auto& x : config.children)
    result.stop_grace += x.stop_grace + config.kill_grace;
  result.factory = [config = std::move(config)](caf::local_actor* self) {
    return caf::actor_cast<caf::actor>(self->spawn<supervisor>(config));
  };
  return result;
}

std::string reason_text(const caf::error& reason) {
  if (!reason)
    return "normal";
  auto context = reason.context();
  if (context.match_elements<std::string>())
    return context.get_as<std::string>(0);
  return to_string(reason);
}

actor_report supervisor_state::describe(const child& x) const {
  actor_report result;
  result.name = x.spec.name;
  result.since_ms = x.since_ms;
  result.restarts = x.starts > 0 ? x.starts - 1 : 0;
  result.note = x.last_failure;
  switch (x.state) {
    case child_state::running:
      // Stands until the child itself says better.
      result.state = "no answer";
      break;
    case child_state::waiting:
      result.state = "waiting";
      break;
    case child_state::parked:
      result.state = "parked";
      break;
    case child_state::stopping:
      result.state = "stopping";
      break;
  }
  return result;
}

caf::result<actor_report> supervisor_state::inspect_all() {
  auto all = std::make_shared<round>();
  auto& report = all->report;
  report.name = config_.name;
  report.kind = name;
  report.state = ending_ ? "stopping" : "running";
  report.since_ms = since_ms_;
  report.queue = static_cast<int64_t>(self_->mailbox().size());
  report.counters = {{"children", static_cast<int64_t>(children_.size())},
                     {"restarts", restarts_},
                     {"parked", parked_},
                     {"abandoned", abandoned_}};
  for (const auto& x : children_)
    report.children.push_back(describe(*x));
  all->answer = self_->make_response_promise<actor_report>();
  // Held by this function, so that no early answer closes the round.
  all->open = 1;
  // The handlers of the answers hold the round: a timer that did so, too,
  // would keep it for ever where this actor ends before the time is over.
  all->timer = self_->run_delayed(config_.inspect_timeout,
                                  [weak = std::weak_ptr{all}] {
                                    if (auto round = weak.lock())
                                      round->end();
                                  });
  for (std::size_t i = 0; i < children_.size(); ++i) {
    auto& x = *children_[i];
    if (!x.handle || x.asked == x.starts)
      continue;
    ++all->open;
    x.asked = x.starts;
    auto stopping = x.state == child_state::stopping;
    auto heard = [who = children_[i], start = x.starts] {
      if (who->asked == start)
        who->asked = 0;
    };
    self_->request(x.handle, caf::infinite, inspect_atom_v)
      .then(
        [all, i, stopping, heard](actor_report& said) {
          heard();
          if (all->is_over())
            return;
          auto& known = all->report.children[i];
          said.name = known.name;
          said.restarts = known.restarts;
          if (stopping)
            said.state = known.state;
          if (said.note.empty())
            said.note = known.note;
          known = std::move(said);
          all->close_one();
        },
        [all, i, heard](const caf::error& reason) {
          heard();
          if (all->is_over())
            return;
          auto& known = all->report.children[i];
          if (known.note.empty())
            known.note = to_string(reason);
          all->close_one();
        });
  }
  auto result = all->answer;
  all->close_one();
  return result;
}

} // namespace millrace
