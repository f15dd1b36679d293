#include "tests/checker/fold.hpp"
#include "tests/checker/json_scan.hpp"
#include "tests/checker/ledger.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <format>

using namespace millrace_check;

namespace {

const code_table symbols{{"EURUSD", 1}, {"XAUUSD", 41}};

std::string fold(std::string_view value) {
  auto due = fold_tick(value, symbols);
  return due.is_row() ? due.row : "! " + due.reason;
}

} // namespace

TEST_CASE("a tick of the recorded feed becomes a row, digits as sent") {
  CHECK(fold(R"({"broker_id":"default","symbol":"EURUSD",)"
             R"("bid":4.857131869134759,"ask":4.857281869134758,)"
             R"("spread":0.0001499999999996504,)"
             R"("timestamp":"2026-01-19T17:21:51.8949576+05:30",)"
             R"("lp":"OANDA-HISTORICAL"})")
        == "1\tEURUSD\t2026-01-19 11:51:51.894958+00\t4.857131869134759\t"
           "4.857281869134758\t0.0001499999999996504\t\\N\t\\N\t"
           "OANDA-HISTORICAL\tdefault");
}

TEST_CASE("what cannot be a row is a dead letter with a reason") {
  CHECK(fold_tick(std::nullopt, symbols).reason == "null value");
  auto with = [](std::string_view symbol, std::string_view time,
                 std::string_view bid) {
    return fold(std::format(
      R"({{"symbol":{},"timestamp":{},"bid":{},"ask":2}})", symbol, time, bid));
  };
  constexpr auto good_time = "\"2026-01-19T00:00:00Z\"";
  CHECK(with("\"EURUSD\"", good_time, "1").starts_with("1\tEURUSD\t"));
  CHECK(with("\"NOPE\"", good_time, "1") == "! symbol: not in the code table");
  CHECK(with("1", good_time, "1") == "! symbol: missing or not a text");
  CHECK(with("\"EURUSD\"", "\"soon\"", "1")
        == "! timestamp: missing or not a time");
  CHECK(with("\"EURUSD\"", good_time, "null") == "! bid: missing");
  CHECK(with("\"EURUSD\"", good_time, "\"x\"") == "! bid: not a number");
  CHECK(fold("[1]") == "! not a JSON object");
  CHECK(fold("{\"a\":1").starts_with("! not valid JSON"));
  CHECK(fold("\xef\xbb\xbf{}") == "! begins with a byte order mark");
  CHECK(fold("{} {}").starts_with("! not valid JSON"));
}

TEST_CASE("members are found in any order, nested ones are not") {
  auto members = scan_object(
    R"( { "x" : {"symbol":"a}\"]"} , "sym\u0062ol":[1,{"y":"]"}],"n":-1.50e3 ,"s":"a\\" } )");
  REQUIRE(members);
  REQUIRE(members->size() == 4);
  CHECK((*members)[0].raw == R"({"symbol":"a}\"]"})");
  CHECK((*members)[1].name == "symbol");
  CHECK((*members)[1].raw == R"([1,{"y":"]"}])");
  CHECK((*members)[2].raw == "-1.50e3");
  CHECK((*members)[3].raw == R"("a\\")");
  CHECK(unescape(R"("\ud83d\ude00\u00e4\n\/")") == "\U0001F600\u00e4\n/");
}

TEST_CASE("numbers are printed as PostgreSQL prints numeric") {
  const std::pair<const char*, const char*> cases[]{
    {"1", "1"},
    {"-0", "0"},
    {"-0.0", "0.0"},
    {"1.50", "1.50"},
    {"1e-05", "0.00001"},
    {"1.5e1", "15"},
    {"1.50e1", "15.0"},
    {"100e-1", "10.0"},
    {"1E+2", "100"},
    {"0.001e2", "0.1"},
    {"-12.5e-3", "-0.0125"},
    {"00.5", "0.5"},
    {"5.", "5"},
    {".5", "0.5"},
    {"0", "0"},
    {"0.10", "0.10"},
  };
  for (auto [given, printed] : cases) {
    INFO(given);
    CHECK(numeric_text(given) == printed);
  }
  for (auto bad : {"", "x", "1.2.3", "e5", "1e", "0x10", "1e999999999"})
    CHECK_FALSE(numeric_text(bad));
}

TEST_CASE("times are rounded to microseconds, half to even of the double") {
  const std::pair<const char*, const char*> cases[]{
    {"2026-01-19T17:21:51.8949576+05:30", "2026-01-19 11:51:51.894958+00"},
    {"2026-01-19 00:00:00Z", "2026-01-19 00:00:00+00"},
    {"2026-12-31T23:59:59.9999999Z", "2027-01-01 00:00:00+00"},
    {"2026-01-19T00:00:00.120000Z", "2026-01-19 00:00:00.12+00"},
    {"1969-12-31T23:59:59.5-00:30", "1970-01-01 00:29:59.5+00"},
    {"2024-02-29T24:00:00Z", "2024-03-01 00:00:00+00"},
    {"0001-01-02T00:00:00Z", "0001-01-02 00:00:00+00"},
    {"2026-01-19T00:00+05", "2026-01-18 19:00:00+00"},
    {"2026-01-19T00:00:00-0530", "2026-01-19 05:30:00+00"},
    {"2026-01-19t23:59:60z", "2026-01-20 00:00:00+00"},
  };
  for (auto [given, printed] : cases) {
    INFO(given);
    CHECK(timestamp_text(given) == printed);
  }
  for (auto bad : {"2026-02-30T00:00:00Z", "2026-01-19T00:00:00",
                   "2026-01-19T25:00:00Z", "2026-01-19T00:00:00.Z", "now",
                   "2026-01-19T23:59:60.5Z", "2026-01-19T00:00:00+5",
                   "2026-01-19T00:00:00+05:", "2026-01-19T00:00:00+0:530"})
    CHECK_FALSE(timestamp_text(bad));
}

TEST_CASE("the ledger finds what is missing, twice, different, unexpected") {
  ledger book{10};
  book.open(0, 100, 110);
  for (int64_t at : {100, 101, 102, 103})
    book.expect(0, at, entry_state::row, static_cast<uint64_t>(at));
  book.expect(0, 104, entry_state::dead_letter, 104);
  SECTION("nothing when all is well") {
    for (int64_t at : {103, 100, 102, 101})
      book.check(0, at, entry_state::row, static_cast<uint64_t>(at), "row");
    book.check(0, 104, entry_state::dead_letter, 104, "letter");
    book.close({{0, 110}});
    CHECK(book.clean());
    CHECK(book.rows_found == 4);
    CHECK(book.dead_letters_found == 1);
  }
  SECTION("each kind, with its place") {
    book.check(0, 100, entry_state::row, 100, "row");
    book.check(0, 100, entry_state::row, 100, "row");
    book.check(0, 101, entry_state::row, 7, "other row");
    book.check(0, 102, entry_state::dead_letter, 102, "letter");
    book.check(0, 109, entry_state::row, 1, "from a hole");
    book.check(0, 500, entry_state::row, 1, "beyond");
    book.check(9, 0, entry_state::row, 1, "elsewhere");
    book.check(0, 50, entry_state::row, 1, "below");
    book.close({{0, 104}});
    CHECK(book.count(finding_kind::twice) == 1);
    CHECK(book.count(finding_kind::different) == 1);
    CHECK(book.count(finding_kind::unexpected) == 4);
    CHECK(book.count(finding_kind::missing) == 1);
    CHECK(book.pending == 1);
    CHECK(book.unverifiable == 1);
    auto missing = std::ranges::find(book.examples(), finding_kind::missing,
                                     &finding::kind);
    REQUIRE(missing != book.examples().end());
    CHECK(missing->offset == 103);
  }
}

TEST_CASE("examples are limited for each kind, counts are not") {
  ledger book{2};
  book.open(0, 0, 10);
  for (int64_t at = 0; at < 10; ++at)
    book.expect(0, at, entry_state::row, 1);
  book.check(0, 0, entry_state::row, 2, "x");
  book.close({{0, 10}});
  CHECK(book.count(finding_kind::missing) == 9);
  CHECK(book.examples().size() == 3);
}

TEST_CASE("texts that differ have hashes that differ") {
  CHECK(content_hash("") != content_hash(std::string_view{"\0", 1}));
  CHECK(content_hash("abcdefgh") != content_hash("abcdefgi"));
  CHECK(content_hash("12345678a") != content_hash("a12345678"));
  CHECK(content_hash(content_hash(0, "a"), "bc")
        != content_hash(content_hash(0, "ab"), "c"));
}
