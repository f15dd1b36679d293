#include "actors/admin/metrics.hpp"

#include "actors/admin/metric_names.hpp"

#include <caf/actor_system.hpp>
#include <caf/span.hpp>
#include <caf/telemetry/label_view.hpp>
#include <caf/telemetry/metric_registry.hpp>

#include <initializer_list>
#include <stdexcept>
#include <vector>

namespace millrace {

namespace {

using caf::telemetry::label_view;

constexpr std::string_view prefix = "millrace_";

caf::string_view view(std::string_view x) {
  return {x.data(), x.size()};
}

/// What the registry wants to know, from the table and the label values. The
/// registry appends unit and `_total` to names if told so; our names are
/// complete, so it is told nothing.
struct instance {
  instance(const metric_info& what,
           std::initializer_list<std::string_view> values)
    : name{view(what.name.substr(prefix.size()))},
      help{view(what.help)} {
    auto i = std::size_t{0};
    for (auto value : values)
      labels.emplace_back(view(what.labels.at(i++)), view(value));
    if (i < what.labels.size() && !what.labels.at(i).empty())
      throw std::logic_error{"too few labels for a metric"};
  }

  caf::span<const label_view> label_span() const {
    return {labels.data(), labels.size()};
  }

  caf::string_view family() const {
    return view(prefix.substr(0, prefix.size() - 1));
  }

  caf::string_view name;
  caf::string_view help;
  std::vector<label_view> labels;
};

using values = std::initializer_list<std::string_view>;

int_counter* find_counter(caf::actor_system& sys, const metric_info& what,
                          values xs) {
  instance x{what, xs};
  return sys.metrics().counter_instance(x.family(), x.name, x.label_span(),
                                        x.help);
}

template <class Value = int64_t>
caf::telemetry::gauge<Value>*
find_gauge(caf::actor_system& sys, const metric_info& what, values xs) {
  instance x{what, xs};
  return sys.metrics().gauge_instance<Value>(x.family(), x.name, x.label_span(),
                                             x.help);
}

dbl_histogram* find_histogram(caf::actor_system& sys, const metric_info& what,
                              values xs) {
  instance x{what, xs};
  caf::span<const double> buckets{latency_buckets_seconds.data(),
                                  latency_buckets_seconds.size()};
  // By way of the family: the registry's histogram_instance does not compile
  // with labels.
  std::vector<caf::string_view> names;
  for (const auto& label : x.labels)
    names.push_back(label.name());
  auto* family = sys.metrics().histogram_family<double>(
    x.family(), x.name, caf::span<const caf::string_view>{names}, buckets,
    x.help);
  return family->get_or_add(x.label_span());
}

} // namespace

void counters_by_label::inc(std::string_view label_value, int64_t n) {
  auto hit = known_.find(label_value);
  if (hit == known_.end()) {
    if (known_.size() >= max_values)
      label_value = "other";
    hit = known_.try_emplace(std::string{label_value}, nullptr).first;
    if (!hit->second)
      hit->second = find_(label_value);
  }
  hit->second->inc(n);
}

pipeline_metrics make_pipeline_metrics(caf::actor_system& sys,
                                       std::string_view pipeline) {
  namespace names = metric_names;
  auto dropped = [&sys, owner = std::string{pipeline}](std::string_view why) {
    return find_counter(sys, names::batches_dropped, {owner, why});
  };
  return {
    .events_read = find_counter(sys, names::events_read, {pipeline}),
    .events_elsewhere = find_counter(sys, names::events_elsewhere, {pipeline}),
    .batches_sent = find_counter(sys, names::batches_sent, {pipeline}),
    .batches_nacked = find_counter(sys, names::batches_nacked, {pipeline}),
    .inflight_bytes = find_gauge(sys, names::inflight_bytes, {pipeline}),
    .lanes_detached = find_gauge(sys, names::lanes_detached, {pipeline}),
    .peer_batches_sent = find_counter(sys, names::peer_batches_sent,
                                      {pipeline}),
    .peer_bytes_sent = find_counter(sys, names::peer_bytes_sent, {pipeline}),
    .batches_dropped = counters_by_label{dropped},
  };
}

partition_metrics
make_partition_metrics(caf::actor_system& sys, std::string_view pipeline,
                       std::string_view topic, int32_t number) {
  namespace names = metric_names;
  auto text = std::to_string(number);
  return {
    .lag_messages = find_gauge(sys, names::lag_messages,
                               {pipeline, topic, text}),
    .lag_seconds = find_gauge<double>(sys, names::lag_seconds,
                                      {pipeline, topic, text}),
  };
}

lane_writer_metrics make_lane_writer_metrics(caf::actor_system& sys,
                                             std::string_view pipeline,
                                             std::string_view tenant) {
  namespace names = metric_names;
  auto count = [&](const metric_info& what) {
    return find_counter(sys, what, {pipeline, tenant});
  };
  auto measure = [&](const metric_info& what) {
    return find_histogram(sys, what, {pipeline, tenant});
  };
  lane_writer_metrics result{
    .rows_written = count(names::rows_written),
    .rows_not_found = count(names::rows_not_found),
    .events_filtered = count(names::events_filtered),
    .flushes = count(names::flushes),
    .takeovers = count(names::takeovers),
    .in_doubt = count(names::in_doubt),
    .waiting_events = find_gauge(sys, names::waiting_events,
                                 {pipeline, tenant}),
    .waiting_bytes = find_gauge(sys, names::waiting_bytes, {pipeline, tenant}),
    .crossed_quotes = find_counter(sys, names::crossed_quotes, {pipeline}),
    .flush_seconds = measure(names::flush_seconds),
    .commit_latency_seconds = measure(names::commit_latency_seconds),
    .dead_letters_by_stage = {},
  };
  for (auto stage : {reject_stage::decode, reject_stage::map,
                     reject_stage::store, reject_stage::waiting})
    result.dead_letters_by_stage.at(static_cast<std::size_t>(stage))
      = find_counter(sys, names::dead_letters,
                     {pipeline, tenant, to_string(stage)});
  return result;
}

dbl_gauge* waiting_oldest_gauge(caf::actor_system& sys, const lane_id& lane) {
  return find_gauge<double>(sys, metric_names::waiting_oldest_seconds,
                            {lane.pipeline, lane.tenant,
                             std::to_string(lane.number.value)});
}

keeper_metrics make_keeper_metrics(caf::actor_system& sys,
                                   std::string_view database) {
  namespace names = metric_names;
  return {
    .kept_bytes = find_gauge(sys, names::dead_letters_kept_bytes, {database}),
    .oldest_seconds
    = find_gauge<double>(sys, names::dead_letters_oldest_seconds, {database}),
    .pruned = find_counter(sys, names::dead_letters_pruned, {database}),
  };
}

void database_metrics::move(const database_use& from,
                            const database_use& to) const {
  open->inc(to.open - from.open);
  busy->inc(to.busy - from.busy);
  waiting->inc(to.waiting - from.waiting);
}

pool_metrics make_pool_metrics(caf::actor_system& sys, std::string_view tenant,
                               std::string_view database) {
  namespace names = metric_names;
  auto in_state = [&](std::string_view state) {
    return find_gauge(sys, names::sessions, {tenant, state});
  };
  auto in_database = [&](std::string_view state) {
    return find_gauge(sys, names::database_sessions, {database, state});
  };
  return {
    .sessions_idle = in_state("idle"),
    .sessions_busy = in_state("busy"),
    .sessions_connecting = in_state("connecting"),
    .sessions_down = in_state("down"),
    .parked = find_gauge(sys, names::tenants_parked, {tenant}),
    .backing_off = find_gauge(sys, names::tenants_backing_off, {tenant}),
    .reconnects = find_counter(sys, names::reconnects, {tenant}),
    .database = {.open = in_database("open"),
                 .busy = in_database("busy"),
                 .waiting = in_database("waiting")},
  };
}

int_gauge* lanes_halted_gauge(caf::actor_system& sys,
                              std::string_view pipeline) {
  return find_gauge(sys, metric_names::lanes_halted, {pipeline});
}

int_gauge* lanes_parked_gauge(caf::actor_system& sys,
                              std::string_view pipeline) {
  return find_gauge(sys, metric_names::lanes_parked, {pipeline});
}

int_gauge* partitions_halted_gauge(caf::actor_system& sys,
                                   std::string_view topic) {
  return find_gauge(sys, metric_names::partitions_halted, {topic});
}

int_gauge* coordinator_active_gauge(caf::actor_system& sys,
                                    std::string_view database) {
  return find_gauge(sys, metric_names::coordinator_active, {database});
}

int_gauge*
partitions_ahead_gauge(caf::actor_system& sys, std::string_view pipeline,
                       std::string_view tenant, std::string_view table) {
  return find_gauge(sys, metric_names::partitions_ahead,
                    {pipeline, tenant, table});
}

int_gauge*
partitions_unarchived_gauge(caf::actor_system& sys, std::string_view pipeline,
                            std::string_view tenant, std::string_view table) {
  return find_gauge(sys, metric_names::partitions_unarchived,
                    {pipeline, tenant, table});
}

int_gauge* peers_connected_gauge(caf::actor_system& sys) {
  return find_gauge(sys, metric_names::peers_connected, {});
}

int_counter* floor_acts_counter(caf::actor_system& sys, std::string_view kind,
                                std::string_view result) {
  return find_counter(sys, metric_names::floor_acts, {kind, result});
}

} // namespace millrace
