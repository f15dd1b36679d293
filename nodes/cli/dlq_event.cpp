#include "nodes/cli/dlq_event.hpp"

#include <format>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::cli {

namespace {

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
  return millrace::decode_event(by, pipeline, x.source, record_of(x, headers));
}

std::optional<std::string> why_incomplete(const dead_letter& x) {
  if (!x.value_bytes)
    return std::nullopt;
  return std::format("only the first {} of the {} bytes of its value were kept "
                     "(limits.oversized = \"cut\"): raise "
                     "limits.max_record_bytes and have the record produced "
                     "again, then discard this",
                     x.value.value_or("").size(), *x.value_bytes);
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
