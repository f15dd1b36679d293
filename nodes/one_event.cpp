#include "nodes/one_event.hpp"

#include "actors/source/partition_feed.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace millrace {

namespace {

/// Takes the one event that is decoded, and notes its lane.
class one_event final : public batch_sink {
public:
  explicit one_event(const prepared_pipeline& by) : by_{by} {
  }

  batch* open(std::string_view tenant, uint64_t route_hash) override {
    auto known = std::ranges::any_of(by_.tenants, [&](const boot_tenant& x) {
      return x.name == tenant && tenant != unrouted_tenant;
    });
    if (!known)
      return nullptr;
    auto lanes = static_cast<uint64_t>(by_.config.lanes);
    data.lane = {by_.config.name, std::string{tenant},
                 shard{static_cast<int32_t>(route_hash % lanes)}};
    return &data;
  }

  batch& unrouted() override {
    data.lane = {by_.config.name, std::string{unrouted_tenant}, shard{0}};
    return data;
  }

  batch data;

private:
  const prepared_pipeline& by_;
};

/// Takes a length and so many bytes. Nothing at the end, or for a null.
std::optional<std::string_view> take_text(std::string_view& from, bool& ok) {
  if (from.size() < 4) {
    ok = false;
    return std::nullopt;
  }
  uint32_t size = 0;
  for (auto c : from.substr(0, 4))
    size = size << 8 | static_cast<uint8_t>(c);
  from.remove_prefix(4);
  if (size == 0xffffffff)
    return std::nullopt;
  if (size > from.size()) {
    ok = false;
    return std::nullopt;
  }
  auto result = from.substr(0, size);
  from.remove_prefix(size);
  return result;
}

} // namespace

decoded_event decode_event(decoder& by, const prepared_pipeline& pipeline,
                           const partition_id& source,
                           const record_view& record) {
  one_event sink{pipeline};
  auto what = by.decode(record, sink);
  sink.data.source = source;
  sink.data.topic = record.topic;
  sink.data.range = {offset{record.offset}, offset{record.offset + 1}};
  return {what, std::move(sink.data)};
}

decoded_event decode_event(decoder& by, const prepared_pipeline& pipeline,
                           const waiting_event& x) {
  auto headers = view_headers(x.record.headers);
  record_view record;
  record.topic = x.topic;
  record.partition = x.source.number.value;
  record.offset = x.record.at.value;
  record.timestamp_ms = x.record.timestamp_ms;
  if (x.record.has_key)
    record.key = x.record.key;
  if (x.record.has_value)
    record.value = x.record.value;
  record.headers = headers;
  return decode_event(by, pipeline, x.source, record);
}

bool leave_out(const std::vector<std::string>& tables,
               const prepared_pipeline& pipeline, batch& from) {
  auto has_rows = [&from] {
    return std::ranges::any_of(from.blocks,
                               [](const auto& x) { return x.rows() > 0; });
  };
  auto had_rows = has_rows();
  // Blocks are in the order of the writes.
  auto block = from.blocks.begin();
  for (const auto& event : pipeline.config.events)
    for (const auto& write : event.writes) {
      if (block == from.blocks.end())
        break;
      if (std::ranges::contains(tables, write.table))
        block->clear();
      ++block;
    }
  return had_rows && !has_rows();
}

std::vector<header_view> view_headers(std::string_view raw) {
  std::vector<header_view> result;
  for (auto ok = true; !raw.empty();) {
    auto name = take_text(raw, ok);
    auto value = take_text(raw, ok);
    if (!ok)
      break;
    result.push_back({name.value_or(std::string_view{}), value});
  }
  return result;
}

} // namespace millrace
