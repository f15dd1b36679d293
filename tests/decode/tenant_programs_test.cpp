#include "tests/decode/tenant_sample.hpp"

#include <catch2/catch_test_macros.hpp>

#include <stdexcept>
#include <string>

using namespace millrace;
using namespace millrace::test;

TEST_CASE("rows are encoded for the tables of their own tenant") {
  auto wide = with_number("bigint", 20);
  auto both = with_number("integer", 23)->beside({{"b", wide}, {"c", wide}});
  CHECK(both->of("a").shape() != wide->shape());
  CHECK(both->of("b").shape() == wide->shape());
  CHECK(both->of("nobody").shape() == both->shape());
  decoder decode{both};
  memory_sink sink{"a", "b", "c"};
  for (auto tenant : {"a", "b", "c"})
    CHECK(decode.decode(record_of(R"({"n":7,"tenant":")" + std::string{tenant}
                                  + "\"}"),
                        sink)
          == outcome::written);
  // What each of them has when it is alone.
  for (auto tenant : {"a", "b", "c"}) {
    decoder alone{std::string{tenant} == "a" ? with_number("integer", 23)
                                             : wide};
    memory_sink other{"a", "b", "c"};
    alone.decode(
      record_of(R"({"n":7,"tenant":")" + std::string{tenant} + "\"}"), other);
    REQUIRE(sink.of(tenant).blocks.size() == 1);
    CHECK(sink.of(tenant).blocks[0].bytes == other.of(tenant).blocks[0].bytes);
  }
  CHECK(sink.of("a").blocks[0].bytes.size() + 4
        == sink.of("b").blocks[0].bytes.size());
}

TEST_CASE("a value is refused by the tables of its own tenant only") {
  auto both
    = with_number("integer", 23)->beside({{"b", with_number("bigint", 20)}});
  decoder decode{both};
  memory_sink sink{"a", "b"};
  constexpr auto large = R"({"n":5000000000,"tenant":")";
  CHECK(decode.decode(record_of(std::string{large} + "a\"}"), sink)
        == outcome::rejected);
  CHECK(decode.decode(record_of(std::string{large} + "b\"}"), sink)
        == outcome::written);
  // What is no JSON has no tenant, whoever's encoder notices.
  for (auto tenant : {"a", "b"})
    CHECK(decode.decode(record_of(R"({"n":01,"tenant":")" + std::string{tenant}
                                  + "\"}"),
                        sink)
          == outcome::unrouted);
  CHECK(sink.stray.rejects.size() == 2);
  CHECK(sink.of("a").rejects.size() == 1);
}

TEST_CASE("programs with different maps do not go together") {
  auto other = tenants_pipeline();
  other.events[0].route.text = "@key";
  CHECK_THROWS_AS(with_number("integer", 23)
                    ->beside({{"b", with_number("integer", 23, other)}}),
                  std::invalid_argument);
}
