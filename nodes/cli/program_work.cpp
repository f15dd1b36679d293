#include "nodes/cli/program_work.hpp"

#include "config/values.hpp"

#include <array>
#include <chrono>
#include <format>
#include <optional>

namespace millrace::cli {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto tell_interval = 5s;

/// Whether a line tells of a failure, not of progress.
bool is_fault(std::string_view line) {
  constexpr std::array<std::string_view, 4> words{"error: ", "detail: ",
                                                  "hint: ", "warning: "};
  for (auto word : words)
    if (line.contains(word))
      return true;
  return false;
}

} // namespace

admin_result<void> run_work(const program_work& x, console& to,
                            const std::stop_token& stop) {
  auto child = child_program::start(x.command, x.environment);
  if (!child)
    return admin_fail(exit_code::failed, child.error());
  std::size_t done = 0;
  std::string faults;
  auto next = clock::now() + tell_interval;
  auto on_line = [&](std::string_view line) {
    if (line.contains(x.table_line))
      ++done;
    // The first ones say why; what follows from them is not kept.
    if (is_fault(line) && faults.size() < 2000)
      faults += (faults.empty() ? "" : "\n") + printable(line);
  };
  std::optional<int> code;
  while (!(code = child->advance(100ms, on_line))) {
    if (stop.stop_requested())
      child->stop();
    if (clock::now() < next)
      continue;
    next += tell_interval;
    to.note(std::format("{}: {} of {} tables", x.title, done, x.tables));
  }
  if (stop.stop_requested())
    return admin_fail(exit_code::failed, "interrupted");
  if (*code == 0)
    return {};
  if (faults.empty())
    faults = std::format("{} ended with code {}", x.command.front(), *code);
  return admin_fail(exit_code::failed, x.title + ": " + faults);
}

} // namespace millrace::cli
