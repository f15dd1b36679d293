#include "actors/admin/metric_names.hpp"
#include "actors/admin/metric_snapshot.hpp"
#include "actors/admin/metrics.hpp"
#include "actors/admin/process_metrics.hpp"
#include "actors/admin/rate_meter.hpp"
#include "tests/support/deterministic.hpp"

#include <caf/telemetry/metric_registry.hpp>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>

using namespace millrace;
using namespace std::chrono_literals;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Takes a name off the front; empty if there is none.
std::string_view take_name(std::string_view& rest) {
  constexpr std::string_view allowed
    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789";
  auto n = std::min(rest.find_first_not_of(allowed), rest.size());
  auto result = rest.substr(0, n);
  rest.remove_prefix(n);
  return result;
}

/// Takes `x` off the front if it is there.
bool take(std::string_view& rest, std::string_view x) {
  auto there = rest.starts_with(x);
  if (there)
    rest.remove_prefix(x.size());
  return there;
}

/// Takes `key="value"`, where only \\, \" and \n may be escaped.
bool take_label(std::string_view& rest) {
  if (take_name(rest).empty() || !take(rest, "=\""))
    return false;
  while (!rest.empty() && rest.front() != '"') {
    if (rest.front() == '\\'
        && (rest.size() < 2
            || std::string_view{"\\\"n"}.find(rest[1]) == rest.npos))
      return false;
    rest.remove_prefix(rest.front() == '\\' ? 2 : 1);
  }
  return take(rest, "\"");
}

/// The metric's name if the line is a well-formed sample, else nothing.
std::string sample_name(std::string_view rest) {
  std::string name{take_name(rest)};
  if (take(rest, "{"))
    do
      if (!take_label(rest))
        return "";
    while (take(rest, ","));
  if (rest.starts_with('}'))
    rest.remove_prefix(1);
  if (!take(rest, " "))
    return "";
  if (rest == "NaN" || rest == "+Inf" || rest == "-Inf")
    return name;
  auto value = 0.0;
  auto done = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  auto fine = done.ec == std::errc{} && done.ptr == rest.data() + rest.size();
  return fine ? name : "";
}

/// What the text format demands of a scrape, or nothing to complain about.
std::string complaint(const std::string& text) {
  std::map<std::string, std::string> types;
  std::set<std::string> seen;
  std::set<std::string> ended;
  std::string current;
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
      auto name = line.substr(7, line.find(' ', 7) - 7);
      if (!seen.insert(line.substr(0, 7) + name).second)
        return "twice: " + line;
      if (line[2] == 'T')
        types[name] = line.substr(8 + name.size());
      if (!current.empty() && current != name)
        ended.insert(current);
      current = name;
      continue;
    }
    auto family = sample_name(line);
    if (family.empty())
      return "not a sample: " + line;
    if (types[current] == "histogram")
      for (const auto* suffix : {"_bucket", "_sum", "_count"})
        if (family == current + suffix)
          family = current;
    if (family != current || ended.contains(family))
      return "outside its family: " + line;
  }
  return text.empty() || text.back() == '\n' ? "" : "no line end";
}

std::string scrape(caf::actor_system& sys) {
  return render_prometheus(take_snapshot(sys.metrics()));
}

} // namespace

TEST_CASE("the checker of these tests finds what is wrong with a text") {
  CHECK(complaint("# HELP a b\n# TYPE a gauge\na{x=\"1\"} 2\n") == "");
  for (const auto* bad :
       {"# TYPE a gauge\na{x=\"\"\"} 2\n", "# TYPE a gauge\na x\n",
        "# TYPE a gauge\na 1", "# TYPE a gauge\na{x=\"\\t\"} 2\n",
        "# TYPE a gauge\n# TYPE a gauge\na 1\n", "# TYPE a gauge\nb 1\n",
        "# TYPE a gauge\n# TYPE b gauge\na 1\n"})
    CHECK(complaint(bad) != "");
}

TEST_CASE("every metric has a help text and a name with its unit") {
  std::set<std::string_view> names;
  for (const auto* x : metric_names::all) {
    INFO(x->name);
    CHECK(names.insert(x->name).second);
    CHECK(
      (x->name.starts_with("millrace_") || x->name.starts_with("process_")));
    CHECK(x->name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_")
          == x->name.npos);
    CHECK(x->help.size() > 10);
    CHECK(x->help.ends_with('.'));
    CHECK(x->name.ends_with("_total") == (x->kind == metric_kind::counter));
    if (x->unit == "seconds" || x->unit == "bytes")
      CHECK(x->name.find(x->unit) != std::string_view::npos);
  }
}

TEST_CASE("the latency buckets ascend from 1 ms to 60 s in steps of at most "
          "two thirds") {
  const auto& b = latency_buckets_seconds;
  CHECK(b.front() == 0.001);
  CHECK(b.back() == 60);
  for (std::size_t i = 1; i < b.size(); ++i) {
    CHECK(b.at(i) > b.at(i - 1));
    CHECK(b.at(i) <= b.at(i - 1) * 5 / 3 + 1e-9);
  }
}

TEST_CASE_METHOD(test::deterministic, "instruments appear under their names "
                                      "with their labels") {
  auto lane = make_lane_writer_metrics(sys, "ticks", "acme");
  lane.rows_written->inc(7);
  lane.dead_letters(reject_stage::map)->inc(2);
  auto part = make_partition_metrics(sys, "ticks", "quotes", 3);
  part.lag_messages->value(11);
  part.lag_seconds->value(0.25);
  make_pool_metrics(sys, "acme", "postgresql").sessions_busy->value(4);
  floor_acts_counter(sys, "advance", "moved")->inc();
  auto text = scrape(sys);
  CHECK(complaint(text) == "");
  CHECK_THAT(text,
             ContainsSubstring("millrace_rows_written_total{"
                               "pipeline=\"ticks\",tenant=\"acme\"} 7\n"));
  CHECK_THAT(text, ContainsSubstring("millrace_dead_letters_total{"
                                     "pipeline=\"ticks\",stage=\"map\","
                                     "tenant=\"acme\"} 2\n"));
  CHECK_THAT(text, ContainsSubstring("millrace_lag_seconds{partition=\"3\","
                                     "pipeline=\"ticks\",topic=\"quotes\"} "
                                     "0.25\n"));
  CHECK_THAT(text, ContainsSubstring("millrace_sessions{state=\"busy\","
                                     "tenant=\"acme\"} 4\n"));
  CHECK_THAT(text, ContainsSubstring("# TYPE millrace_rows_written_total "
                                     "counter\n"));
  CHECK_THAT(text, ContainsSubstring("# HELP millrace_sessions PostgreSQL "
                                     "sessions of the tenant's pool"));
}

TEST_CASE_METHOD(test::deterministic, "actors of one kind share instruments") {
  make_lane_writer_metrics(sys, "p", "t").rows_written->inc(1);
  make_lane_writer_metrics(sys, "p", "t").rows_written->inc(2);
  CHECK(total(take_snapshot(sys.metrics()), "millrace_rows_written_total")
        == 3);
}

TEST_CASE_METHOD(test::deterministic, "label values are escaped and made "
                                      "UTF-8") {
  make_pipeline_metrics(sys, "a\"b\\c\nd\xff").events_read->inc();
  auto text = scrape(sys);
  CHECK(complaint(text) == "");
  CHECK_THAT(text, ContainsSubstring(R"({pipeline="a\"b\\c\nd)"
                                     "\uFFFD\"} 1\n"));
}

TEST_CASE_METHOD(test::deterministic, "a histogram has cumulative buckets up "
                                      "to +Inf, sum and count") {
  auto lane = make_lane_writer_metrics(sys, "p", "t");
  lane.flush_seconds->observe(0.001);
  lane.flush_seconds->observe(0.0012);
  lane.flush_seconds->observe(1'000);
  auto text = scrape(sys);
  CHECK(complaint(text) == "");
  auto line = [&](std::string_view le) {
    auto key = R"(millrace_flush_seconds_bucket{pipeline="p",tenant="t",le=")"
               + std::string{le} + "\"} ";
    auto at = text.find(key);
    REQUIRE(at != text.npos);
    at += key.size();
    return text.substr(at, text.find('\n', at) - at);
  };
  CHECK(line("0.001") == "1");
  CHECK(line("0.0015") == "2");
  CHECK(line("60") == "2");
  CHECK(line("+Inf") == "3");
  CHECK_THAT(text, ContainsSubstring("millrace_flush_seconds_count{"
                                     "pipeline=\"p\",tenant=\"t\"} 3\n"));
  CHECK_THAT(text, ContainsSubstring("millrace_flush_seconds_sum{"
                                     "pipeline=\"p\",tenant=\"t\"} 1000.0022"));
}

TEST_CASE_METHOD(test::deterministic, "CAF's own metrics render as well") {
  auto& registry = sys.metrics();
  int64_t bounds[] = {1, 2};
  registry
    .histogram_singleton<int64_t>("caf.test", "things", bounds, "Some.",
                                  "seconds")
    ->observe(5);
  registry.gauge_singleton<double>("x", "nan", "Not a number.")
    ->value(std::numeric_limits<double>::quiet_NaN());
  auto text = scrape(sys);
  CHECK(complaint(text) == "");
  CHECK_THAT(text, ContainsSubstring("caf_test_things_seconds_bucket{"
                                     "le=\"+Inf\"} 1\n"));
  CHECK_THAT(text, ContainsSubstring("x_nan NaN\n"));
  CHECK_THAT(text, ContainsSubstring("caf_system_running_actors"));
}

TEST_CASE("the process tells its memory, time and descriptors") {
  auto all = process_metrics("1.2.3");
  CHECK(complaint(render_prometheus(all)) == "");
  CHECK(total(all, "millrace_build_info", {{"version", "1.2.3"}}) == 1);
  CHECK(total(all, "process_resident_memory_bytes") > 1'000'000);
  CHECK(total(all, "process_peak_resident_memory_bytes")
        >= total(all, "process_resident_memory_bytes") / 2);
  CHECK(total(all, "process_cpu_seconds_total") > 0);
  CHECK(total(all, "process_open_fds") >= 3);
  CHECK(total(all, "process_max_fds") >= total(all, "process_open_fds"));
  CHECK(total(all, "process_start_time_seconds") > 1.7e9);
}

TEST_CASE_METHOD(test::deterministic, "sums, maxima and label values come "
                                      "from one snapshot") {
  make_lane_writer_metrics(sys, "p", "a").rows_written->inc(1);
  make_lane_writer_metrics(sys, "p", "b").rows_written->inc(2);
  make_lane_writer_metrics(sys, "q", "b").rows_written->inc(4);
  auto all = take_snapshot(sys.metrics());
  const auto* rows = "millrace_rows_written_total";
  CHECK(total(all, rows) == 7);
  CHECK(total(all, rows, {{"pipeline", "p"}}) == 3);
  CHECK(total(all, rows, {{"pipeline", "p"}, {"tenant", "b"}}) == 2);
  CHECK(total(all, rows, {{"pipeline", "x"}}) == 0);
  CHECK(highest(all, rows) == 4);
  CHECK(label_values(all, rows, "tenant")
        == std::vector<std::string>{"a", "b"});
  CHECK(total(all, "no_such_metric") == 0);
}

TEST_CASE("a quantile lies on a straight line inside its bucket") {
  auto inf = std::numeric_limits<double>::infinity();
  histogram_reading x{{{1, 0}, {2, 50}, {4, 100}, {inf, 100}}, 0};
  CHECK(quantile(x, 0.25) == Approx(1.5));
  CHECK(quantile(x, 0.5) == Approx(2));
  CHECK(quantile(x, 0.75) == Approx(3));
  CHECK(quantile(x, 1) == Approx(4));
  CHECK(quantile(x, 0) == Approx(1));
  CHECK_FALSE(quantile(histogram_reading{}, 0.5));
  // Nothing is known above the last finite bound.
  histogram_reading open{{{1, 0}, {inf, 10}}, 0};
  CHECK(quantile(open, 0.99) == Approx(1));
}

TEST_CASE_METHOD(test::deterministic, "histograms of one family add up") {
  make_lane_writer_metrics(sys, "p", "a").flush_seconds->observe(0.01);
  make_lane_writer_metrics(sys, "p", "b").flush_seconds->observe(0.02);
  auto x = merged(take_snapshot(sys.metrics()), "millrace_flush_seconds",
                  {{"pipeline", "p"}});
  CHECK(x.count() == 2);
  CHECK(x.sum == Approx(0.03));
}

TEST_CASE("counters by label never exceed their number") {
  caf::telemetry::int_counter some;
  std::set<std::string> asked;
  counters_by_label aut{[&](std::string_view x) {
    asked.insert(std::string{x});
    return &some;
  }};
  for (auto i = 0; i < 1'000; ++i)
    aut.inc("reason-" + std::to_string(i), 2);
  CHECK(some.value() == 2'000);
  CHECK(asked.size() == counters_by_label::max_values + 1);
  CHECK(asked.contains("other"));
}

TEST_CASE("a rate is the slope over the window") {
  auto t0 = rate_meter::clock::time_point{} + 1h;
  rate_meter aut{10s};
  CHECK(aut.per_second() == 0);
  aut.add(t0, 100);
  CHECK(aut.per_second() == 0);
  for (auto s = 1; s <= 60; ++s)
    aut.add(t0 + std::chrono::seconds{s}, 100 + 50.0 * s);
  CHECK(aut.per_second() == Approx(50));
  for (auto s = 61; s <= 71; ++s)
    aut.add(t0 + std::chrono::seconds{s}, 3'100);
  CHECK(aut.per_second() == 0);
  // A total that shrank is a new beginning, not a negative rate.
  aut.add(t0 + 72s, 0);
  CHECK(aut.per_second() == 0);
}
