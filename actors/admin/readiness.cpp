#include "actors/admin/readiness.hpp"

#include <algorithm>
#include <ranges>

namespace millrace {

void readiness_board::require(std::string_view name) {
  std::lock_guard guard{mutex_};
  checks_.try_emplace(std::string{name},
                      readiness_check{std::string{name}, false, "starting"});
}

void readiness_board::set(std::string_view name, bool ok,
                          std::string_view detail) {
  std::lock_guard guard{mutex_};
  checks_.insert_or_assign(std::string{name},
                           readiness_check{std::string{name}, ok,
                                           std::string{detail}});
}

void readiness_board::drop(std::string_view name) {
  std::lock_guard guard{mutex_};
  if (auto hit = checks_.find(name); hit != checks_.end())
    checks_.erase(hit);
}

std::vector<readiness_check> readiness_board::checks() const {
  std::lock_guard guard{mutex_};
  std::vector<readiness_check> result;
  for (const auto& x : checks_ | std::views::values)
    result.push_back(x);
  return result;
}

bool ready(const std::vector<readiness_check>& checks) {
  return !checks.empty() && std::ranges::all_of(checks, &readiness_check::ok);
}

} // namespace millrace
