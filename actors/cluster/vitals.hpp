#pragma once

#include "messages/supervision.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// What an actor keeps so that it can answer `inspect` in one line:
///
///   [this](inspect_atom) {
///     return vitals_.report(self_, {{"flushes", flushes_}});
///   }
class vitals {
public:
  using counters = std::vector<std::pair<std::string, int64_t>>;

  /// `kind` is the state class's `name`.
  explicit vitals(std::string_view kind, std::string_view state = "running")
    : kind_{kind},
      state_{state},
      since_ms_{now_ms()} {
  }

  /// Enters a state; the same state again keeps its time. `note` tells a
  /// person why.
  void become(std::string_view state, std::string_view note = {}) {
    if (state != state_) {
      state_ = state;
      since_ms_ = now_ms();
    }
    note_ = note;
  }

  const std::string& state() const noexcept {
    return state_;
  }

  actor_report report(std::size_t queue, counters counts = {}) const {
    actor_report result;
    result.name = kind_;
    result.kind = kind_;
    result.state = state_;
    result.since_ms = since_ms_;
    result.queue = static_cast<int64_t>(queue);
    result.counters = std::move(counts);
    result.note = note_;
    return result;
  }

  /// With the actor's mailbox as its queue. Call it from the actor only.
  template <class Self>
    requires requires(Self& x) { x.mailbox().size(); }
  actor_report report(Self* self, counters counts = {}) const {
    return report(self->mailbox().size(), std::move(counts));
  }

  /// The wall clock, in milliseconds since 1970.
  static int64_t now_ms() {
    using namespace std::chrono;
    auto now = system_clock::now().time_since_epoch();
    return duration_cast<milliseconds>(now).count();
  }

private:
  std::string kind_;
  std::string state_;
  std::string note_;
  int64_t since_ms_;
};

} // namespace millrace
