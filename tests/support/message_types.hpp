#pragma once

#include "messages/registration.hpp"

namespace millrace::test {

/// Before `main`, and thereby before any actor system exists. Include this
/// wherever a test spawns actors.
inline const bool message_types_ready = [] {
  register_messages();
  return true;
}();

} // namespace millrace::test
