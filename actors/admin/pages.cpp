#include "actors/admin/pages.hpp"

#include "actors/admin/metric_names.hpp"
#include "actors/cluster/log.hpp"

#include <algorithm>
#include <cmath>
#include <format>
#include <iterator>

namespace millrace {

namespace {

namespace names = metric_names;

constexpr std::string_view lane_writer_kind = "millrace.lane-writer";

void write_report(json_writer& out, const actor_report& x) {
  out.begin_object();
  out.key("name").string(x.name);
  out.key("kind").string(x.kind);
  out.key("state").string(x.state);
  out.key("since_ms").integer(x.since_ms);
  out.key("restarts").integer(x.restarts);
  out.key("queue").integer(x.queue);
  out.key("counters").begin_object();
  for (const auto& [key, value] : x.counters)
    out.key(key).integer(value);
  out.end_object();
  if (!x.note.empty())
    out.key("note").string(x.note);
  if (!x.children.empty()) {
    out.key("children").begin_array();
    for (const auto& child : x.children)
      write_report(out, child);
    out.end_array();
  }
  out.end_object();
}

/// Two units at most: `3d4h`, `5m10s`, `7s`.
std::string age_text(int64_t ms) {
  auto s = std::max<int64_t>(ms, 0) / 1'000;
  if (s >= 86'400)
    return std::format("{}d{}h", s / 86'400, s % 86'400 / 3'600);
  if (s >= 3'600)
    return std::format("{}h{}m", s / 3'600, s % 3'600 / 60);
  if (s >= 60)
    return std::format("{}m{}s", s / 60, s % 60);
  return std::format("{}s", s);
}

void write_line(std::string& out, const actor_report& x, int64_t now_ms,
                std::size_t depth) {
  auto to = std::back_inserter(out);
  auto name = std::string(2 * depth, ' ') + log::escape(x.name);
  std::format_to(to, "{:<40} {:<12} for {:<8} restarts={} queue={}", name,
                 x.state, age_text(now_ms - x.since_ms), x.restarts, x.queue);
  for (const auto& [key, value] : x.counters)
    std::format_to(to, " {}={}", log::escape(key), value);
  if (!x.note.empty())
    std::format_to(to, " note={}", log::escape(x.note));
  out += '\n';
  for (const auto& child : x.children)
    write_line(out, child, now_ms, depth + 1);
}

int64_t whole(double x) {
  return std::llround(x);
}

void write_optional(json_writer& out, std::optional<double> x) {
  if (x)
    out.number(*x);
  else
    out.null();
}

void write_latency(json_writer& out, const metric_snapshot& metrics,
                   std::string_view name, std::string_view pipeline) {
  auto all = merged(metrics, name, {{"pipeline", pipeline}});
  out.begin_object();
  write_optional(out.key("p50"), quantile(all, 0.5));
  write_optional(out.key("p99"), quantile(all, 0.99));
  out.end_object();
}

void write_pipelines(json_writer& out, const status_input& x) {
  // A pipeline shows as soon as one of its parts has instruments.
  auto pipelines = label_values(x.metrics, names::events_read.name, "pipeline");
  std::ranges::copy(label_values(x.metrics, names::rows_written.name,
                                 "pipeline"),
                    std::back_inserter(pipelines));
  std::ranges::sort(pipelines);
  auto doubled = std::ranges::unique(pipelines);
  pipelines.erase(doubled.begin(), doubled.end());
  out.begin_array();
  for (const auto& p : pipelines) {
    auto sum = [&](const metric_info& what) {
      return whole(total(x.metrics, what.name, {{"pipeline", p}}));
    };
    auto rate = x.rows_per_second.find(p);
    out.begin_object();
    out.key("name").string(p);
    out.key("events_total").integer(sum(names::events_read));
    out.key("rows_total").integer(sum(names::rows_written));
    out.key("rows_per_second")
      .number(rate == x.rows_per_second.end() ? 0 : rate->second);
    out.key("dead_letters_total").integer(sum(names::dead_letters));
    out.key("flushes_total").integer(sum(names::flushes));
    out.key("lag_messages").integer(sum(names::lag_messages));
    out.key("lag_seconds")
      .number(highest(x.metrics, names::lag_seconds.name, {{"pipeline", p}}));
    out.key("inflight_bytes").integer(sum(names::inflight_bytes));
    write_latency(out.key("commit_latency_seconds"), x.metrics,
                  names::commit_latency_seconds.name, p);
    write_latency(out.key("flush_seconds"), x.metrics,
                  names::flush_seconds.name, p);
    out.end_object();
  }
  out.end_array();
}

void write_topics(json_writer& out, const metric_snapshot& metrics) {
  const auto& lag = names::lag_messages.name;
  out.begin_array();
  for (const auto& topic : label_values(metrics, lag, "topic")) {
    out.begin_object();
    out.key("name").string(topic);
    out.key("lag_messages")
      .integer(whole(total(metrics, lag, {{"topic", topic}})));
    out.key("lag_seconds")
      .number(highest(metrics, names::lag_seconds.name, {{"topic", topic}}));
    out.end_object();
  }
  out.end_array();
}

void write_tenants(json_writer& out, const metric_snapshot& metrics) {
  const auto& sessions = names::sessions.name;
  out.begin_array();
  for (const auto& tenant : label_values(metrics, sessions, "tenant")) {
    auto sum = [&](const metric_info& what) {
      return whole(total(metrics, what.name, {{"tenant", tenant}}));
    };
    out.begin_object();
    out.key("name").string(tenant);
    out.key("rows_total").integer(sum(names::rows_written));
    out.key("dead_letters_total").integer(sum(names::dead_letters));
    out.key("waiting_events").integer(sum(names::waiting_events));
    out.key("in_doubt_total").integer(sum(names::in_doubt));
    out.key("reconnects_total").integer(sum(names::reconnects));
    out.key("sessions").begin_object();
    for (const auto& state : label_values(metrics, sessions, "state"))
      out.key(state).integer(whole(
        total(metrics, sessions, {{"tenant", tenant}, {"state", state}})));
    out.end_object();
    out.end_object();
  }
  out.end_array();
}

void write_lanes(json_writer& out, const actor_report& x) {
  if (x.kind == lane_writer_kind)
    write_report(out, x);
  for (const auto& child : x.children)
    write_lanes(out, child);
}

} // namespace

std::string tree_json(const actor_report& root) {
  json_writer out;
  write_report(out, root);
  return std::move(out).str() + '\n';
}

std::string tree_text(const actor_report& root, int64_t now_ms) {
  std::string out;
  write_line(out, root, now_ms, 0);
  return out;
}

std::string readiness_text(const std::vector<readiness_check>& checks,
                           bool verbose) {
  std::string out;
  auto to = std::back_inserter(out);
  for (const auto& x : checks) {
    if (!verbose && x.ok)
      continue;
    std::format_to(to, "[{}] {}", x.ok ? '+' : '-', log::escape(x.name));
    if (!x.detail.empty())
      std::format_to(to, ": {}", log::escape(x.detail));
    out += '\n';
  }
  out += ready(checks) ? "ready\n" : "not ready\n";
  return out;
}

std::string status_json(const status_input& x) {
  json_writer out;
  out.begin_object();
  out.key("node").string(x.node);
  out.key("version").string(x.version);
  out.key("pid").integer(x.pid);
  out.key("uptime_seconds").integer(x.uptime_seconds);
  out.key("ready").boolean(ready(x.checks));
  write_pipelines(out.key("pipelines"), x);
  write_topics(out.key("topics"), x.metrics);
  write_tenants(out.key("tenants"), x.metrics);
  out.key("lanes");
  if (x.tree) {
    out.begin_array();
    write_lanes(out, *x.tree);
    out.end_array();
  } else {
    out.null();
  }
  if (x.extra)
    x.extra(out);
  out.end_object();
  return std::move(out).str() + '\n';
}

} // namespace millrace
