#pragma once

#include <stdexcept>

namespace millrace {

/// What the lane protocol rests on does not hold. Ends the actor in whose
/// handler it is thrown; its supervisor logs the reason, and the next start
/// begins from durable truth.
class invariant_broken : public std::logic_error {
public:
  using std::logic_error::logic_error;
};

/// Throws `invariant_broken` with `text`.
[[noreturn]] void throw_invariant_broken(const char* text);

/// Checks what must hold, in every build: an assertion for conditions that
/// cost nothing. `text` says what should have been the case.
inline void require(bool holds, const char* text) {
  if (!holds) [[unlikely]]
    throw_invariant_broken(text);
}

} // namespace millrace
