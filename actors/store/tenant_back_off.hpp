#pragma once

#include "actors/cluster/restart_policy.hpp"
#include "messages/store.hpp"

#include <chrono>
#include <optional>
#include <random>
#include <string>

namespace millrace {

/// Whether work of a tenant's lanes may be sent (rule 20). A server that is
/// short of memory, disk or connections gets no better by being asked by each
/// lane: after the first that is told so all wait. Once a growing delay is
/// over one of them tries, the *probe*, and when it gets through all go on.
///
/// Any lane may be the probe, and after one that fails it is another one's
/// turn: what is too much for one lane does not stop its tenant.
class tenant_back_off {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// A lane that was called and has not come for `patience` may have nothing
  /// to send any more: then the next one is called.
  tenant_back_off(backoff_config delays, std::chrono::milliseconds patience);

  bool holds() const noexcept {
    return hold_.has_value();
  }

  /// Empty when it does not hold.
  std::string reason() const;

  /// Whether work may be sent now.
  bool admits(time_point now) const noexcept;

  /// Work that is admitted is sent. True when it is the probe.
  bool sent() noexcept;

  /// What became of work. True when it holds now and did not before, or the
  /// other way round. What was under way when the hold began ends nothing.
  bool saw(schema_sight what, bool probe, const std::string& reason,
           time_point now, std::mt19937_64& chance);

  /// When to call a lane to try; empty when none is to be called.
  std::optional<time_point> call_at() const noexcept;

  /// One was called.
  void called(time_point now);

  /// Nobody is left to be called: whoever comes next finds out.
  void let_go(time_point now);

private:
  struct hold {
    std::string reason;
    time_point try_at;
    time_point call_at;
    bool probing = false;
  };

  void begin_wait(const std::string& reason, time_point now,
                  std::chrono::milliseconds delay);

  backoff delays_;
  std::chrono::milliseconds patience_;
  std::optional<hold> hold_;

  /// Since when the tenant is well.
  time_point well_since_;
};

} // namespace millrace
