#pragma once

#include "actors/coordinator/migration_plan.hpp"
#include "actors/coordinator/statement_effect.hpp"

#include <set>
#include <span>

namespace millrace {

/// Something in a file that would stop a table that is in use, or those who
/// write it.
struct lint_finding {
  std::string file;

  /// Within the file's section.
  std::size_t line = 0;

  /// The rule's name, for `-- millrace:allow`.
  std::string rule;

  std::string reason;

  /// What to do in its place.
  std::string way_out;
};

struct lint_rule {
  std::string_view name;
  std::string_view reason;
  std::string_view way_out;
};

/// All rules, by name.
std::span<const lint_rule> lint_rules();

/// Looks at files in the order in which they are to be applied. Tables that one
/// of them has made are nobody's yet: nothing is found about these. A comment
/// `-- millrace:allow RULE because …` before or within a statement silences one
/// rule for it; one without a reason, or for nothing, is found itself. Pure.
class migration_linter {
public:
  /// What it finds in the up part.
  std::vector<lint_finding> check(std::string_view set, const migration& file);

private:
  std::set<std::string> made_;
};

} // namespace millrace
