#include "nodes/cli/partitions_text.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/config.hpp"
#include "config/values.hpp"
#include "nodes/cli/console.hpp"

#include <algorithm>
#include <format>
#include <optional>
#include <string_view>

namespace millrace::cli {

namespace {

/// A partition as it is listed.
struct line {
  std::string name;
  std::string_view state;
  std::optional<partition_time> from;
  std::optional<partition_time> to;

  /// Whether the bounds mean anything.
  bool bounded = true;
  std::optional<int64_t> rows;
  std::optional<int64_t> bytes;

  /// Why it is still there; empty: for no reason that is known.
  std::string trouble = {};
};

/// As PostgreSQL prints such a key in UTC; milliseconds as the times they are.
std::string bound_text(partition_time x, partition_key_type key) {
  switch (key) {
    case partition_key_type::timestamptz:
    case partition_key_type::milliseconds:
      return wall_text(x) + "+00";
    case partition_key_type::timestamp:
      break;
    case partition_key_type::date:
      return wall_text(x).substr(0, 10);
  }
  return wall_text(x);
}

std::string_view state_of(const known_partition& x) {
  if (x.is_default)
    return "default";
  if (x.held && !x.detaching)
    return "held";
  return x.detaching ? "detaching" : "attached";
}

/// In the order of time, without bounds last.
std::vector<line> lines_of(const table_view& x) {
  std::vector<line> result;
  for (const auto& p : x.table.partitions) {
    line one{p.name, state_of(p), p.from, p.to, !p.is_default, {}, {}};
    auto size = std::ranges::find_if(x.sizes, [&p](const auto& s) {
      return s.schema == p.schema && s.name == p.name;
    });
    if (size != x.sizes.end()) {
      one.rows = size->rows;
      one.bytes = size->bytes;
    }
    result.push_back(std::move(one));
  }
  for (const auto& p : x.plan.make)
    result.push_back(
      {p.name, "planned", p.range.from, p.range.to, true, {}, {}});
  std::ranges::stable_sort(result, {}, [](const line& p) {
    return std::pair{!p.bounded, p.from.value_or(partition_time::min())};
  });
  if (x.plan.make_default)
    result.push_back({*x.plan.make_default, "planned", {}, {}, false, {}, {}});
  for (const auto& p : x.removals)
    if (p.detached && p.there)
      result.push_back(
        {p.what.name, "detached", {}, {}, false, {}, {}, p.trouble});
  return result;
}

std::string text_of(const std::optional<int64_t>& x) {
  return x ? std::to_string(*x) : "-";
}

std::vector<std::string> cells(const line& x, partition_key_type key) {
  auto bound = [&](const std::optional<partition_time>& at) -> std::string {
    if (!x.bounded)
      return "-";
    return at ? bound_text(*at, key) : "unbounded";
  };
  return {x.name,      std::string{x.state}, bound(x.from),
          bound(x.to), text_of(x.rows),      text_of(x.bytes)};
}

std::string title_of(const table_view& x) {
  auto result = printable(to_string(x.policy));
  if (x.database != control_database)
    result += " of database " + printable(x.database);
  return result;
}

std::string head_of(const table_view& x) {
  return std::format("{}: {}tenant {}", title_of(x),
                     x.policy.pipeline.empty()
                       ? ""
                       : "pipeline " + x.policy.pipeline + ", ",
                     x.policy.tenant);
}

/// `make, attach`
std::string words_of(const partition_step& x) {
  std::string result;
  for (auto word : x.actions)
    result += (result.empty() ? "" : ", ") + std::string{word};
  return result;
}

std::string step_text(const partition_step& x, partition_key_type key) {
  auto result = "  " + words_of(x) + ' ' + printable(x.partition);
  if (x.range)
    result += std::format(", from {} to {}", bound_text(x.range->from, key),
                          bound_text(x.range->to, key));
  result += '\n';
  for (const auto& sql : x.statements)
    result += "    " + printable(sql) + ";\n";
  return result;
}

std::vector<partition_step> steps_of(const table_view& x) {
  return millrace::steps_of(x.policy, x.table, x.removals, x.plan);
}

// -- JSON ---------------------------------------------------------------------

void begin_table(json_writer& out, const table_view& x) {
  out.begin_object();
  out.key("pipeline").string(x.policy.pipeline);
  out.key("tenant").string(x.policy.tenant);
  out.key("database").string(x.database);
  out.key("schema").string(x.policy.schema);
  out.key("table").string(x.policy.table);
  if (!x.error.empty())
    out.key("error").string(x.error);
}

void write(json_writer& out, std::string_view name,
           const std::optional<partition_time>& x, partition_key_type key) {
  out.key(name);
  x ? out.string(bound_text(*x, key)) : out.null();
}

void write(json_writer& out, std::string_view name,
           const std::optional<int64_t>& x) {
  out.key(name);
  x ? out.integer(*x) : out.null();
}

void write_problems(json_writer& out, const table_view& x) {
  out.key("problems").begin_array();
  for (const auto& problem : x.plan.problems)
    out.string(problem);
  out.end_array();
}

void write_list(json_writer& out, const table_view& x) {
  out.key("key").string(x.table.key);
  out.key("key_type").string(to_string(x.table.type));
  out.key("hypertable").boolean(x.table.is_hypertable());
  out.key("every").string(to_string(x.policy.rules.every));
  out.key("ahead").integer(x.reach.ahead);
  out.key("ahead_declared").integer(x.reach.wanted);
  write(out, "until", x.reach.until, x.table.type);
  out.key("partitions").begin_array();
  for (const auto& p : lines_of(x)) {
    out.begin_object();
    out.key("name").string(p.name);
    out.key("state").string(p.state);
    if (p.bounded) {
      write(out, "from", p.from, x.table.type);
      write(out, "to", p.to, x.table.type);
    }
    write(out, "rows", p.rows);
    write(out, "bytes", p.bytes);
    if (!p.trouble.empty())
      out.key("trouble").string(p.trouble);
    out.end_object();
  }
  out.end_array();
  write_problems(out, x);
}

void write_plan(json_writer& out, const table_view& x) {
  out.key("steps").begin_array();
  for (const auto& step : steps_of(x)) {
    out.begin_object();
    out.key("partition").string(step.partition);
    out.key("actions").begin_array();
    for (auto word : step.actions)
      out.string(word);
    out.end_array();
    if (step.range) {
      write(out, "from", step.range->from, x.table.type);
      write(out, "to", step.range->to, x.table.type);
    }
    out.key("sql").begin_array();
    for (const auto& sql : step.statements)
      out.string(sql);
    out.end_array().end_object();
  }
  out.end_array();
  write_problems(out, x);
}

std::string to_json(const std::vector<table_view>& all,
                    void (*write_one)(json_writer&, const table_view&)) {
  json_writer out;
  out.begin_array();
  for (const auto& x : all) {
    begin_table(out, x);
    if (x.error.empty())
      write_one(out, x);
    out.end_object();
  }
  out.end_array();
  return std::move(out).str() + '\n';
}

} // namespace

bool is_sound(const table_view& x) {
  return x.error.empty() && x.plan.problems.empty();
}

std::string reach_text(const partition_reach& x, partition_key_type key) {
  if (x.by_itself)
    return "chunks come by themselves";
  return std::format("{} of {} ahead, {}", x.ahead, x.wanted,
                     x.until ? "until " + bound_text(*x.until, key)
                             : std::string{"without end"});
}

std::string list_text(const std::vector<table_view>& all) {
  std::string result;
  for (const auto& x : all) {
    if (!x.error.empty())
      continue;
    result += std::format("{}{}; {}, {}\n", result.empty() ? "" : "\n",
                          head_of(x),
                          x.table.is_hypertable()
                            ? "hypertable"
                            : "by " + to_string(x.policy.rules.every),
                          reach_text(x.reach, x.table.type));
    std::vector<std::vector<std::string>> rows{
      {"PARTITION", "STATE", "FROM", "TO", "ROWS", "BYTES"}};
    std::string troubles;
    for (const auto& p : lines_of(x)) {
      rows.push_back(cells(p, x.table.type));
      if (!p.trouble.empty())
        troubles += std::format("{} stays without an archive: {}\n",
                                printable(p.name), printable(p.trouble));
    }
    result += table_text(rows) + troubles;
  }
  return result;
}

std::string list_json(const std::vector<table_view>& all) {
  return to_json(all, write_list);
}

std::string plan_text(const std::vector<table_view>& all) {
  std::string result;
  for (const auto& x : all) {
    if (!x.error.empty())
      continue;
    auto steps = steps_of(x);
    result += head_of(x) + (steps.empty() ? ": nothing to do\n" : "; would\n");
    for (const auto& step : steps)
      result += step_text(step, x.table.type);
  }
  return result;
}

std::string plan_json(const std::vector<table_view>& all) {
  return to_json(all, write_plan);
}

} // namespace millrace::cli
