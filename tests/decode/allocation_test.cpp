#include "tests/decode/allocation_counter.hpp"
#include "tests/decode/sample.hpp"

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
