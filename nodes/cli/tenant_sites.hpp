#pragma once

// Which tenants of a pipeline come to, or leave, which database. Pure.

#include <expected>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace millrace::cli {

/// Tenants of a pipeline in one database, without `_unrouted`.
struct tenant_site {
  std::string database;

  /// The pipeline has rows there.
  bool ran = false;

  /// That have lanes, and that the configuration puts there.
  std::set<std::string> now;
  std::set<std::string> then;

  /// Where it is fenced: which database each tenant comes from.
  std::map<std::string, std::string> arrivals;
};

struct tenant_step {
  std::string tenant;
  std::string from;
  std::string to;

  friend bool operator==(const tenant_step&, const tenant_step&) = default;
};

/// What moves between databases, by tenant. A tenant that is new in another
/// database than the control one comes from there, where its records went to
/// `_unrouted` so far. What comes to, or leaves, the control database alone is
/// no move.
///
/// A sentence when it cannot be done, or not at once.
std::expected<std::vector<tenant_step>, std::string>
find_steps(const std::vector<tenant_site>& sites);

} // namespace millrace::cli
