// The program of the pack pme-online, as a node compiles it, over the bodies of
// all its types of events.

#include "actors/decode/explain.hpp"
#include "config/load.hpp"
#include "tests/decode/allocation_counter.hpp"
#include "tests/decode/rows.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <map>

using namespace millrace;
using namespace millrace::test;

namespace {

const std::filesystem::path source_dir = MILLRACE_SOURCE_DIR;

pipeline_config pack() {
  load_options options;
  options.pack_directories = {source_dir / "config/packs"};
  auto parsed = parse_config("postgresql.url = \"postgresql://h/d\"\n"
                             "kafka.bootstrap = \"h:9092\"\n"
                             "tenant = [{ name = \"demo\" }]\n"
                             "[pipeline.pme]\npack = \"pme-online\"\n"
                             "tenant = \"'demo'\"\n",
                             "pme.toml", options);
  REQUIRE(parsed);
  return parsed->pipelines.at(0);
}

/// The pack's tables: the columns that it writes, of the types that its
/// migrations give them. Others are text.
std::vector<table_schema> typed_tables(const pipeline_config& config) {
  struct type {
    std::string name;
    uint32_t oid;
  };
  const std::map<std::string, type> types = [] {
    std::map<std::string, type> result;
    auto add = [&](const type& x, std::initializer_list<std::string> columns) {
      for (const auto& name : columns)
        result.emplace(name, x);
    };
    add({"bigint", 20}, {"nid", "prev_nid", "order_nid", "trade_nid",
                         "timestamp", "kafka_offset"});
    add({"integer", 23}, {"periode", "year", "borrow_max_open_day",
                          "denomination_limit", "kafka_partition"});
    add({"numeric", 1700},
        {"quantity", "flat_fee", "lending_fee", "borrowing_fee", "max_quantity",
         "trade_limit", "pool_limit", "market_price", "rate", "fee_flat_rate",
         "fee_borr_rate", "fee_lend_rate", "fee_flat_val", "fee_val_daily",
         "fee_val_accumulated"});
    add({"timestamp with time zone", 1184},
        {"kafka_time", "settlement_date", "reimbursement_date", "matched_at",
         "reimburse_at", "start_time"});
    add({"date", 1082}, {"date"});
    add({"boolean", 16},
        {"aro", "status", "borr_eligibility", "lend_eligibility"});
    add({"jsonb", 3802}, {"event_data"});
    add({"bytea", 17}, {"raw"});
    return result;
  }();
  auto result = assumed_tables(config);
  for (auto& table : result)
    for (auto& x : table.columns) {
      auto at = types.find(x.name);
      x = at == types.end() ? column(x.name, "text", 25)
                            : column(x.name, at->second.name, at->second.oid);
    }
  return result;
}

struct sample {
  std::string type;
  std::string body;
};

/// A line is the type's name, a space, and the body.
std::vector<sample> samples() {
  std::ifstream in{source_dir / "tests/docs/pme_samples.txt"};
  REQUIRE(in);
  std::vector<sample> result;
  for (std::string line; std::getline(in, line);)
    result.push_back(
      {line.substr(0, line.find(' ')), line.substr(line.find(' ') + 1)});
  return result;
}

} // namespace

TEST_CASE("the exchange's pack decodes each type of its events without an "
          "allocation") {
  auto config = pack();
  decoder decode{compiled(config, typed_tables(config))};
  memory_sink sink;
  const auto all = samples();
  REQUIRE(all.size() == 23);
  auto pass = [&] {
    std::size_t written = 0;
    for (int64_t i = 0; i < 10; ++i)
      for (const auto& x : all) {
        header_view header{"event-type", x.type};
        auto record = record_with(x.body, {&header, 1});
        record.offset = i;
        written += decode.decode(record, sink) == outcome::written;
      }
    return written;
  };
  REQUIRE(pass() == 10 * all.size());
  auto& blocks = sink.of("demo").blocks;
  std::size_t rows = 0;
  for (auto& block : blocks) {
    rows += block.rows();
    block.clear();
  }
  // The log has each; but for Sod and Eod each has its facts, and a trade has
  // two contracts.
  CHECK(rows == 10 * (23 + 21 + 2));
  auto before = allocations();
  auto written = pass();
  auto after = allocations();
  CHECK(written == 10 * all.size());
  CHECK(after - before == 0);
}
