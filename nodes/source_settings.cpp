#include "nodes/source_settings.hpp"

#include "config/backfills.hpp"
#include "nodes/shares.hpp"

#include <algorithm>

namespace millrace {

namespace {

/// A batch for another node is cut before it would need a second frame.
constexpr std::size_t cluster_batch_bytes = std::size_t{960} << 10;

/// At least 1.
std::size_t number_of_readings(const config& all) {
  std::size_t result = 0;
  for (const auto* database : all_databases(all))
    for (const auto& pipeline : all.pipelines)
      result += is_read_for(all, pipeline, database->name) ? 1 : 0;
  return std::max<std::size_t>(result, 1);
}

} // namespace

tenant_credit make_credit(const config& all) {
  auto now = credit_pool::clock::now();
  credit_limits whole{.bytes = static_cast<std::size_t>(all.node.memory_bytes)
                               / 2};
  auto node = std::make_shared<credit_pool>(whole, now);
  tenant_credit result{{std::string{unrouted_tenant}, node}};
  for (const auto& x : all.tenants)
    result[x.name] = std::make_shared<credit_pool>(
      credit_limits{.bytes = static_cast<std::size_t>(x.max_bytes),
                    .bytes_per_second = x.max_bytes_per_second,
                    .rows_per_second = x.max_rows_per_second},
      now, node);
  return result;
}

source_config source_settings(const config& all, const placement_ptr& where,
                              const prepared_pipeline& pipeline,
                              const tenant_credit& credit) {
  const auto& limits = pipeline.config.limits;
  source_config result;
  result.pipeline = pipeline.config.name;
  result.reading = reading_name(pipeline.config.name, pipeline.database);
  result.share = pipeline.share;
  result.share_starts = pipeline.share_starts;
  result.topics = pipeline.config.topics;
  result.start = {pipeline.config.start, pipeline.config.start_offsets};
  result.metadata_interval = all.kafka.metadata_interval;
  result.allow_unidentified = all.kafka.allow_unidentified_topics;
  result.gaps = pipeline.config.gaps;
  result.lanes = pipeline.config.lanes;
  result.tenants = pipeline.tenants;
  result.program = pipeline.program;
  result.map_fingerprint = pipeline.map_fingerprint;
  result.tables = written_tables(pipeline.config);
  if (const auto* other = backfilled_by(all, pipeline.config))
    result.backfill = {other->name, order_matters(pipeline.config, *other)};
  for (const auto& x : pipeline.tenants)
    if (auto i = credit.find(x.name); i != credit.end())
      result.credit.insert(*i);
  result.properties = librdkafka_properties(all.kafka);
  result.queue_bytes = static_cast<std::size_t>(limits.credit_bytes);
  // Of the node's memory, the part that librdkafka may hold ready.
  result.queue_total_bytes = static_cast<std::size_t>(all.node.memory_bytes) / 4
                             / number_of_readings(all);
  auto& feed = result.consumer.feed;
  feed.batch_bytes = static_cast<std::size_t>(limits.batch_bytes);
  if (!where->alone())
    feed.batch_bytes = std::min(feed.batch_bytes, cluster_batch_bytes);
  feed.batch_rows = static_cast<std::size_t>(limits.batch_rows);
  feed.cursor.credit_bytes = static_cast<std::size_t>(limits.credit_bytes);
  feed.cursor.resync = limits.resync;
  feed.cursor.detach_after = limits.detach_after;
  feed.cursor.floor_patience = limits.floor_patience;
  result.consumer.linger = limits.linger;
  result.consumer.floor_interval = limits.floor_interval;
  if (!all.kafka.group.empty()) {
    result.group = all.kafka.group + '-' + result.reading;
    result.instance = all.node.name;
    return result;
  }
  result.reads = [where, name = result.pipeline](const std::string& topic,
                                                 partition number) {
    return where->has_partition(name, topic, number.value);
  };
  return result;
}

} // namespace millrace
