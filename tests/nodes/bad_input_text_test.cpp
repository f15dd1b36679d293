// What of bad inputs must not be printed.

#include "tests/nodes/bad_input_text.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace::test;

TEST_CASE("what a terminal would act on or hide is a hazard, wherever it is") {
  for (auto x :
       {"\x1b[31m",        "\t",           "\r\n",         "\x7f",
        "\xc2\x9b",        "\xc2\xad",     "\xd8\x9c",     "\xe1\xa0\x8e",
        "\xe2\x80\x8b",    "\xe2\x80\x8f", "\xe2\x80\xa8", "\xe2\x80\xaa",
        "\xe2\x80\xae",    "\xe2\x81\xa0", "\xe2\x81\xa6", "\xe2\x81\xa9",
        "\xef\xbb\xbf",    "\xef\xbf\xb9", "\xef\xbf\xbe", "\xf3\xa0\x80\xa0",
        "\xf3\xa0\x84\x80"}) {
    INFO(hex_of(x));
    CHECK(hazards(x) != "");
    CHECK(hazards(std::string{"before "} + x + " behind") != "");
  }
  CHECK(hazards({"\0", 1}) == "00 at byte 0; ");
}

TEST_CASE("what is no UTF-8 is a hazard") {
  for (auto x : {"\xff", "\x80", "\xc0\xaf", "\xe2\x80", "\xed\xa0\x80",
                 "\xf4\x90\x80\x80", "\xc2"}) {
    INFO(hex_of(x));
    CHECK(hazards(x).contains("no UTF-8"));
  }
}

TEST_CASE("letters of any script, and lines, are no hazard") {
  CHECK(hazards("a\nb ü 日本語 🌾 \u00a0\u2027\u2030\ufffd") == "");
}

TEST_CASE("a line that a value has forged is told from the log's own") {
  constexpr auto own = "2026-01-19T08:30:00.123Z INFO node-ready name=one\n"
                       "2026-01-19T08:30:00.124Z ERROR x\n";
  CHECK(foreign_lines(own) == "");
  CHECK(foreign_lines("") == "");
  for (auto x : {"ERROR forged\n", "2026-01-19 ERROR forged\n", "\n",
                 "2026-01-19T08:30:00.123Z level=error\n"}) {
    INFO(x);
    CHECK(foreign_lines(std::string{own} + x) == x);
  }
}
