// A record through a mapping: payload, and behind 0xff its key and a header.

#include "tests/decode/sample.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <string>

using namespace millrace;
using namespace millrace::fuzz;

namespace {

table_schema table() {
  using test::column;
  table_schema result{
    "s",
    "t",
    {
      column("i2", "smallint", 21),
      column("i4", "integer", 23),
      column("i8", "bigint", 20),
      column("num", "numeric", 1700),
      column("amount", "numeric", 1700, true, (10 << 16 | 2) + 4),
      column("f4", "real", 700),
      column("f8", "double precision", 701),
      column("flag", "boolean", 16),
      column("txt", "text", 25),
      column("short", "character varying", 1043, true, 9),
      column("at", "timestamp with time zone", 1184),
      column("plain", "timestamp without time zone", 1114, true, 3),
      column("day", "date", 1082),
      column("clock", "time without time zone", 1083),
      column("uid", "uuid", 2950),
      column("doc", "jsonb", 3802),
      column("raw", "json", 114),
      column("bytes", "bytea", 17),
      column("ints", "bigint[]", 1016),
      column("texts", "text[]", 1009),
      column("nums", "numeric[]", 1231),
      column("from_ms", "timestamp with time zone", 1184),
      column("scaled", "numeric", 1700),
      column("loose", "uuid", 2950),
      column("cut", "text", 25),
      column("caught", "text", 25),
      column("hour", "integer", 23),
      column("epoch", "bigint", 20),
      column("joined", "text", 25),
      column("chosen", "text", 25),
      column("inner", "text", 25),
      column("head", "text", 25),
      column("name", "text", 25),
      column("whole", "jsonb", 3802),
    },
    {{"i8", "txt"}}};
  return result;
}

pipeline_config config() {
  auto result = test::pipeline(
    "t", {
           {"i2", ".i2"},
           {"i4", ".i4"},
           {"i8", "default(.i8, 1)"},
           {"num", ".num"},
           {"amount", ".amount"},
           {"f4", ".f4"},
           {"f8", ".f8"},
           {"flag", ".flag"},
           {"txt", "coalesce(.txt, '')"},
           {"short", ".short"},
           {"at", ".at"},
           {"plain", ".plain"},
           {"day", ".day"},
           {"clock", ".clock"},
           {"uid", ".uid"},
           {"doc", ".doc"},
           {"raw", ".raw"},
           {"bytes", ".bytes"},
           {"ints", ".ints"},
           {"texts", ".texts"},
           {"nums", ".nums"},
           {"from_ms", "from_epoch(.ms, 'ms')"},
           {"scaled", "scale(.scaled, -2)"},
           {"loose", "uuid(.loose)"},
           {"cut", "substring(.cut, 2, 3)"},
           {"caught", "capture(.caught, 'a.*.{}.b')"},
           {"hour", "part('hour', .at)"},
           {"epoch", "to_epoch(utc(.at), 'ns')"},
           {"joined", "concat(lower(.txt), '/', trim(.short))"},
           {"chosen", "if(.num > .f8 or .txt in ('a', 'b'), .txt, null)"},
           {"inner", ".o.inner"},
           {"head", "header('h')"},
           {"name", "@key"},
           {"whole", "if(@readable, @payload, null)"},
         });
  result.tenant.text = "coalesce(header('tenant'), 'demo')";
  result.events[0].route.text = "coalesce(.txt, @key, 'none')";
  auto loop = result.events[0].writes[0];
  loop.table = "legs";
  loop.each = {"leg in .legs and .more, part in leg.parts", {}};
  loop.columns = {{"price", {"leg.price", {}}, {}},
                  {"size", {"part.size", {}}, {}},
                  {"place", {"index(part)", {}}, {}}};
  result.events[0].writes.push_back(std::move(loop));
  return result;
}

program_ptr compiled_map() {
  table_schema legs{"s",
                    "legs",
                    {test::column("price", "numeric", 1700),
                     test::column("size", "bigint", 20),
                     test::column("place", "integer", 23)},
                    {}};
  return test::compiled(config(), {table(), legs});
}

void check_block(const row_block& x) {
  require(x.offsets.size() == x.rows());
  require(x.rows() == 0 ? x.bytes.empty()
                        : x.row_ends.back() == x.bytes.size());
  require(std::ranges::is_sorted(x.row_ends));
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static decoder decode{compiled_map()};
  auto parts = parts_of(text_of(data, size));
  exact payload{parts[0]};
  exact key{parts.size() > 1 ? parts[1] : ""};
  exact value{parts.size() > 2 ? parts[2] : ""};
  header_view headers[]{{"h", value.view()}};
  record_view record;
  record.topic = "t";
  record.offset = 7;
  record.timestamp_ms = 1'768'824'000'123;
  record.value = payload.view();
  if (parts.size() > 1)
    record.key = key.view();
  if (parts.size() > 2)
    record.headers = headers;
  test::memory_sink sink;
  auto what = decode.decode(record, sink);
  const auto& to = sink.of("demo");
  require(to.events == 1);
  require((what == outcome::rejected) == (to.rejects.size() == 1));
  for (const auto& x : to.blocks)
    check_block(x);
  if (what != outcome::rejected)
    return 0;
  const auto& x = to.rejects[0];
  require(!x.reason.empty() && x.reason.size() <= 300);
  require(std::ranges::none_of(x.reason, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  }));
  require(x.value == payload.view());
  require(std::ranges::all_of(to.blocks, [](const row_block& block) {
    return block.rows() == 0;
  }));
  return 0;
}
