#include "nodes/cli/status_page.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/console.hpp"

#include <array>
#include <cmath>
#include <format>
#include <map>
#include <ranges>

#include <simdjson.h>

namespace millrace::cli {

namespace {

namespace dom = simdjson::dom;

using rows = std::vector<std::vector<std::string>>;

constexpr std::string_view no_node = "the answer is not a node's status";

// -- reading: what is missing shows as a dash ---------------------------------

std::string text_at(const dom::element& x, std::string_view key) {
  std::string_view result;
  return x[key].get(result) == simdjson::SUCCESS ? std::string{result} : "-";
}

std::string count_at(const dom::element& x, std::string_view key) {
  int64_t n = 0;
  if (x[key].get(n) != simdjson::SUCCESS)
    return "-";
  auto text = std::to_string(n);
  auto first = n < 0 ? 1 : 0;
  for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > first; i -= 3)
    text.insert(static_cast<std::size_t>(i), 1, ',');
  return text;
}

std::string number_at(const dom::element& x, std::string_view key,
                      double factor, int digits) {
  double n = 0;
  if (x[key].get(n) != simdjson::SUCCESS)
    return "-";
  return std::format("{:.{}f}", n * factor, digits);
}

/// Calls `what` with the elements of an array; without one, never.
template <class Function>
void for_each_in(const dom::element& x, std::string_view key,
                 const Function& what) {
  dom::array all;
  if (x[key].get(all) != simdjson::SUCCESS)
    return;
  for (const auto& element : all)
    what(element);
}

bool has_array(const dom::element& x, std::string_view key) {
  return x[key].is_array();
}

/// Two units at most: `3d4h`, `5m10s`, `7s`.
std::string age_text(int64_t s) {
  if (s >= 86'400)
    return std::format("{}d{}h", s / 86'400, s % 86'400 / 3'600);
  if (s >= 3'600)
    return std::format("{}h{}m", s / 3'600, s % 3'600 / 60);
  if (s >= 60)
    return std::format("{}m{}s", s / 60, s % 60);
  return std::format("{}s", s);
}

// -- writing ------------------------------------------------------------------

std::string head_text(const dom::element& all, bool ready) {
  int64_t uptime = 0;
  auto known = all["uptime_seconds"].get(uptime) == simdjson::SUCCESS;
  auto name = text_at(all, "node");
  return std::format("{}: {}, version {}, pid {}, up {}\n",
                     name.empty() ? "node" : printable(name),
                     ready ? "ready" : "NOT READY",
                     printable(text_at(all, "version")),
                     number_at(all, "pid", 1, 0),
                     known ? age_text(uptime) : "-");
}

std::string pipelines_text(const dom::element& all) {
  rows table{{"PIPELINE", "ROWS/S", "ROWS", "EVENTS", "DEAD LETTERS", "LAG",
              "LAG S", "P50 MS", "P99 MS"}};
  for_each_in(all, "pipelines", [&](const dom::element& x) {
    dom::element latency;
    auto timed = x["commit_latency_seconds"].get(latency) == simdjson::SUCCESS;
    table.push_back({text_at(x, "name"), number_at(x, "rows_per_second", 1, 0),
                     count_at(x, "rows_total"), count_at(x, "events_total"),
                     count_at(x, "dead_letters_total"),
                     count_at(x, "lag_messages"),
                     number_at(x, "lag_seconds", 1, 1),
                     timed ? number_at(latency, "p50", 1e3, 1) : "-",
                     timed ? number_at(latency, "p99", 1e3, 1) : "-"});
  });
  return table.size() > 1 ? '\n' + table_text(table) : "";
}

std::string tenants_text(const dom::element& all) {
  rows table{{"TENANT", "ROWS", "DEAD LETTERS", "WAITING", "IN DOUBT",
              "RECONNECTS", "SESSIONS"}};
  for_each_in(all, "tenants", [&](const dom::element& x) {
    std::string sessions;
    dom::object states;
    if (x["sessions"].get(states) == simdjson::SUCCESS)
      for (const auto& [state, number] : states) {
        int64_t n = 0;
        if (number.get(n) == simdjson::SUCCESS && n > 0)
          sessions += std::format("{}{} {}", sessions.empty() ? "" : ", ", n,
                                  state);
      }
    table.push_back(
      {text_at(x, "name"), count_at(x, "rows_total"),
       count_at(x, "dead_letters_total"), count_at(x, "waiting_events"),
       count_at(x, "in_doubt_total"), count_at(x, "reconnects_total"),
       sessions.empty() ? "-" : sessions});
  });
  return table.size() > 1 ? '\n' + table_text(table) : "";
}

std::string lanes_text(const dom::element& all) {
  if (!has_array(all, "lanes"))
    return "\nlanes: the actors did not answer in time\n";
  std::map<std::string, int64_t> states;
  std::string notes;
  for_each_in(all, "lanes", [&](const dom::element& x) {
    auto state = text_at(x, "state");
    ++states[state];
    if (auto note = text_at(x, "note"); note != "-")
      notes += std::format("  {}: {}: {}\n", printable(text_at(x, "name")),
                           printable(state), printable(note));
  });
  std::string result;
  for (const auto& [state, n] : states)
    result += std::format("{}{} {}", result.empty() ? "" : ", ", n,
                          printable(state));
  return result.empty() ? "" : "\nlanes: " + result + '\n' + notes;
}

} // namespace

std::vector<node_check> parse_checks(std::string_view readyz) {
  std::vector<node_check> result;
  for (auto part : std::views::split(readyz, '\n')) {
    std::string_view line{part};
    if (!line.starts_with("[+] ") && !line.starts_with("[-] "))
      continue;
    node_check x;
    x.ok = line[1] == '+';
    line.remove_prefix(4);
    auto colon = line.find(": ");
    x.name = line.substr(0, colon);
    if (colon != std::string_view::npos)
      x.detail = line.substr(colon + 2);
    result.push_back(std::move(x));
  }
  return result;
}

std::expected<std::string, std::string>
status_text(const std::string& status, const std::vector<node_check>& checks,
            bool ready) {
  dom::parser parser;
  dom::element all;
  if (parser.parse(status).get(all) != simdjson::SUCCESS || !all.is_object())
    return std::unexpected{std::string{no_node}};
  auto result = head_text(all, ready);
  for (const auto& x : checks)
    result += std::format("  [{}] {}{}{}\n", x.ok ? '+' : '-',
                          printable(x.name), x.detail.empty() ? "" : ": ",
                          printable(x.detail));
  return result + pipelines_text(all) + tenants_text(all) + lanes_text(all);
}

std::expected<std::string, std::string>
status_json_text(const std::string& admin, const std::string& status,
                 const std::vector<node_check>& checks, bool ready) {
  dom::parser parser;
  dom::element all;
  if (parser.parse(status).get(all) != simdjson::SUCCESS || !all.is_object())
    return std::unexpected{std::string{no_node}};
  json_writer out;
  out.begin_object();
  out.key("admin").string(admin);
  out.key("ready").boolean(ready);
  out.key("checks").begin_array();
  for (const auto& x : checks) {
    out.begin_object();
    out.key("name").string(x.name);
    out.key("ok").boolean(x.ok);
    out.key("detail").string(x.detail);
    out.end_object();
  }
  out.end_array();
  out.end_object();
  auto text = std::move(out).str();
  text.pop_back();
  return text + ",\"status\":" + std::string{simdjson::minify(all)} + "}\n";
}

} // namespace millrace::cli
