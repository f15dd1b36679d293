#pragma once

// One reading of all instruments, and what can be told from it: the text that
// Prometheus scrapes, sums and quantiles.

#include <caf/fwd.hpp>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace millrace {

struct histogram_reading {
  struct bucket {
    double upper_bound = 0;

    /// Observations at or below the bound, all lower buckets included.
    int64_t cumulative = 0;
  };

  /// Ascending; the last bound is infinite.
  std::vector<bucket> buckets;
  double sum = 0;

  int64_t count() const noexcept {
    return buckets.empty() ? 0 : buckets.back().cumulative;
  }
};

using label_list = std::vector<std::pair<std::string, std::string>>;

struct metric_reading {
  label_list labels;
  std::variant<int64_t, double, histogram_reading> value;
};

struct metric_group {
  std::string name;

  /// `counter`, `gauge` or `histogram`.
  std::string_view type;
  std::string help;
  std::vector<metric_reading> readings;
};

using metric_snapshot = std::vector<metric_group>;

/// Reads the registry: our families and CAF's own, each once, by name.
metric_snapshot take_snapshot(const caf::telemetry::metric_registry& registry);

/// The Prometheus text format, version 0.0.4: HELP and TYPE once per family,
/// cumulative buckets up to +Inf, values escaped. Text that is not UTF-8
/// becomes U+FFFD, because one bad label fails a whole scrape.
std::string render_prometheus(const metric_snapshot& all);

/// What Content-Type says about that text.
inline constexpr std::string_view prometheus_content_type
  = "text/plain; version=0.0.4; charset=utf-8";

/// Label values that a reading must have.
using label_filter
  = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// The sum of the family's values; 0 when there are none. Histograms count
/// their observations.
double total(const metric_snapshot& all, std::string_view name,
             label_filter filter = {});

/// The largest value; 0 when there are none.
double highest(const metric_snapshot& all, std::string_view name,
               label_filter filter = {});

/// The family's histograms added up. They must share their bounds, which one
/// family's histograms do.
histogram_reading merged(const metric_snapshot& all, std::string_view name,
                         label_filter filter = {});

/// The values that a label has in a family, sorted, each once.
std::vector<std::string> label_values(const metric_snapshot& all,
                                      std::string_view name,
                                      std::string_view label);

/// The value below which a share `q` (0 to 1) of the observations lies, by
/// straight lines inside the buckets; the last finite bound for what lies
/// above it, nothing without observations.
std::optional<double> quantile(const histogram_reading& x, double q);

} // namespace millrace
