#include "tests/decode/one_column.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr std::string_view tick
  = R"({"broker_id":"default","symbol":"EURUSD","bid":1.084843641098136,)"
    R"("ask":1.084993641098136,"spread":0.0001500000000000945,)"
    R"("timestamp":"2026-01-19T17:21:51.8972685+05:30","lp":"OANDA"})";

record_view record_of(std::string_view payload, int64_t offset = 7) {
  record_view result;
  result.topic = "ticks";
  result.partition = 2;
  result.offset = offset;
  result.timestamp_ms = 1'000 + offset;
  result.value = payload;
  return result;
}

column_schema text(std::string name, bool nullable = true) {
  return column(std::move(name), "text", 25, nullable);
}

/// Headers that count how often they are asked for.
class counted_headers : public header_loader {
public:
  std::span<const header_view> load() override {
    ++loads;
    return headers;
  }

  std::vector<header_view> headers;
  int loads = 0;
};

std::string bytes_of(const row_block& block) {
  return {reinterpret_cast<const char*>(block.bytes.data()),
          block.bytes.size()};
}

/// Key hash of a one-column upsert for a JSON value.
key_hash key_of(const column_schema& target, std::string_view json) {
  auto config = pipeline("t", {{"v", ".v"}});
  config.events[0].writes[0].kind = write_kind::upsert;
  config.events[0].writes[0].key = {"v"};
  decoder decode{compiled(config, {{"s", "t", {target}, {{"v"}}}})};
  memory_sink sink;
  auto payload = std::format("{{\"v\":{}}}", json);
  if (decode.decode(record_of(payload), sink) != outcome::written)
    throw std::runtime_error("rejected");
  return sink.of("demo").blocks.at(0).keys.at(0);
}

} // namespace

TEST_CASE("the route hash is XXH64 with seed 0, for ever") {
  CHECK(route_hash("") == 0xef46db3751d8e999);
  CHECK(route_hash("a") == 0xd24ec4f1a98c6e5b);
  CHECK(route_hash("abc") == 0x44bc2cf5ad770999);
}

TEST_CASE("a tick becomes one tuple in the order of the columns") {
  decoder decode{compiled(ticks_config(), {ticks_table()})};
  memory_sink sink;
  REQUIRE(decode.decode(record_of(tick), sink) == outcome::written);
  auto& batch = sink.of("demo");
  REQUIRE(batch.blocks.size() == 1);
  const auto& block = batch.blocks[0];
  CHECK(hex(bytes_of(block))
        == "000a"
           "000000080000000000000001"
           "00000006455552555344"
           "000000080002ebbb15e0f4b4"
           "00000012000500000000000f"
           "00010350110c044a0550"
           "00000012000500000000000f"
           "000103512494044a0550"
           "000000120005ffff00000013"
           "000113880000000024ea"
           "000000054f414e4441"
           "0000000764656661756c74"
           "0000000400000002"
           "000000080000000000000007");
  CHECK(block.row_ends
        == std::vector{static_cast<uint32_t>(block.bytes.size())});
  CHECK(block.offsets == std::vector<int64_t>{7});
  CHECK(block.keys.empty());
  CHECK(sink.last_hash == route_hash("EURUSD"));
}

TEST_CASE("a batch counts events and spans their timestamps") {
  decoder decode{compiled(ticks_config(), {ticks_table()})};
  memory_sink sink;
  for (int64_t offset : {9, 3, 5})
    decode.decode(record_of(tick, offset), sink);
  auto without_time = record_of("{}");
  without_time.timestamp_ms = -1;
  decode.decode(without_time, sink);
  CHECK(sink.of("demo").events == 4);
  CHECK(sink.of("demo").oldest_timestamp_ms == 1'003);
  CHECK(sink.of("demo").newest_timestamp_ms == 1'009);
}

TEST_CASE("a code that is not in the table is a reject, never a default") {
  decoder decode{compiled(ticks_config(), {ticks_table()})};
  memory_sink sink;
  std::string payload{tick};
  payload.replace(payload.find("EURUSD"), 6, "EURXXX");
  REQUIRE(decode.decode(record_of(payload), sink) == outcome::rejected);
  const auto& reject = sink.of("demo").rejects.at(0);
  CHECK(reject.stage == reject_stage::map);
  CHECK(reject.reason
        == "column symbol_id (bigint) from code(symbols, .symbol): found "
           "\"EURXXX\", expected one of the code table symbols");
  CHECK(sink.last_hash == route_hash("EURXXX"));
  CHECK(sink.of("demo").blocks.at(0).rows() == 0);
}

TEST_CASE("a reject keeps the record as it was, headers too") {
  decoder decode{compiled(ticks_config(), {ticks_table()})};
  memory_sink sink;
  counted_headers headers;
  headers.headers = {{"a", "1"}, {"", std::nullopt}};
  auto record = record_of("\xff");
  record.lazy_headers = &headers;
  record.key = "";
  REQUIRE(decode.decode(record, sink) == outcome::rejected);
  const auto& reject = sink.of("demo").rejects.at(0);
  CHECK(reject.at == offset{7});
  CHECK(reject.has_key);
  CHECK(reject.key.empty());
  CHECK(reject.has_value);
  CHECK(reject.value == "\xff");
  CHECK(hex(reject.headers)
        == "0000000161"
           "0000000131"
           "00000000"
           "ffffffff");
  CHECK(reject.timestamp_ms == 1'007);
  CHECK(headers.loads == 1);
  record.key = std::nullopt;
  record.value = std::nullopt;
  decode.decode(record, sink);
  CHECK_FALSE(sink.of("demo").rejects.at(1).has_key);
  CHECK_FALSE(sink.of("demo").rejects.at(1).has_value);
}

TEST_CASE("headers of good records are not loaded") {
  auto program = compiled(ticks_config(), {ticks_table()});
  CHECK_FALSE(program->needs_headers());
  decoder decode{program};
  memory_sink sink;
  counted_headers headers;
  auto record = record_of(tick);
  record.lazy_headers = &headers;
  decode.decode(record, sink);
  CHECK(headers.loads == 0);
}

TEST_CASE("an event without a readable route goes by its raw key") {
  decoder decode{compiled(ticks_config(), {ticks_table()})};
  memory_sink sink;
  auto record = record_of("not json");
  record.key = "K";
  decode.decode(record, sink);
  CHECK(sink.last_hash == route_hash("K"));
  record.value = R"({"symbol":["a"]})";
  decode.decode(record, sink);
  CHECK(sink.last_hash == route_hash("K"));
  // A number that is none may show only when its column is encoded, or
  // never, when an earlier column has failed.
  record.value = R"({"symbol":"EURUSD","bid":1.})";
  decode.decode(record, sink);
  CHECK(sink.last_hash == route_hash("K"));
  CHECK(sink.of("demo").rejects.back().stage == reject_stage::decode);
  record.key = std::nullopt;
  decode.decode(record, sink);
  CHECK(sink.last_hash == 0);
}

TEST_CASE("a tenant comes from where the pipeline says") {
  auto config = pipeline("t", {{"v", ".v"}});
  table_schema table{"s", "t", {text("v")}, {}};
  counted_headers headers;
  headers.headers = {{"tenant", "one"}, {"tenant", "two"}};
  auto record = record_of(R"({"v":"x","tenant":"one"})");
  record.lazy_headers = &headers;
  SECTION("the last header of the name") {
    config.tenant.text = "header('tenant')";
    auto program = compiled(config, {table});
    CHECK(program->needs_headers());
    decoder decode{program};
    memory_sink sink{"one", "two"};
    CHECK(decode.decode(record, sink) == outcome::written);
    CHECK(sink.of("two").events == 1);
    // Still known when the payload is broken.
    record.value = "{";
    CHECK(decode.decode(record, sink) == outcome::rejected);
    CHECK(sink.of("two").events == 2);
  }
  SECTION("a member") {
    config.tenant.text = ".tenant";
    decoder decode{compiled(config, {table})};
    memory_sink sink{"one"};
    CHECK(decode.decode(record, sink) == outcome::written);
    record.value = "{";
    CHECK(decode.decode(record, sink) == outcome::unrouted);
    record.value = R"({"v":"x"})";
    CHECK(decode.decode(record, sink) == outcome::unrouted);
    REQUIRE(sink.stray.rejects.size() == 2);
    CHECK(sink.stray.rejects[0].stage == reject_stage::decode);
    CHECK(sink.stray.rejects[1].reason
          == "tenant: found nothing for .tenant, expected text or a number");
    CHECK(sink.stray.events == 2);
  }
}

TEST_CASE("an unknown tenant is a reject of the unrouted lane") {
  auto config = pipeline("t", {{"v", ".v"}});
  config.tenant.text = ".tenant";
  decoder decode{compiled(config, {{"s", "t", {text("v")}, {}}})};
  memory_sink sink{"one"};
  for (auto x : {"\"two\"", "\"\"", "0", "-1", "\"'; DROP TABLE x; --\"",
                 "\"\\u001b[31m\""}) {
    auto payload = std::format("{{\"v\":\"x\",\"tenant\":{}}}", x);
    CHECK(decode.decode(record_of(payload), sink) == outcome::unrouted);
  }
  CHECK(sink.stray.rejects.at(0).reason
        == "found the tenant \"two\", expected one that is registered");
  CHECK(sink.stray.rejects.at(5).reason.contains("\\u{1b}"));
  CHECK(sink.of("one").events == 0);
}

TEST_CASE("rows of one event are written together or not at all") {
  auto config = pipeline("a", {{"v", ".v"}});
  auto second = pipeline("b", {{"w", ".w"}});
  config.events[0].writes.push_back(second.events[0].writes[0]);
  decoder decode{compiled(config, {{"s", "a", {text("v")}, {}},
                                   {"s", "b", {text("w", false)}, {}}})};
  memory_sink sink;
  CHECK(decode.decode(record_of(R"({"v":"x","w":"y"})"), sink)
        == outcome::written);
  auto& blocks = sink.of("demo").blocks;
  REQUIRE(blocks.size() == 2);
  auto before = blocks[0].bytes;
  CHECK(decode.decode(record_of(R"({"v":"x"})"), sink) == outcome::rejected);
  CHECK(blocks[0].bytes == before);
  CHECK(blocks[0].rows() == 1);
  CHECK(blocks[1].rows() == 1);
}

TEST_CASE("equal keys have equal hashes, as PostgreSQL sees them") {
  auto numeric = column("v", "numeric", 1700);
  CHECK(key_of(numeric, "1.0") == key_of(numeric, "1.00"));
  CHECK(key_of(numeric, "100") == key_of(numeric, "1e2"));
  CHECK(key_of(numeric, "-0.0") == key_of(numeric, "0"));
  CHECK(key_of(numeric, "1") != key_of(numeric, "-1"));
  CHECK(key_of(numeric, "1") != key_of(numeric, "10000"));
  auto floats = column("v", "double precision", 701);
  CHECK(key_of(floats, "-0") == key_of(floats, "0"));
  CHECK(key_of(floats, "1") != key_of(floats, "-1"));
  auto plain = text("v");
  CHECK(key_of(plain, R"("a")") == key_of(plain, R"("\u0061")"));
  CHECK(key_of(plain, R"("a")") != key_of(plain, R"("a ")"));
  auto padded = column("v", "character", 1042, true, 9);
  CHECK(key_of(padded, R"("a")") == key_of(padded, R"("a ")"));
  auto times = column("v", "timestamp with time zone", 1184);
  CHECK(key_of(times, R"("2026-01-01T05:30:00+05:30")")
        == key_of(times, R"("2026-01-01T00:00:00Z")"));
}

TEST_CASE("an upsert without its whole key is a reject") {
  auto config = pipeline("t", {{"v", ".v"}});
  config.events[0].writes[0].kind = write_kind::upsert;
  config.events[0].writes[0].key = {"v"};
  decoder decode{compiled(config, {{"s", "t", {text("v")}, {{"v"}}}})};
  memory_sink sink;
  CHECK(decode.decode(record_of("{}"), sink) == outcome::rejected);
  CHECK(sink.of("demo").rejects.at(0).reason
        == "column v (text) from .v: found null, but the column is part of "
           "the key");
}

TEST_CASE("functions compute what they say") {
  auto result = [](std::string expression, std::string_view payload) {
    return one_column{text("v"), std::move(expression)}(payload);
  };
  auto payload = R"({"a":" xY\u00e9 ","n":null,"i":17,"t":true,"o":{}})";
  CHECK(result("lower(.a)", payload) == " xyé ");
  CHECK(result("upper(trim(.a))", payload) == "XYé");
  CHECK(result("concat(.i, '-', .t, .n, @partition)", payload) == "17-true3");
  CHECK(result("coalesce(.n, .gone, 'x')", payload) == "x");
  CHECK(result("coalesce(.n, .i)", payload) == "17");
  CHECK(result("coalesce(.n, null)", payload) == "NULL");
  CHECK(result("lower(.n)", payload) == "NULL");
  CHECK(result("'it''s'", payload) == "it's");
  CHECK(result("@topic", payload) == "t");
  CHECK(result("@key", payload) == "k");
  CHECK(result("required(.gone)", payload)
        == "reject: column v (text) from required(.gone): found nothing, but "
           "the value is required(.gone)");
  CHECK(result("upper(.o)", payload).contains("found the object"));
}
