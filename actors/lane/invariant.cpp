#include "actors/lane/invariant.hpp"

#include <string>

namespace millrace {

void throw_invariant_broken(const char* text) {
  throw invariant_broken{std::string{"invariant broken: "} + text};
}

} // namespace millrace
