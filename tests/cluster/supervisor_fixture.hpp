#pragma once

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/cluster/vitals.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"
#include "tests/support/watching.hpp"

#include <caf/event_based_actor.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::test {

using namespace std::chrono_literals;

/// What the children did, seen from outside.
struct nursery {
  /// In order: `+a` for a start of child a, `-a` for its end.
  std::vector<std::string> events;

  /// The handle of each child's last start.
  std::map<std::string, caf::actor> handles;

  /// What children that answer late have been asked.
  std::vector<caf::typed_response_promise<actor_report>> held;

  /// Factories of these throw.
  std::map<std::string, bool> broken;

  int starts(const std::string& name) const {
    return static_cast<int>(std::ranges::count(events, "+" + name));
  }
};

enum class manner {
  /// Ends when told, answers an inspection.
  obedient,
  /// Ignores being told to stop.
  deaf,
  /// Does not answer an inspection in time.
  silent,
  /// Answers an inspection when it is told to flush.
  late,
};

inline caf::behavior play(caf::event_based_actor* self,
                          std::shared_ptr<nursery> log, std::string name,
                          manner how) {
  log->events.push_back("+" + name);
  self->attach_functor(
    [log, name](const caf::error&) { log->events.push_back("-" + name); });
  if (how == manner::deaf)
    self->set_exit_handler([](caf::exit_msg&) {});
  return {
    [self](const std::string& reason) {
      self->quit(caf::make_error(caf::sec::runtime_error, reason));
    },
    [self](caf::ok_atom) { self->quit(); },
    [log](caf::flush_atom) { log->held.back().deliver(actor_report{}); },
    [self, how, log](inspect_atom) -> caf::result<actor_report> {
      if (how == manner::late)
        return log->held.emplace_back(
          self->make_response_promise<actor_report>());
      if (how == manner::silent)
        return self->make_response_promise<actor_report>();
      return vitals{"test.child"}.report(self, {{"answers", 1}});
    },
  };
}

/// Silences the log before any actor system exists.
inline const bool prepared = [] {
  log::setup({.level = log::level::off});
  return true;
}();

struct supervised : deterministic {
  std::shared_ptr<nursery> log = std::make_shared<nursery>();
  supervisor_actor aut;
  std::string escalation;

  ~supervised() {
    if (aut)
      self->send_exit(aut, caf::exit_reason::kill);
    drain();
    for (auto& [name, handle] : std::exchange(log->handles, {}))
      self->send_exit(handle, caf::exit_reason::kill);
    drain();
  }

  child_spec spec(std::string name, manner how = manner::obedient) const {
    child_spec result;
    result.name = name;
    result.factory = [nursery = log, name, how](caf::local_actor* parent) {
      if (nursery->broken[name])
        throw std::runtime_error{"no bed for " + name};
      auto child = parent->spawn(play, nursery, name, how);
      nursery->handles[name] = child;
      return caf::actor{child};
    };
    return result;
  }

  child_spec spec(std::string name, restart_kind kind) const {
    auto result = spec(std::move(name));
    result.restart = kind;
    return result;
  }

  /// Delays without chance: 100 ms, 200 ms, … up to 1 s; 3 restarts in 10 s.
  supervisor_config config(std::vector<child_spec> children) {
    supervisor_config result;
    result.name = "root";
    result.children = std::move(children);
    result.backoff
      = {.initial = 100ms, .max = 1s, .jitter = 0, .healthy_after = 30s};
    result.limit = {.max_restarts = 3, .window = 10s};
    result.park_retry = 60s;
    result.seed = 1;
    result.on_escalation = [this](const std::string& x) { escalation = x; };
    return result;
  }

  void run(supervisor_config what) {
    aut = sys.spawn<supervisor>(std::move(what));
    drain();
  }

  void fail(const std::string& name, const std::string& why = "oops") {
    caf::anon_send(log->handles.at(name), why);
    drain();
  }

  /// The answer, or the error as text.
  template <class... Ts>
  std::string ask(Ts... xs) {
    auto pending = self->request(aut, caf::infinite, std::move(xs)...);
    drain();
    std::string result = "?";
    pending.receive([&] { result = "ok"; },
                    [&](caf::error& x) { result = to_string(x); });
    return result;
  }

  actor_report tree(caf::timespan patience = 0s) {
    return report_of(*this, aut, patience);
  }

  /// The reason of the supervisor's end, once it has ended.
  std::optional<caf::error> end() {
    return end_seen(*this);
  }
};

} // namespace millrace::test
