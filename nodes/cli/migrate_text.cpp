#include "nodes/cli/migrate_text.hpp"

#include "config/values.hpp"

#include <algorithm>
#include <format>

namespace millrace::cli {

namespace {

constexpr std::size_t rule_width = 85;

/// `2026-01-18 10:00:00` of PostgreSQL's text of a time.
constexpr std::size_t time_width = 19;

std::string_view state_text(migration_state x) {
  switch (x) {
    case migration_state::applied:
      return "Applied";
    case migration_state::pending:
      return "Pending";
    case migration_state::edited:
      return "Edited";
    case migration_state::unknown:
      return "Missing";
    case migration_state::interrupted:
      return "Interrupted";
  }
  return "Missing";
}

std::string list(const auto& all, auto text_of) {
  std::string result;
  for (const auto& x : all)
    result += (result.empty() ? "" : ", ") + text_of(x);
  return result;
}

} // namespace

std::string status_text(std::string_view title,
                        const std::vector<migration_status>& all) {
  auto line = [](std::string_view version, std::string_view name,
                 std::string_view state, std::string_view at) {
    return std::format("{:<10} {:<40} {:<12} {}\n", version, name, state, at);
  };
  auto result = std::format("Migrations of {}\n", printable(title));
  result += line("Version", "Name", "Status", "Applied At");
  result += std::string(rule_width, '-') + '\n';
  for (const auto& x : all) {
    auto version = x.version > 0 ? std::format("{:03}", x.version)
                                 : std::string{"R"};
    auto at = x.applied_at.empty() ? "-" : x.applied_at.substr(0, time_width);
    result += line(version, printable(x.name), state_text(x.state), at);
  }
  auto count = [&](migration_state state) {
    return std::ranges::count(all, state, &migration_status::state);
  };
  result += std::format("Total migrations: {} | Applied: {} | Pending: {}",
                        all.size(), count(migration_state::applied),
                        count(migration_state::pending));
  for (auto state : {migration_state::edited, migration_state::unknown,
                     migration_state::interrupted})
    if (auto n = count(state); n > 0)
      result += std::format(" | {}: {}", state_text(state), n);
  return result + '\n';
}

std::string report_text(std::string_view title, const migration_report& x,
                        std::string_view idle) {
  auto number = [](int32_t version) { return std::to_string(version); };
  std::string done;
  auto add = [&done](std::string_view verb, const std::string& what) {
    if (!what.empty())
      done += std::format("{}{} {}", done.empty() ? "" : "; ", verb, what);
  };
  add("took back", list(x.undone, number));
  add("applied", list(x.applied, number));
  add("repeated", list(x.repeated, [](const auto& name) { return name; }));
  if (done.empty())
    return std::format("{}: {}\n", title, idle);
  return std::format("{}: {} in {} ms\n", title, done, x.duration.count());
}

void write_report(json_writer& out, const migration_report& x) {
  auto versions = [&](const char* key, const std::vector<int32_t>& all) {
    out.key(key).begin_array();
    for (auto version : all)
      out.integer(version);
    out.end_array();
  };
  versions("applied", x.applied);
  if (!x.undone.empty())
    versions("undone", x.undone);
  if (!x.repeated.empty()) {
    out.key("repeated").begin_array();
    for (const auto& name : x.repeated)
      out.string(name);
    out.end_array();
  }
  out.key("ms").integer(x.duration.count());
}

std::string problem_lines(const std::vector<std::string>& all) {
  std::string result;
  for (const auto& x : all)
    result += "  " + x + '\n';
  return result;
}

std::string drift_text(std::string_view place,
                       const std::vector<schema_difference>& all) {
  if (all.empty())
    return std::format("{}: as its migrations make it\n", printable(place));
  auto result = std::format("{}: {} differences from what its migrations "
                            "make\n",
                            printable(place), all.size());
  for (const auto& x : all) {
    result += std::format("  {:<9}  {}\n", to_string(x.kind),
                          printable(x.object));
    if (!x.expected.empty())
      result += "    expected " + printable(x.expected) + '\n';
    if (!x.found.empty())
      result += "    found    " + printable(x.found) + '\n';
  }
  return result;
}

} // namespace millrace::cli
