#include "nodes/cli/dlq_event.hpp"

#include "actors/source/partition_feed.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::cli {

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

/// Takes no event, and notes its tenant.
class tenant_note final : public batch_sink {
public:
  batch* open(std::string_view tenant, uint64_t) override {
    name = tenant;
    return nullptr;
  }

  batch& unrouted() override {
    return nobodys_;
  }

  std::optional<std::string> name;

private:
  batch nobodys_;
};

record_view record_of(const dead_letter& x,
                      const std::vector<header_view>& headers) {
  record_view result;
  result.topic = x.topic;
  result.partition = x.source.number.value;
  result.offset = x.at.value;
  result.timestamp_ms = x.timestamp_ms;
  if (x.key)
    result.key = *x.key;
  if (x.value)
    result.value = *x.value;
  result.headers = headers;
  return result;
}

} // namespace

decoded_event decode_event(decoder& by, const prepared_pipeline& pipeline,
                           const dead_letter& x) {
  std::vector<header_view> headers;
  for (const auto& header : x.headers)
    headers.push_back({header.name, header.value});
  one_event sink{pipeline};
  auto what = by.decode(record_of(x, headers), sink);
  sink.data.source = x.source;
  sink.data.topic = x.topic;
  sink.data.range = {x.at, x.at + 1};
  return {what, std::move(sink.data)};
}

std::optional<std::string> tenant_named_by(decoder& routing,
                                           const dead_letter& x) {
  std::vector<header_view> headers;
  for (const auto& header : x.headers)
    headers.push_back({header.name, header.value});
  tenant_note sink;
  routing.decode(record_of(x, headers), sink);
  return sink.name;
}

bool may_overwrite(const program& by, const batch& data) {
  for (std::size_t i = 0; i < data.blocks.size(); ++i) {
    const auto& write = by.writes()[i];
    if (data.blocks[i].rows() > 0 && write.kind != write_kind::append
        && write.guard < 0)
      return true;
  }
  return false;
}

} // namespace millrace::cli
