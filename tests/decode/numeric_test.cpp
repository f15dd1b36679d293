#include "tests/decode/one_column.hpp"

#include <catch2/catch_test_macros.hpp>

#include <random>

using namespace millrace;
using namespace millrace::test;

namespace {

std::string numeric(std::string_view json, int32_t typmod = -1) {
  one_column column{test::column("v", "numeric", 1700, true, typmod)};
  auto result = column.of(json);
  return result.starts_with("reject") || result == "NULL"
           ? result
           : numeric_text(result);
}

std::string integer(std::string_view json, std::string type = "bigint",
                    uint32_t oid = 20) {
  one_column column{test::column("v", std::move(type), oid)};
  auto result = column.of(json);
  if (result.starts_with("reject"))
    return "reject";
  uint64_t bits = 0;
  for (auto c : result)
    bits = bits << 8 | static_cast<unsigned char>(c);
  auto shift = 64 - 8 * result.size();
  return std::to_string(static_cast<int64_t>(bits << shift) >> shift);
}

} // namespace

TEST_CASE("a numeric without precision keeps the digits as sent") {
  for (std::string x :
       {"0", "1", "-1", "10000", "4.857131869134759", "0.00014999999999976694",
        "197.96261572984596", "0.0001", "0.00001", "12345678901234567890.5",
        "1.10", "100.000", "9007199254740993", "0.10000000", "99999999",
        "100000000", "1234.00005678", "-0.5"}) {
    CHECK(numeric(x) == x);
    CHECK(numeric('"' + x + '"') == x);
  }
}

TEST_CASE("an exponent moves the point as PostgreSQL does it") {
  CHECK(numeric("1e-7") == "0.0000001");
  CHECK(numeric("1E-07") == "0.0000001");
  CHECK(numeric("1.5e3") == "1500");
  CHECK(numeric("1.2345e2") == "123.45");
  CHECK(numeric("15e-1") == "1.5");
  CHECK(numeric("-2.50e+1") == "-25.0");
  CHECK(numeric("0e5") == "0");
  CHECK(numeric("0.00e1") == "0.0");
  auto same = numeric("1e131071") == '1' + std::string(131'071, '0');
  CHECK(same);
}

TEST_CASE("zero has no sign") {
  CHECK(numeric("-0") == "0");
  CHECK(numeric("-0.00") == "0.00");
  CHECK(numeric("-0.001", numeric_typmod(5, 2)) == "0.00");
}

TEST_CASE("a numeric with a scale rounds half away from zero") {
  auto two = numeric_typmod(5, 2);
  CHECK(numeric("1.005", two) == "1.01");
  CHECK(numeric("1.004999999999999999999", two) == "1.00");
  CHECK(numeric("-1.005", two) == "-1.01");
  CHECK(numeric("2.5", numeric_typmod(5, 0)) == "3");
  CHECK(numeric("0.5", numeric_typmod(5, 0)) == "1");
  CHECK(numeric("0.49", numeric_typmod(5, 0)) == "0");
  CHECK(numeric("9.999", two) == "10.00");
  CHECK(numeric("0.005", two) == "0.01");
  CHECK(numeric("0.0005", two) == "0.00");
  CHECK(numeric("3", two) == "3.00");
  CHECK(numeric("1e-20000", two) == "0.00");
  CHECK(numeric("12345", numeric_typmod(3, -2)) == "12300");
  CHECK(numeric("0.00123", numeric_typmod(3, 5)) == "0.00123");
}

TEST_CASE("a numeric that does not fit its precision is a reject") {
  auto two = numeric_typmod(5, 2);
  CHECK(numeric("999.994", two) == "999.99");
  CHECK(numeric("999.995", two).starts_with("reject: column v (numeric(5,2))"));
  CHECK(numeric("1000", two).starts_with("reject"));
  CHECK(numeric("1e3", two).starts_with("reject"));
  CHECK(numeric("0.01", numeric_typmod(3, 5)).starts_with("reject"));
}

TEST_CASE("numbers beyond PostgreSQL's numeric are rejects") {
  CHECK(numeric("1e131072").starts_with("reject"));
  CHECK(numeric("1e-16383").ends_with("01"));
  CHECK(numeric("1e-16384").starts_with("reject"));
  CHECK(numeric("1e99999999999999999999").starts_with("reject"));
  // Compared outside of CHECK, which would print them.
  auto widest = std::string(131'072, '9');
  auto same = numeric(widest) == widest;
  CHECK(same);
  CHECK(numeric(widest + '9').starts_with("reject"));
  auto longest = std::string(100'000, '7') + '.' + std::string(10'000, '3');
  same = numeric(longest) == longest;
  CHECK(same);
}

TEST_CASE("a numeric from text must be a number and nothing else") {
  for (auto x : {R"("")", R"(" 1")", R"("1 ")", R"("1,5")", R"("NaN")",
                 R"("Infinity")", R"("0x10")", R"("1_000")", R"("-")",
                 R"("e5")", R"(".")", "true", "{}", "[1]"}) {
    INFO(x);
    CHECK(numeric(x).starts_with("reject: column v (numeric) from .v: found "));
  }
  CHECK(numeric(R"("+1.50")") == "1.50");
  CHECK(numeric(R"("007")") == "7");
  CHECK(numeric(R"(".5")") == "0.5");
  CHECK(numeric(R"("\u0031.5")") == "1.5");
}

TEST_CASE("random decimals keep every digit") {
  std::mt19937_64 random{20260119};
  for (int i = 0; i < 20'000; ++i) {
    std::string x;
    for (auto n = random() % 22; n > 0; --n)
      x += static_cast<char>('0' + random() % 10);
    x.erase(0, std::min(x.find_first_not_of('0'), x.size()));
    if (x.empty())
      x = "0";
    if (auto n = random() % 24; n > 0) {
      x += '.';
      for (; n > 0; --n)
        x += static_cast<char>('0' + (random() % 3 ? random() % 10 : 0));
    }
    if (x.find_first_not_of("0.") != x.npos && random() % 2)
      x.insert(0, 1, '-');
    INFO(x);
    REQUIRE(numeric(x) == x);
    REQUIRE(numeric('"' + x + '"') == x);
  }
}

TEST_CASE("integers are exact to the last bit") {
  CHECK(integer("9007199254740993") == "9007199254740993");
  CHECK(integer("9223372036854775807") == "9223372036854775807");
  CHECK(integer("-9223372036854775808") == "-9223372036854775808");
  CHECK(integer("9223372036854775808") == "reject");
  CHECK(integer("-9223372036854775809") == "reject");
  CHECK(integer("18446744073709551616") == "reject");
  CHECK(integer("-0") == "0");
  CHECK(integer("2147483648", "integer", 23) == "reject");
  CHECK(integer("-2147483648", "integer", 23) == "-2147483648");
  CHECK(integer("32768", "smallint", 21) == "reject");
  CHECK(integer("32767", "smallint", 21) == "32767");
}

TEST_CASE("an integer may be spelled with a point or exponent") {
  CHECK(integer("1.0") == "1");
  CHECK(integer("1e3") == "1000");
  CHECK(integer("1.25e2") == "125");
  CHECK(integer("1500e-2") == "15");
  CHECK(integer("0e99999") == "0");
  CHECK(integer("1.5") == "reject");
  CHECK(integer("15e-1") == "reject");
  CHECK(integer("1e19") == "reject");
  CHECK(integer("1e-400") == "reject");
  CHECK(integer("9223372036854775807.000") == "9223372036854775807");
  CHECK(integer(R"("41")") == "41");
  CHECK(integer(R"("41x")") == "reject");
}

TEST_CASE("floats are the nearest ones and refuse what has none") {
  one_column wide{column("v", "double precision", 701)};
  CHECK(hex(wide.of("0.1")) == "3fb999999999999a");
  CHECK(hex(wide.of("-0")) == "8000000000000000");
  CHECK(hex(wide.of("5e-324")) == "0000000000000001");
  CHECK(hex(wide.of(R"("NaN")")) == "7ff8000000000000");
  CHECK(hex(wide.of(R"("-Infinity")")) == "fff0000000000000");
  CHECK(wide.of("1e400").starts_with("reject"));
  CHECK(wide.of("1e-400").starts_with("reject"));
  one_column narrow{column("v", "real", 700)};
  CHECK(hex(narrow.of("0.1")) == "3dcccccd");
  CHECK(narrow.of("1e39").starts_with("reject"));
  // Through double first it would round down to 1.
  CHECK(hex(narrow.of("1.00000005960464477540000000000001")) == "3f800001");
}
