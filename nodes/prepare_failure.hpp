#pragma once

#include "actors/decode/program.hpp"
#include "actors/store/connection.hpp"

#include <expected>
#include <string>
#include <vector>

namespace millrace {

/// Why a node cannot start.
struct prepare_failure {
  /// Waiting may help: PostgreSQL does not answer. Otherwise somebody has to
  /// change the configuration or the schema.
  bool passing = false;

  /// One problem a line, each with what, where and how to mend it.
  std::vector<std::string> problems;
};

std::unexpected<prepare_failure> cannot_prepare(std::string problem,
                                                bool passing = false);

/// What PostgreSQL said while the node was `doing` something.
std::unexpected<prepare_failure> cannot_prepare(const store_error& x,
                                                const std::string& doing);

/// A mapping that does not fit the tables.
std::unexpected<prepare_failure>
cannot_prepare(const std::vector<compile_problem>& all);

} // namespace millrace
