#include "tests/decode/tenant_sample.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace millrace;
using namespace millrace::test;

namespace {

/// One of the databases that read the same topic.
struct database {
  decoder decode;
  memory_sink sink;

  database(program_ptr program, std::string tenant, record_share share)
    : decode{std::move(program)},
      sink{std::move(tenant)} {
    sink.set_share(std::move(share));
  }
};

} // namespace

TEST_CASE("each record is taken by exactly one of the databases, whatever "
          "their tables are") {
  auto routing = compile_routing(tenants_pipeline());
  REQUIRE(routing);
  database control{*routing, "none", {{{"a"}, {"b"}}, true}};
  database first{with_number("bigint", 20), "a", {{{"b"}}, false}};
  database second{with_number("text", 25), "b", {{{"a"}}, false}};
  struct expected {
    std::optional<std::string_view> payload;
    outcome by_control;
    outcome by_first;
    outcome by_second;
  };
  constexpr auto none = outcome::elsewhere;
  for (const auto& x : std::vector<expected>{
         {R"({"tenant":"a","n":1})", none, outcome::written, none},
         {R"({"tenant":"b","n":"1"})", none, none, outcome::written},
         {R"({"tenant":"a","n":"x"})", none, outcome::rejected, none},
         {R"({"tenant":"b","n":[]})", none, none, outcome::rejected},
         // No JSON, though only an encoder of numbers has to look there.
         {R"({"tenant":"a","n":01})", outcome::unrouted, none, none},
         {R"({"tenant":"b","n":01})", outcome::unrouted, none, none},
         {R"({"tenant":"a","n":1)", outcome::unrouted, none, none},
         {R"({"tenant":"c","n":1})", outcome::unrouted, none, none},
         {R"({"n":1})", outcome::unrouted, none, none},
         {std::nullopt, outcome::unrouted, none, none}}) {
    auto record = record_of(x.payload);
    INFO(x.payload.value_or("null"));
    CHECK(control.decode.decode(record, control.sink) == x.by_control);
    CHECK(first.decode.decode(record, first.sink) == x.by_first);
    CHECK(second.decode.decode(record, second.sink) == x.by_second);
  }
  CHECK(control.sink.stray.events == 6);
  CHECK(first.sink.stray.events == 0);
  CHECK(first.sink.of("a").events == 2);
  CHECK(second.sink.of("b").events == 2);
}

TEST_CASE("a header names the tenant of a payload that nobody can read") {
  auto by = tenants_pipeline();
  by.tenant.text = "header('tenant')";
  auto program = with_number("bigint", 20, by);
  database control{program, "none", {{{"a"}}, true}};
  database first{program, "a", {{}, false}};
  std::vector<header_view> headers{{"tenant", "a"}};
  auto record = record_of("{");
  record.headers = headers;
  CHECK(control.decode.decode(record, control.sink) == outcome::elsewhere);
  CHECK(first.decode.decode(record, first.sink) == outcome::rejected);
}

TEST_CASE("records from before a tenant had its database are nobody's") {
  database control{with_number("bigint", 20), "none", {{{"a", 7}}, true}};
  auto record = record_of(R"({"tenant":"a","n":1})");
  record.offset = 6;
  CHECK(control.decode.decode(record, control.sink) == outcome::unrouted);
  record.offset = 7;
  CHECK(control.decode.decode(record, control.sink) == outcome::elsewhere);
}

TEST_CASE("a program without writes has the pipeline's map and columns of its "
          "own") {
  auto whole = with_number("bigint", 20);
  auto routing = compile_routing(tenants_pipeline());
  REQUIRE(routing);
  CHECK((*routing)->map_fingerprint() == whole->map_fingerprint());
  CHECK((*routing)->shape() != whole->shape());
  CHECK((*routing)->writes().empty());
}
