#include "tests/decode/one_column.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

int64_t big(std::string_view bytes) {
  uint64_t result = 0;
  for (auto c : bytes)
    result = result << 8 | static_cast<unsigned char>(c);
  return static_cast<int64_t>(result);
}

/// Microseconds since 2000, or -1 for a reject.
int64_t zoned(std::string_view text) {
  one_column column{test::column("v", "timestamp with time zone", 1184)};
  auto result = column.of('"' + std::string{text} + '"');
  return result.starts_with("reject") ? -1 : big(result);
}

int64_t plain(std::string_view text) {
  one_column column{test::column("v", "timestamp without time zone", 1114)};
  auto result = column.of('"' + std::string{text} + '"');
  return result.starts_with("reject") ? -1 : big(result);
}

} // namespace

TEST_CASE("RFC 3339 times are microseconds since 2000") {
  CHECK(zoned("2000-01-01T00:00:00Z") == 0);
  CHECK(zoned("2000-01-01 00:00:01z") == 1'000'000);
  CHECK(zoned("1999-12-31T23:59:59.999999Z") == -1);
  CHECK(zoned("2026-01-19T17:21:51.894957+05:30") == 822'138'711'894'957);
  CHECK(zoned("2026-01-19T17:21:51.894957-0530") == 822'178'311'894'957);
  CHECK(zoned("2000-01-01T05:00+05") == 0);
  CHECK(zoned("2000-01-01T05:30:00+05:30:00") == 0);
  CHECK(zoned("1970-01-01T00:00:00Z") == -946'684'800'000'000);
  CHECK(zoned("0001-01-01T00:00:00Z") == -63'082'281'600'000'000);
}

TEST_CASE("fractions round to microseconds through a double as PostgreSQL's") {
  auto fraction = [](std::string_view digits) {
    return zoned("2000-01-01T00:00:00." + std::string{digits} + "Z");
  };
  CHECK(fraction("5") == 500'000);
  CHECK(fraction("000001") == 1);
  CHECK(fraction("8949576") == 894'958);
  CHECK(fraction("8949574") == 894'957);
  CHECK(fraction("9999995") == 1'000'000);
  CHECK(fraction("999999999") == 1'000'000);
  // Ties go to the even neighbour: what the server answers for these.
  CHECK(fraction("0000005") == 0);
  CHECK(fraction("0000015") == 2);
  CHECK(fraction("0000025") == 2);
  CHECK(fraction("123456789012345678901234567890") == 123'457);
}

TEST_CASE("times that do not exist are rejects") {
  for (auto x : {"2026-02-30T00:00:00Z",
                 "2025-02-29T00:00:00Z",
                 "1900-02-29T00:00:00Z",
                 "2026-13-01T00:00:00Z",
                 "2026-00-01T00:00:00Z",
                 "0000-01-01T00:00:00Z",
                 "2026-01-01T25:00:00Z",
                 "2026-01-01T24:00:01Z",
                 "2026-01-01T23:60:00Z",
                 "2026-01-01T23:59:61Z",
                 "2026-01-01T00:00:00+16:00",
                 "2026-01-01T00:00:00+05:60",
                 "294277-01-01T00:00:00Z",
                 "294277-01-09T04:00:55Z",
                 "infinity",
                 "-infinity",
                 "now",
                 "epoch",
                 "",
                 "2026-01-01",
                 "2026-01-01T",
                 "2026-01-01T00:00:00.Z",
                 "2026-01-01T00:00:00Zulu",
                 "2026-1-1T00:00:00Z",
                 "20260101T000000Z",
                 "99999999999-01-01T00:00:00Z",
                 "2026-01-01T00:00:00+",
                 "2026-01-01T00:00:00+05:"}) {
    INFO(x);
    CHECK(zoned(x) == -1);
  }
}

TEST_CASE("midnight at the end of a day and leap seconds are accepted") {
  CHECK(zoned("2000-01-01T24:00:00Z") == 86'400'000'000);
  CHECK(zoned("1999-12-31T23:59:60Z") == 0);
  CHECK(zoned("2000-01-01T00:00:60.5Z") == 60'500'000);
  CHECK(zoned("294276-12-31T23:59:59.999999Z") == 9'223'371'331'199'999'999);
}

TEST_CASE("a time zone is needed where the column has one, and only there") {
  one_column with{column("v", "timestamp with time zone", 1184, true)};
  CHECK(with.of(R"("2026-01-01T00:00:00")")
        == "reject: column v (timestamp with time zone) from .v: found "
           "\"2026-01-01T00:00:00\", expected an offset (Z or +hh:mm) behind "
           "the time, because the column has a time zone");
  CHECK(plain("2000-01-01T00:00:01") == 1'000'000);
  CHECK(plain("2000-01-01T00:00:01Z") == 1'000'000);
  CHECK(plain("2000-01-01T00:00:01+05:30") == -1);
}

TEST_CASE("a number is not a time: its unit is not known") {
  one_column column{test::column("v", "timestamp with time zone", 1184)};
  CHECK(column.of("1768824000").starts_with("reject"));
  CHECK(column.of("1768824000123").starts_with("reject"));
}

TEST_CASE("the record's own time fits columns of times") {
  one_column column{test::column("v", "timestamp with time zone", 1184),
                    "@timestamp"};
  CHECK(big(column("{}")) == 1'768'824'000'123'000 - 946'684'800'000'000);
  record_view record;
  record.value = "{}";
  CHECK(column.decode(record) == "NULL");
}

TEST_CASE("a column with fewer digits of the second is rounded") {
  one_column column{
    test::column("v", "timestamp with time zone", 1184, true, 3)};
  CHECK(big(column.of(R"("2000-01-01T00:00:00.0005Z")")) == 1'000);
  CHECK(big(column.of(R"("1999-12-31T23:59:59.9995Z")")) == -1'000);
  CHECK(big(column.of(R"("2000-01-01T00:00:00.0004Z")")) == 0);
}

TEST_CASE("dates are days since 2000") {
  one_column column{test::column("v", "date", 1082)};
  CHECK(hex(column.of(R"("2000-01-01")")) == "00000000");
  CHECK(hex(column.of(R"("1999-12-31")")) == "ffffffff");
  CHECK(hex(column.of(R"("2024-02-29")")) == "00002279");
  CHECK(column.of(R"("2023-02-29")").starts_with("reject"));
  CHECK(column.of(R"("2026-01-01T00:00:00Z")").starts_with("reject"));
}
