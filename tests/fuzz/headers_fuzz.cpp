// Headers of records: as a dead letter keeps them, and as expressions read
// them.

#include "actors/decode/header_bytes.hpp"
#include "actors/store/dead_letters.hpp"
#include "tests/decode/sample.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <string>

using namespace millrace;
using namespace millrace::fuzz;

namespace {

/// Bytes of a dead letter that anybody may have written.
void kept(std::string_view raw) {
  auto all = parse_headers(raw);
  if (!all)
    return;
  std::string again;
  for (const auto& x : *all)
    append_header(again, {x.name, x.value});
  require(again == raw);
}

program_ptr compiled_map() {
  auto config = test::pipeline(
    "t", {{"a", "header('a')"}, {"b", "header('b')"}, {"first", "header(1)"}});
  config.tenant.text = "header('tenant')";
  config.event_type.text = "coalesce(header('type'), 'event')";
  config.events[0].types = {"event", "a"};
  return test::compiled(config, {{"s",
                                  "t",
                                  {test::column("a", "text", 25),
                                   test::column("b", "bytea", 17),
                                   test::column("first", "bigint", 20)},
                                  {}}});
}

/// Names and values, in turn.
void read(std::string_view input) {
  static decoder decode{compiled_map()};
  auto parts = parts_of(input);
  std::vector<exact> bytes;
  for (auto x : parts)
    bytes.emplace_back(x);
  std::vector<header_view> headers;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    auto& to = headers.emplace_back(bytes[i].view(), std::nullopt);
    if (bytes[i + 1].view() != "null")
      to.value = bytes[i + 1].view();
  }
  record_view record;
  record.value = "{}";
  record.headers = headers;
  test::memory_sink sink;
  auto what = decode.decode(record, sink);
  const auto& to = what == outcome::unrouted ? sink.stray : sink.of("demo");
  require(to.events == 1);
  if (to.rejects.empty())
    return;
  auto back = parse_headers(to.rejects[0].headers);
  require(back && back->size() == headers.size());
  for (std::size_t i = 0; i < headers.size(); ++i)
    require(back->at(i).name == headers[i].name
            && back->at(i).value == headers[i].value);
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  auto input = text_of(data, size);
  kept(exact{input}.view());
  read(input);
  return 0;
}
