#include "actors/decode/decimal_text.hpp"
#include "actors/decode/decoder.hpp"
#include "tests/decode/sample.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace millrace;
using namespace millrace::detail;
using namespace millrace::test;

namespace {

std::strong_ordering compared(std::string_view a, std::string_view b) {
  decimal_text x;
  decimal_text y;
  REQUIRE(parse_loose_number(a, x));
  REQUIRE(parse_loose_number(b, y));
  return compare_decimals(x, y);
}

} // namespace

TEST_CASE("decimals are compared by their exact values") {
  CHECK(compared("1", "1.00") == 0);
  CHECK(compared("010", "1e1") == 0);
  CHECK(compared("0", "-0.0") == 0);
  CHECK(compared("1.10", "1.09") > 0);
  CHECK(compared("9", "10") < 0);
  CHECK(compared("-9", "-10") > 0);
  CHECK(compared("-1", "0") < 0);
  CHECK(compared("0.5e-3", "0.0005000001") < 0);
  CHECK(compared("1e1000000", "9e999999") > 0);
  // Equal as doubles, but not equal.
  CHECK(compared("9007199254740993", "9007199254740992") > 0);
  CHECK(compared("0.30000000000000001", "0.3") > 0);
}

TEST_CASE("a quote with its bid above its ask is written and counted") {
  auto config = ticks_config();
  config.events[0].crossed_bid = {".bid", {"p.toml", 6, 10}};
  config.events[0].crossed_ask = {".ask", {"p.toml", 7, 10}};
  decoder decode{compiled(config, {ticks_table()})};
  memory_sink sink;
  int64_t at = 0;
  auto quote = [&](std::string bid, std::string ask) {
    auto payload = R"({"symbol":"EURUSD","timestamp":"2026-01-19T00:00:00Z",)"
                   R"("bid":)"
                   + bid + R"(,"ask":)" + ask + '}';
    record_view record;
    record.topic = "ticks";
    record.offset = at++;
    record.value = payload;
    REQUIRE(decode.decode(record, sink) == outcome::written);
  };
  quote("1.1", "1.2");
  quote("1.2", "1.20");
  CHECK(sink.of("demo").crossed == 0);
  quote("1.21", "1.2");
  quote(R"("1.3")", R"("1.2999")");
  CHECK(sink.of("demo").crossed == 2);
  CHECK(sink.of("demo").blocks[0].rows() == 4);
}
