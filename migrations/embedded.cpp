#include "migrations/embedded.hpp"

namespace millrace {

std::vector<embedded_migration> embedded_migrations(std::string_view set) {
  std::vector<embedded_migration> result;
  for (const auto& x : embedded_migrations())
    if (x.set == set)
      result.push_back(x);
  return result;
}

} // namespace millrace
