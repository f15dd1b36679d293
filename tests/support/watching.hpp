#pragma once

// What a test sees of an actor from outside, under virtual time.

#include "messages/supervision.hpp"
#include "tests/support/deterministic.hpp"

#include <optional>
#include <utility>

namespace millrace::test {

/// What an actor says of itself, after it had `patience` to ask others. The
/// state is an error where it says nothing.
template <class Handle>
actor_report report_of(deterministic& world, const Handle& who,
                       caf::timespan patience = {}) {
  auto pending = world.self->request(who, caf::infinite, inspect_atom_v);
  world.drain();
  if (patience.count() > 0)
    world.advance(patience);
  actor_report result;
  pending.receive([&](actor_report& x) { result = std::move(x); },
                  [&](caf::error& x) { result.state = to_string(x); });
  return result;
}

/// The reason of the end of an actor that the test monitors, once it has ended.
inline std::optional<caf::error> end_seen(deterministic& world) {
  std::optional<caf::error> result;
  world.self->receive([&](caf::down_msg& x) { result = x.reason; },
                      caf::after(caf::timespan{0}) >> [] {});
  return result;
}

} // namespace millrace::test
