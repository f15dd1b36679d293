// millrace-seeded: the program, with the defect that MILLRACE_SEEDED_BUG names.

#include "actors/lane/mutation.hpp"
#include "nodes/cli/command_line.hpp"

#include <array>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

using millrace::mutation;

namespace {

constexpr std::array bugs{
  std::pair{std::string_view{"no-from-check"}, mutation::no_from_check},
  std::pair{std::string_view{"ack-early"}, mutation::ack_early},
  std::pair{std::string_view{"stale-floor"}, mutation::stale_floor},
  std::pair{std::string_view{"doubt-failed"}, mutation::doubt_failed},
  std::pair{std::string_view{"doubt-committed"}, mutation::doubt_committed},
  std::pair{std::string_view{"collapse-reversed"}, mutation::collapse_reversed},
  std::pair{std::string_view{"kafka-resume"}, mutation::kafka_resume},
};

} // namespace

int main(int argc, char** argv) {
  if (const auto* name = std::getenv("MILLRACE_SEEDED_BUG")) {
    for (const auto& [known, rule] : bugs)
      if (known == name)
        millrace::broken_rule = rule;
    if (millrace::broken_rule == mutation::none) {
      std::cerr << "MILLRACE_SEEDED_BUG: there is no defect '" << name << "'\n";
      return 2;
    }
  }
  return millrace::cli::run(argc, argv, millrace::run_node);
}
