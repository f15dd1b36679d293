#include "tests/decode/allocation_counter.hpp"
#include "tests/decode/rows.hpp"

#include <catch2/catch_test_macros.hpp>

#include <format>

using namespace millrace;
using namespace millrace::test;

TEST_CASE("decoding good records allocates nothing once buffers have grown") {
  auto config = ticks_config();
  auto& write = config.events[0].writes[0];
  write.key = {"symbol_id", "tick_time", "src_partition", "src_offset"};
  write.columns[6].value.text = "upper(coalesce(.lp, .inner.lp))";
  decoder decode{compiled(config, {ticks_table()})};
  memory_sink sink;
  auto pass = [&] {
    std::size_t written = 0;
    char payload[512];
    record_view record;
    record.topic = "ticks";
    for (int i = 0; i < 200; ++i) {
      // Members change places and types now and then.
      auto end = std::format_to(
        payload,
        R"({{"symbol":"EURUSD",{}"bid":1.08484364109{},"ask":"2{}.5",)"
        R"("spread":1e-{},"timestamp":"2026-01-19T17:21:51.{}+05:30",)"
        R"("inner":{{"\u006cp":"O\u00e9","more":[1,{{}},"x"]}}}})",
        i % 3 ? "\"new_member\":null," : "", i, i, i % 9, i + 1'000'000);
      record.value = std::string_view{payload, end};
      record.offset = i;
      written += decode.decode(record, sink) == outcome::written;
    }
    return written;
  };
  REQUIRE(pass() == 200);
  for (auto& block : sink.of("demo").blocks)
    block.clear();
  auto before = allocations();
  auto written = pass();
  auto after = allocations();
  CHECK(written == 200);
  CHECK(after - before == 0);
}

TEST_CASE("conditions, loops and functions allocate nothing either") {
  auto order = event_of("order", {write_into("orders", {{"a", ".nid"}})});
  order.when = said(".state not in ('X', 'Y') and exists(.nid)");
  auto trade = event_of(
    "trade",
    {write_into("legs",
                {{"a", "leg.nid"},
                 {"b", "concat(upper(leg.side), index(leg), '/', @index)"},
                 {"c", "if(leg.n > 2.5, scale(leg.n, -2), null_if(.nid, 0))"},
                 {"d", "substring(capture(@topic, 't.{}.x'), 1, 3)"},
                 {"e", "from_epoch(leg.at, 'ms')"},
                 {"f", "part('hour', utc(.matched))"},
                 {"g", "uuid(leg.id)"}})});
  trade.writes[0].each = said("leg in .Lender and .Borrower");
  trade.writes[0].when = said("leg.n != null");
  auto log = event_of("log", {write_into("log", {{"a", "@type"}})});
  log.every = true;
  auto config = pipeline_of({order, trade, log});
  config.event_type = said("header('event-type')");
  config.member_names = name_case::any_case;
  config.unmatched = unmatched_policy::ignore;
  decoder decode{compiled(
    config, {text_table("orders", {"a"}), text_table("log", {"a"}),
             text_table("legs", {"a", "b", "c", "d", "e", "f", "g"})})};
  memory_sink sink;
  auto pass = [&] {
    std::size_t written = 0;
    char payload[1024];
    constexpr std::string_view types[] = {"order", "trade", "trade", "other"};
    for (int i = 0; i < 200; ++i) {
      auto end = std::format_to(
        payload,
        R"({{"NID":{},"State":"S","matched":"2025-12-03T09:15:30+07:00",)"
        R"("Borrower":[{{"nid":1,"side":"b\u006frr","n":{}.25,"at":{},)"
        R"("id":"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}},{{"nid":2}}],)"
        R"("lender":[{{"nid":3,"n":"1e{}","at":"5","side":null}}]}})",
        i, i % 7, 1'768'824'000'000 + i, i % 5);
      header_view header{"event-type", types[i % 4]};
      auto record = record_with({payload, end}, {&header, 1});
      written += decode.decode(record, sink) == outcome::written;
    }
    return written;
  };
  REQUIRE(pass() == 200);
  REQUIRE(sink.of("demo").blocks.at(1).rows() == 200);
  for (auto& block : sink.of("demo").blocks)
    block.clear();
  auto before = allocations();
  auto written = pass();
  auto after = allocations();
  CHECK(written == 200);
  CHECK(after - before == 0);
}
