#pragma once

// The ticks pipeline as a program, for tests and the benchmark, without TOML
// and without a database.

#include "actors/decode/decoder.hpp"

#include <initializer_list>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::test {

inline column_schema column(std::string name, std::string type, uint32_t oid,
                            bool nullable = true, int32_t typmod = -1) {
  return {.name = std::move(name),
          .type = std::move(type),
          .type_oid = oid,
          .typmod = typmod,
          .nullable = nullable};
}

using expressions = std::initializer_list<std::pair<std::string, std::string>>;

/// A pipeline with one write; columns are pairs of name and expression.
inline pipeline_config pipeline(std::string table, expressions columns) {
  write_config write;
  write.table = std::move(table);
  uint32_t line = 10;
  for (const auto& [name, text] : columns) {
    write.columns.push_back(
      {name, {text, {"p.toml", line, 20}}, {"p.toml", line, 19}});
    ++line;
  }
  event_config event;
  event.name = "event";
  event.route = {"@partition", {"p.toml", 5, 10}};
  event.writes.push_back(std::move(write));
  pipeline_config result;
  result.name = "p";
  result.topics = {"t"};
  result.tenant = {"'demo'", {"p.toml", 3, 11}};
  result.events.push_back(std::move(event));
  return result;
}

inline pipeline_config ticks_config() {
  auto result = pipeline("ticks", {
                                    {"symbol_id", "code(symbols, .symbol)"},
                                    {"symbol_name", ".symbol"},
                                    {"tick_time", ".timestamp"},
                                    {"bid_price", ".bid"},
                                    {"ask_price", ".ask"},
                                    {"spread", ".spread"},
                                    {"lp", ".lp"},
                                    {"broker_id", ".broker_id"},
                                    {"src_partition", "@partition"},
                                    {"src_offset", "@offset"},
                                  });
  result.events[0].route.text = ".symbol";
  code_table_config symbols{.name = "symbols", .entries = {}, .at = {}};
  int64_t next = 1001;
  for (auto name : {"EURUSD", "XAUUSD", "AUDCAD", "AUDCHF", "AUDHKD", "AUDJPY",
                    "AUDNZD", "AUDSGD", "AUDUSD", "CADCHF", "CHFJPY", "EURAUD",
                    "EURCAD", "EURCHF", "EURGBP", "EURJPY", "GBPCHF", "GBPJPY",
                    "GBPUSD", "NZDUSD", "USDCAD", "USDCHF", "USDJPY"})
    symbols.entries.emplace_back(name, std::to_string(next++));
  symbols.entries[0].second = "1";
  symbols.entries[1].second = "41";
  result.codes.push_back(std::move(symbols));
  return result;
}

inline table_schema ticks_table() {
  table_schema result;
  result.schema = "tenant_demo";
  result.name = "ticks";
  result.columns = {
    column("symbol_id", "bigint", 20, false),
    column("symbol_name", "character varying", 1043, false, 54),
    column("tick_time", "timestamp with time zone", 1184, false),
    column("bid_price", "numeric", 1700, false),
    column("ask_price", "numeric", 1700, false),
    column("spread", "numeric", 1700),
    column("lp", "text", 25),
    column("broker_id", "text", 25),
    column("src_partition", "integer", 23, false),
    column("src_offset", "bigint", 20, false),
  };
  result.unique_keys
    = {{"symbol_id", "tick_time", "src_partition", "src_offset"}};
  return result;
}

/// Compiles, or throws with all problems.
inline program_ptr compiled(const pipeline_config& config,
                            std::vector<table_schema> tables) {
  auto result = compile(config, tables);
  if (result)
    return *result;
  std::string all;
  for (const auto& problem : result.error())
    all += to_string(problem) + '\n';
  throw std::runtime_error(all);
}

/// One batch per tenant, and one for `_unrouted`. Tenants that are not
/// registered here have none.
class memory_sink : public batch_sink {
public:
  explicit memory_sink(std::initializer_list<std::string> tenants = {"demo"}) {
    for (const auto& tenant : tenants)
      batches_[tenant];
  }

  batch* open(std::string_view tenant, uint64_t route_hash) override {
    last_hash = route_hash;
    auto at = batches_.find(tenant);
    return at == batches_.end() ? nullptr : &at->second;
  }

  batch& unrouted() override {
    return stray;
  }

  batch& of(std::string_view tenant) {
    return batches_.find(tenant)->second;
  }

  const record_share* share() const override {
    return share_ ? &*share_ : nullptr;
  }

  void set_share(record_share x) {
    share_ = std::move(x);
  }

  batch stray;
  uint64_t last_hash = 0;

private:
  std::map<std::string, batch, std::less<>> batches_;
  std::optional<record_share> share_;
};

} // namespace millrace::test
