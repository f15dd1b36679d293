#include "nodes/prepare_failure.hpp"

#include <utility>

namespace millrace {

std::unexpected<prepare_failure> cannot_prepare(std::string problem,
                                                bool passing) {
  return std::unexpected{prepare_failure{passing, {std::move(problem)}}};
}

std::unexpected<prepare_failure> cannot_prepare(const store_error& x,
                                                const std::string& doing) {
  auto passing = x.code == store_errc::unavailable
                 || x.code == store_errc::retry
                 || x.code == store_errc::back_off;
  auto text = doing + ": " + x.message;
  if (!x.sqlstate.empty())
    text += " (" + x.sqlstate + ')';
  return cannot_prepare(std::move(text), passing);
}

std::unexpected<prepare_failure>
cannot_prepare(const std::vector<compile_problem>& all) {
  prepare_failure failure;
  for (const auto& x : all)
    failure.problems.push_back(to_string(x));
  return std::unexpected{std::move(failure)};
}

} // namespace millrace
