#pragma once

// What the admin pages say, from plain data. Pure.

#include "actors/admin/metric_snapshot.hpp"
#include "actors/admin/readiness.hpp"
#include "actors/cluster/json_writer.hpp"
#include "messages/supervision.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// The tree of actors as one JSON object per actor, children nested.
std::string tree_json(const actor_report& root);

/// The tree for people: a line per actor, indented by depth. `now_ms` is the
/// wall clock in milliseconds since 1970.
std::string tree_text(const actor_report& root, int64_t now_ms);

/// One word, or a line per check: `[+] postgres`, `[-] kafka: no broker`.
std::string readiness_text(const std::vector<readiness_check>& checks,
                           bool verbose);

/// What `/v1/status` is made from.
struct status_input {
  std::string node;
  std::string version;
  int64_t pid = 0;
  int64_t uptime_seconds = 0;
  std::vector<readiness_check> checks;
  metric_snapshot metrics;

  /// By pipeline, over the last seconds.
  std::map<std::string, double> rows_per_second;

  /// Absent when the root did not answer in time.
  std::optional<actor_report> tree;

  /// Adds members of its own to the object; may be empty.
  std::function<void(json_writer&)> extra;
};

/// node, version, pid, uptime_seconds, ready, pipelines, topics, tenants and
/// lanes; what has not counted anything yet is not listed.
std::string status_json(const status_input& x);

} // namespace millrace
