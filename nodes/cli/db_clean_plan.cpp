#include "nodes/cli/db_clean_plan.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/db_stats_text.hpp"

#include <algorithm>
#include <format>

namespace millrace::cli {

namespace {

using std::chrono::days;

/// The first moment of the day that is so many days before today.
partition_time day_before(partition_key_type type, std::string_view zone,
                          partition_time now, int32_t count) {
  partition_calendar calendar{partition_every::day, counting_zone(type, zone)};
  // Days differ in length where clocks change: their middles do not matter.
  auto middle = calendar.around(key_now(type, zone, now)).from
                + std::chrono::hours{12};
  return calendar.around(middle - days{count}).from;
}

std::string rows_text(const std::optional<int64_t>& x) {
  return x ? std::format("about {} rows", *x) : std::string{"unknown rows"};
}

std::string clean_step_text(const clean_step& x) {
  auto name = printable(to_string(x.table));
  if (!x.error.empty())
    return std::format("{}: {}\n", name, printable(x.error));
  if (x.truncate)
    return std::format("{}: all rows, {}, {}\n", name, rows_text(x.rows),
                       size_text(x.bytes));
  if (x.is_nothing() && x.keeps.empty())
    return name + ": nothing\n";
  auto result = name + '\n';
  for (const auto& drop : x.drops)
    result += std::format("  drop {}: {}, {}\n", printable(drop.what.name),
                          rows_text(drop.rows), size_text(drop.bytes));
  for (const auto& one : x.deletes)
    result += std::format("  delete {} rows of {} with {} before {}\n",
                          one.rows, printable(one.from.name), printable(x.key),
                          key_text(x.type, *x.rows_before));
  for (const auto& one : x.keeps)
    result += std::format("  keep {}: it {}\n", printable(one.what.name),
                          printable(one.why));
  return result;
}

void write_step(json_writer& out, const clean_step& x) {
  out.begin_object();
  out.key("tenant").string(x.table.tenant);
  out.key("schema").string(x.table.schema);
  out.key("table").string(x.table.table);
  if (!x.error.empty()) {
    out.key("error").string(x.error).end_object();
    return;
  }
  out.key("truncate").boolean(x.truncate);
  if (x.truncate) {
    if (x.rows)
      out.key("rows_estimate").integer(*x.rows);
    out.key("bytes").integer(x.bytes);
  }
  out.key("drop").begin_array();
  for (const auto& drop : x.drops) {
    out.begin_object().key("partition").string(drop.what.name);
    if (drop.rows)
      out.key("rows_estimate").integer(*drop.rows);
    out.key("bytes").integer(drop.bytes).end_object();
  }
  out.end_array();
  out.key("delete").begin_array();
  for (const auto& one : x.deletes) {
    out.begin_object().key("from").string(one.from.name);
    out.key("rows").integer(one.rows);
    out.key("before").string(key_text(x.type, *x.rows_before)).end_object();
  }
  out.end_array();
  out.key("keep").begin_array();
  for (const auto& one : x.keeps) {
    out.begin_object().key("partition").string(one.what.name);
    out.key("why").string(one.why).end_object();
  }
  out.end_array();
  out.end_object();
}

} // namespace

clean_cut cut_of(const known_table& table, const clean_limits& limits,
                 std::string_view zone, partition_time now) {
  clean_cut result;
  result.rows_before = rows_before(table.type, limits, zone, now);
  // A missing one is less than any.
  auto whole = result.rows_before;
  if (limits.partitions_days)
    whole = std::max(whole, std::optional{day_before(table.type, zone, now,
                                                     *limits.partitions_days)});
  if (whole)
    result.drop = partitions_before(table, *whole, true);
  for (const auto& x : table.partitions) {
    old_partition name{x.schema, x.name};
    auto goes = std::ranges::find(result.drop, name);
    auto in_part = goes == result.drop.end() && result.rows_before
                   && (x.is_default || !x.from
                       || *x.from < *result.rows_before);
    if (x.held && (in_part || goes != result.drop.end()))
      result.held.push_back(name);
    else if (in_part)
      result.boundary.push_back(name);
    if (x.held && goes != result.drop.end())
      result.drop.erase(goes);
  }
  return result;
}

clean_keep keep_held(const old_partition& x) {
  return {x, "is held; 'millrace partitions release " + x.schema + '.' + x.name
               + "' lets it go"};
}

std::optional<partition_time>
rows_before(partition_key_type type, const clean_limits& limits,
            std::string_view zone, partition_time now) {
  if (!limits.rows_days)
    return std::nullopt;
  return key_now(type, zone, now) - days{*limits.rows_days};
}

std::string clean_plan_text(const std::vector<clean_step>& all) {
  std::string result;
  for (const auto& x : all)
    result += clean_step_text(x);
  return result;
}

std::string clean_plan_json(const std::vector<clean_step>& all) {
  json_writer out;
  out.begin_array();
  for (const auto& x : all)
    write_step(out, x);
  out.end_array();
  return std::move(out).str();
}

} // namespace millrace::cli
