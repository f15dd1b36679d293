#include "actors/decode/explain.hpp"

#include "actors/decode/program_data.hpp"

#include <algorithm>

namespace millrace {

namespace {

/// Takes the one event, for any tenant that is known.
class one_sink final : public batch_sink {
public:
  explicit one_sink(std::span<const std::string> tenants) : tenants_{tenants} {
    // nop
  }

  batch* open(std::string_view name, uint64_t route_hash) override {
    tenant = name;
    hash = route_hash;
    return std::ranges::contains(tenants_, name) ? &data : nullptr;
  }

  batch& unrouted() override {
    return data;
  }

  batch data;
  std::string tenant;
  uint64_t hash = 0;

private:
  std::span<const std::string> tenants_;
};

int32_t take_int(std::string_view& bytes, std::size_t size) {
  uint32_t result = 0;
  for (auto c : bytes.substr(0, size))
    result = result << 8 | static_cast<unsigned char>(c);
  bytes.remove_prefix(size);
  return static_cast<int32_t>(result);
}

explained_row row_of(const program& by, std::size_t write,
                     std::string_view tuple) {
  const auto& info = by.writes()[write];
  const auto& columns = by.data().writes[write].columns;
  explained_row result;
  result.event = info.event;
  result.table = info.table;
  result.kind = info.kind;
  if (info.guard >= 0)
    result.only_if_newer
      = info.columns[static_cast<std::size_t>(info.guard)].name;
  take_int(tuple, 2);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& schema = info.columns[i];
    auto& x = result.columns.emplace_back();
    x.name = schema.name;
    x.type = schema.type_kind == unknown_kind ? "" : detail::type_name(schema);
    x.source = columns[i].source_text;
    x.in_key = std::ranges::contains(info.key, i);
    if (auto size = take_int(tuple, 4); size >= 0) {
      auto bytes = static_cast<std::size_t>(size);
      x.value = field_text(schema, tuple.substr(0, bytes));
      tuple.remove_prefix(bytes);
    }
  }
  return result;
}

} // namespace

explanation explain(const program_ptr& by, int32_t lanes,
                    std::span<const std::string> tenants,
                    const record_view& record) {
  one_sink sink{tenants};
  decoder decode{by};
  explanation result;
  result.what = decode.decode(record, sink);
  result.tenant = sink.tenant;
  result.shard = static_cast<int32_t>(sink.hash % static_cast<uint64_t>(lanes));
  for (std::size_t i = 0; i < sink.data.blocks.size(); ++i) {
    const auto& block = sink.data.blocks[i];
    std::string_view bytes{reinterpret_cast<const char*>(block.bytes.data()),
                           block.bytes.size()};
    std::size_t from = 0;
    for (auto end : block.row_ends) {
      result.rows.push_back(row_of(*by, i, bytes.substr(from, end - from)));
      from = end;
    }
  }
  if (!sink.data.rejects.empty()) {
    result.stage = sink.data.rejects.front().stage;
    result.reason = sink.data.rejects.front().reason;
  }
  return result;
}

std::vector<table_schema> assumed_tables(const pipeline_config& config) {
  std::vector<table_schema> result;
  for (const auto& event : config.events)
    for (const auto& write : event.writes) {
      auto at = std::ranges::find(result, write.table, &table_schema::name);
      if (at == result.end())
        at = result.insert(result.end(), table_schema{"", write.table, {}, {}});
      for (const auto& column : write.columns)
        if (!find_column(*at, column.name))
          at->columns.push_back(
            {.name = column.name, .type_kind = unknown_kind});
      if (!write.key.empty()
          && !std::ranges::contains(at->unique_keys, write.key))
        at->unique_keys.push_back(write.key);
    }
  return result;
}

} // namespace millrace
