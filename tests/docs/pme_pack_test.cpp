// Every type of event of the ledger maps: the bodies are those of the sheet
// of the system that the pack replaces, with invented values.

#include "actors/decode/explain.hpp"
#include "config/load.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

using namespace millrace;

namespace {

const std::filesystem::path source_dir = MILLRACE_SOURCE_DIR;

pipeline_config pack() {
  load_options options;
  options.pack_directories = {source_dir / "config/packs"};
  auto parsed = parse_config("postgresql.url = \"postgresql://h/d\"\n"
                             "kafka.bootstrap = \"h:9092\"\n"
                             "tenant = [{ name = \"kpei\" }]\n"
                             "[pipeline.pme]\npack = \"pme-online\"\n"
                             "tenant = \"'kpei'\"\n",
                             "pme.toml", options);
  std::string problems;
  if (!parsed)
    for (const auto& x : parsed.error())
      problems += to_string(x) + '\n';
  INFO(problems);
  REQUIRE(parsed);
  return parsed->pipelines.at(0);
}

class mapper {
public:
  mapper() {
    auto config = pack();
    auto compiled = compile(config, assumed_tables(config));
    REQUIRE(compiled);
    program_ = *compiled;
  }

  explanation operator()(std::string_view type, std::string_view body) const {
    header_view header{"event-type", type};
    const std::vector<std::string> tenants{"kpei"};
    return explain(program_, 4, tenants,
                   {.topic = "pme-ledger",
                    .partition = 2,
                    .offset = 417,
                    .timestamp_ms = 1'764'728'130'500,
                    .key = "ledgerpoint",
                    .value = body,
                    .headers = {&header, 1}});
  }

private:
  program_ptr program_;
};

std::string value(const explained_row& row, std::string_view column) {
  for (const auto& x : row.columns)
    if (x.name == column)
      return x.value.value_or("NULL");
  return "no such column";
}

/// What the log has of a body: the record's time is in it.
std::string logged(std::string body) {
  body.pop_back();
  return body + (body == "{" ? "" : ",")
         + R"("timestamp":"2025-12-03T02:15:30.5Z"})";
}

/// A line is the type's name, a space, and the body.
std::map<std::string, std::string> samples() {
  std::ifstream in{source_dir / "tests/docs/pme_samples.txt"};
  REQUIRE(in);
  std::map<std::string, std::string> result;
  for (std::string line; std::getline(in, line);)
    result.emplace(line.substr(0, line.find(' ')),
                   line.substr(line.find(' ') + 1));
  return result;
}

} // namespace

TEST_CASE("each of the ledger's 23 types of events becomes a row of the log "
          "and its facts") {
  mapper map;
  auto all = samples();
  CHECK(all.size() == 23);
  std::set<std::string> tables;
  for (const auto& [type, body] : all) {
    auto x = map(type, body);
    INFO(type << ": " << x.reason);
    REQUIRE(x.what == outcome::written);
    REQUIRE_FALSE(x.rows.empty());
    const auto& log = x.rows.front();
    CHECK(log.table == "event_log");
    CHECK(value(log, "event_type")
          == (type == "Sod"   ? "SOD"
              : type == "Eod" ? "EOD"
                              : type));
    CHECK(value(log, "event_data") == logged(body));
    CHECK(value(log, "timestamp") == "1764728130500");
    auto facts = type == "Trade" ? 3 : type == "Sod" || type == "Eod" ? 0 : 1;
    CHECK(std::ssize(x.rows) == facts + 1);
    for (const auto& row : x.rows) {
      tables.insert(row.table);
      CHECK(value(row, "kafka_partition") == "2");
      CHECK(value(row, "kafka_offset") == "417");
      // What the body has under the column's name is not NULL.
      for (const auto& column : row.columns)
        CHECK((column.value || column.name == "raw" || column.name == "address"
               || column.name == "message"
               || column.name == "reff_request_id"));
    }
  }
  CHECK(tables.size() == 14);
}

TEST_CASE("a trade becomes its facts and one for each of its contracts") {
  auto x = mapper{}("Trade", samples().at("Trade"));
  REQUIRE(x.rows.size() == 4);
  CHECK(x.rows[1].table == "fact4_trade");
  CHECK(value(x.rows[1], "matched_at") == "2025-12-03T09:15:30.418+07:00");
  CHECK(x.rows[2].table == "fact5_contract");
  CHECK(value(x.rows[2], "nid") == "17647281304181");
  CHECK(value(x.rows[2], "side") == "BORR");
  CHECK(value(x.rows[2], "fee_val_daily") == "304767.12328767125");
  CHECK(value(x.rows[2], "order_nid") == "254430383091757056");
  CHECK(value(x.rows[3], "side") == "LEND");
}

TEST_CASE("members that are missing or null are zero, and names are taken in "
          "any case") {
  mapper map;
  auto x = map("Order",
               R"({"NID":7,"Account_Code":"QX-1","instruction":null})");
  REQUIRE(x.rows.size() == 2);
  const auto& order = x.rows[1];
  CHECK(value(order, "nid") == "7");
  CHECK(value(order, "account_code") == "QX-1");
  for (const auto* name : {"prev_nid", "quantity", "periode", "rate"})
    CHECK(value(order, name) == "0");
  CHECK(value(order, "aro") == "false");
  CHECK(value(order, "instruction").empty());
  CHECK(value(order, "settlement_date") == "0001-01-01T00:00:00Z");
  // Whom an event is about has no such value.
  for (const auto* name : {"side", "participant_code", "instrument_code"})
    CHECK(value(order, name) == "NULL");
  CHECK(map("Order", "{}").what == outcome::rejected);
  // What a type does not have is not zero.
  CHECK(value(map("OrderAck", R"({"order_nid":7})").rows[1], "message")
        == "NULL");
  CHECK(
    value(map("OrderNak", R"({"order_nid":7})").rows[1], "message").empty());
}

TEST_CASE("an unknown type of the ledger is a dead letter, and logged") {
  auto x = mapper{}("Whatever", "{}");
  CHECK(x.what == outcome::rejected);
  CHECK(x.reason.contains("\"Whatever\""));
  REQUIRE(x.rows.size() == 1);
  CHECK(x.rows[0].table == "event_log");
  CHECK(value(x.rows[0], "event_type") == "Whatever");
  CHECK(value(x.rows[0], "event_data") == logged("{}"));
  CHECK(value(x.rows[0], "raw") == "NULL");
}

TEST_CASE("a body of the ledger that nobody can read is logged as it came") {
  auto x = mapper{}("OrderAck", R"({"order_nid":25443)");
  CHECK(x.what == outcome::rejected);
  CHECK(x.stage == reject_stage::decode);
  REQUIRE(x.rows.size() == 1);
  CHECK(value(x.rows[0], "event_type") == "OrderAck");
  CHECK(value(x.rows[0], "event_data") == "NULL");
  CHECK(value(x.rows[0], "raw") == R"({"order_nid":25443)");
  CHECK(value(x.rows[0], "kafka_offset") == "417");
}
