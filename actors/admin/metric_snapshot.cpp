#include "actors/admin/metric_snapshot.hpp"

#include "actors/cluster/unicode.hpp"

#include <caf/telemetry/metric_registry.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <ranges>
#include <set>

namespace millrace {

namespace {

std::string to_name(const caf::telemetry::metric_family& family) {
  auto name = family.prefix() + '_' + family.name();
  if (family.unit() != "1" && !family.unit().empty())
    name += '_' + family.unit();
  if (family.is_sum())
    name += "_total";
  for (auto& c : name) {
    auto fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                || (c >= '0' && c <= '9') || c == '_' || c == ':';
    if (!fine)
      c = '_';
  }
  return name;
}

/// Called by the registry for each instrument.
class reader {
public:
  using family = caf::telemetry::metric_family;
  using metric = caf::telemetry::metric;

  template <class T>
  void operator()(const family* f, const metric* m,
                  const caf::telemetry::counter<T>* x) {
    add(f, m, "counter", x->value());
  }

  void operator()(const family* f, const metric* m,
                  const caf::telemetry::int_gauge* x) {
    add(f, m, "gauge", x->value());
  }

  void operator()(const family* f, const metric* m,
                  const caf::telemetry::dbl_gauge* x) {
    add(f, m, "gauge", x->value());
  }

  template <class T>
  void operator()(const family* f, const metric* m,
                  const caf::telemetry::histogram<T>* x) {
    histogram_reading result;
    auto seen = int64_t{0};
    for (const auto& bucket : x->buckets()) {
      seen += bucket.count.value();
      // CAF ends integer histograms with the largest integer.
      auto last = bucket.upper_bound >= std::numeric_limits<T>::max();
      auto bound = static_cast<double>(bucket.upper_bound);
      result.buckets.push_back(
        {last ? std::numeric_limits<double>::infinity() : bound, seen});
    }
    result.sum = static_cast<double>(x->sum());
    add(f, m, "histogram", std::move(result));
  }

  metric_snapshot finish() && {
    metric_snapshot result;
    for (auto& group : groups_ | std::views::values)
      result.push_back(std::move(group));
    return result;
  }

private:
  template <class T>
  void add(const family* f, const metric* m, std::string_view type, T value) {
    auto name = to_name(*f);
    auto& group = groups_[name];
    if (group.name.empty())
      group = {name, type, f->helptext(), {}};
    metric_reading reading;
    for (const auto& label : m->labels())
      reading.labels.emplace_back(to_string(label.name()),
                                  to_string(label.value()));
    reading.value = std::move(value);
    group.readings.push_back(std::move(reading));
  }

  std::map<std::string, metric_group> groups_;
};

// -- text ---------------------------------------------------------------------

/// Quotes need a backslash in labels and none in help texts.
void append_text(std::string& out, std::string_view text, bool in_label) {
  while (!text.empty()) {
    auto cp = next_code_point(text);
    if (!cp.valid)
      out += "\uFFFD";
    else if (cp.value == '\\')
      out += "\\\\";
    else if (cp.value == '\n')
      out += "\\n";
    else if (cp.value == '"' && in_label)
      out += "\\\"";
    else
      out += text.substr(0, cp.bytes);
    text.remove_prefix(cp.bytes);
  }
}

std::string number_text(double x) {
  if (std::isnan(x))
    return "NaN";
  if (std::isinf(x))
    return x > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> buffer{};
  auto done = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x);
  return {buffer.data(), done.ptr};
}

std::string number_text(int64_t x) {
  return std::to_string(x);
}

void append_sample(std::string& out, std::string_view name,
                   std::string_view suffix, const label_list& labels,
                   std::string_view bound, std::string_view value) {
  out += name;
  out += suffix;
  auto separator = '{';
  auto append_label = [&](std::string_view key, std::string_view x) {
    out += separator;
    separator = ',';
    out += key;
    out += "=\"";
    append_text(out, x, true);
    out += '"';
  };
  for (const auto& [key, x] : labels)
    append_label(key, x);
  if (!bound.empty())
    append_label("le", bound);
  if (separator == ',')
    out += '}';
  out += ' ';
  out += value;
  out += '\n';
}

void append_reading(std::string& out, std::string_view name,
                    const metric_reading& x) {
  if (const auto* h = std::get_if<histogram_reading>(&x.value)) {
    for (const auto& bucket : h->buckets)
      append_sample(out, name, "_bucket", x.labels,
                    number_text(bucket.upper_bound),
                    number_text(bucket.cumulative));
    append_sample(out, name, "_sum", x.labels, {}, number_text(h->sum));
    append_sample(out, name, "_count", x.labels, {}, number_text(h->count()));
  } else if (const auto* i = std::get_if<int64_t>(&x.value)) {
    append_sample(out, name, {}, x.labels, {}, number_text(*i));
  } else {
    append_sample(out, name, {}, x.labels, {},
                  number_text(std::get<double>(x.value)));
  }
}

// -- lookup -------------------------------------------------------------------

bool matches(const metric_reading& x, label_filter filter) {
  return std::ranges::all_of(filter, [&](const auto& wanted) {
    return std::ranges::any_of(x.labels, [&](const auto& label) {
      return label.first == wanted.first && label.second == wanted.second;
    });
  });
}

template <class F>
void for_each(const metric_snapshot& all, std::string_view name,
              label_filter filter, F f) {
  for (const auto& group : all)
    if (group.name == name)
      for (const auto& x : group.readings)
        if (matches(x, filter))
          f(x);
}

double as_double(const metric_reading& x) {
  if (const auto* h = std::get_if<histogram_reading>(&x.value))
    return static_cast<double>(h->count());
  if (const auto* i = std::get_if<int64_t>(&x.value))
    return static_cast<double>(*i);
  return std::get<double>(x.value);
}

} // namespace

metric_snapshot take_snapshot(const caf::telemetry::metric_registry& registry) {
  reader result;
  registry.collect(result);
  return std::move(result).finish();
}

std::string render_prometheus(const metric_snapshot& all) {
  std::string out;
  for (const auto& group : all) {
    out += "# HELP " + group.name + ' ';
    append_text(out, group.help, false);
    out += "\n# TYPE " + group.name + ' ';
    out += group.type;
    out += '\n';
    for (const auto& x : group.readings)
      append_reading(out, group.name, x);
  }
  return out;
}

double total(const metric_snapshot& all, std::string_view name,
             label_filter filter) {
  auto result = 0.0;
  for_each(all, name, filter, [&](const auto& x) { result += as_double(x); });
  return result;
}

double highest(const metric_snapshot& all, std::string_view name,
               label_filter filter) {
  auto result = 0.0;
  for_each(all, name, filter,
           [&](const auto& x) { result = std::max(result, as_double(x)); });
  return result;
}

histogram_reading merged(const metric_snapshot& all, std::string_view name,
                         label_filter filter) {
  histogram_reading result;
  for_each(all, name, filter, [&](const metric_reading& x) {
    const auto* h = std::get_if<histogram_reading>(&x.value);
    if (!h)
      return;
    if (result.buckets.empty()) {
      result = *h;
      return;
    }
    auto both = std::min(result.buckets.size(), h->buckets.size());
    for (std::size_t i = 0; i < both; ++i)
      result.buckets[i].cumulative += h->buckets[i].cumulative;
    result.sum += h->sum;
  });
  return result;
}

std::vector<std::string> label_values(const metric_snapshot& all,
                                      std::string_view name,
                                      std::string_view label) {
  std::set<std::string> result;
  for_each(all, name, {}, [&](const metric_reading& x) {
    for (const auto& [key, value] : x.labels)
      if (key == label)
        result.insert(value);
  });
  return {result.begin(), result.end()};
}

std::optional<double> quantile(const histogram_reading& x, double q) {
  if (x.count() <= 0)
    return std::nullopt;
  auto rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(x.count());
  auto lower = 0.0;
  auto below = int64_t{0};
  for (const auto& bucket : x.buckets) {
    auto inside = bucket.cumulative - below;
    if (inside > 0 && static_cast<double>(bucket.cumulative) >= rank) {
      if (std::isinf(bucket.upper_bound))
        return lower;
      auto part = (rank - static_cast<double>(below))
                  / static_cast<double>(inside);
      return lower + (bucket.upper_bound - lower) * std::max(part, 0.0);
    }
    below = bucket.cumulative;
    lower = bucket.upper_bound;
  }
  return lower;
}

} // namespace millrace
