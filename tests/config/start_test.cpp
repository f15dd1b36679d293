#include "config/rfc3339.hpp"
#include "config/start.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <string_view>

using namespace millrace;

TEST_CASE("RFC 3339 times become milliseconds") {
  CHECK(parse_rfc3339_ms("1970-01-01T00:00:00Z") == 0);
  CHECK(parse_rfc3339_ms("2026-01-19T17:21:51.8949576+05:30")
        == 1'768'823'511'894);
  CHECK(parse_rfc3339_ms("2026-01-19 11:51:51.9-00:00") == 1'768'823'511'900);
  CHECK(parse_rfc3339_ms("1969-12-31T23:59:59.999Z") == -1);
  for (std::string_view bad :
       {"", "2026-01-19", "2026-02-30T00:00:00Z", "2026-01-19T17:21:51",
        "2026-01-19T17:21:51.Z", "2026-01-19T24:00:00Z",
        "2026-01-19T17:21:51+5:30", "2026-01-19T17:21:51Zx"})
    CHECK_FALSE(parse_rfc3339_ms(bad));
}

TEST_CASE("a start is a word, a time or a group") {
  CHECK(parse_start("earliest") == start_config{});
  CHECK(parse_start("latest") == start_config{.from = start_position::latest});
  auto noon = parse_start("2026-11-20T12:00:00+07:00");
  REQUIRE(noon);
  CHECK(noon->from == start_position::instant);
  CHECK(noon->instant_ms == 1'795'150'800'000);
  auto group = parse_start("group:old: service");
  REQUIRE(group);
  CHECK(group->from == start_position::group);
  CHECK(group->group == "old: service");
  for (std::string_view x :
       {"earliest", "latest", "group:a/b=1", "2026-11-20T12:00:00+07:00"})
    CHECK(to_string(parse_start(x).value()) == x);
  for (const auto& bad :
       {std::string{}, std::string{"Earliest"}, std::string{"group:"},
        std::string{"group:a\nb"}, "group:" + std::string(256, 'a'),
        std::string{"2026-11-20"}, std::string{"2026-11-20T12:00:00"},
        std::string{"1969-12-31T23:59:59Z"}, std::string{"1234"}})
    CHECK_FALSE(parse_start(bad));
}

TEST_CASE("a start offset names a partition and an offset") {
  CHECK(parse_start_offset("a.b-c/12=9223372036854775807")
        == start_offset{"a.b-c", 12, 9'223'372'036'854'775'807});
  CHECK(to_string(start_offset{"a", 1, 2}) == "a/1=2");
  for (std::string_view bad :
       {"", "a/0", "a=1", "/0=1", "a/=1", "a/0=", "a/-1=1", "a/0=-1", "a/0=+1",
        "a/0=1x", "a/0x=1", "a/2147483648=1", "a/0=9223372036854775808",
        "a b/0=1", "^a/0=1", "a/0= 1"})
    CHECK_FALSE(parse_start_offset(bad));
}
