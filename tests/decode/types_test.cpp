#include "tests/decode/one_column.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

TEST_CASE("text is the string without its escapes") {
  one_column column{test::column("v", "text", 25)};
  CHECK(column.of(R"("plain")") == "plain");
  CHECK(column.of(R"("")").empty());
  CHECK(column.of(R"("a\"b\\c\/d\b\f\n\r\t")") == "a\"b\\c/d\b\f\n\r\t");
  CHECK(column.of(R"("\u00e9\u20ac\ud83d\ude00")") == "é€😀");
  CHECK(column.of(R"("é€😀")") == "é€😀");
  CHECK(column.of(R"("A string of more than thirty-two bytes, as they come")")
        == "A string of more than thirty-two bytes, as they come");
}

TEST_CASE("text takes numbers as sent and truth, but no structure") {
  one_column column{test::column("v", "text", 25)};
  CHECK(column.of("1.50e-7") == "1.50e-7");
  CHECK(column.of("true") == "true");
  CHECK(column.of("null") == "NULL");
  CHECK(column("{}") == "NULL");
  CHECK(column.of(R"({"a":1})").starts_with("reject"));
  CHECK(column.of("[1]").starts_with("reject"));
}

TEST_CASE("a bounded text counts characters, not bytes") {
  one_column column{test::column("v", "character varying", 1043, true, 3 + 4)};
  CHECK(column.of(R"("€€€")") == "€€€");
  CHECK(column.of(R"("abcd")")
        == "reject: column v (character varying(3)) from .v: found \"abcd\", "
           "expected fewer characters");
  // As PostgreSQL: only spaces may be cut off.
  CHECK(column.of(R"("ab    ")") == "ab ");
  CHECK(column.of(R"("€\u20ac\u20acx")").starts_with("reject"));
  one_column padded{test::column("v", "character", 1042, true, 3 + 4)};
  CHECK(padded.of(R"("ab")") == "ab");
  CHECK(padded.of(R"("abcd")").starts_with("reject"));
}

TEST_CASE("\\u0000 has no place in text") {
  one_column column{test::column("v", "text", 25)};
  CHECK(column.of(R"("a\u0000b")")
        == "reject: column v (text) from .v: found \"a\\u0000b\", expected "
           "text without \\u0000");
  CHECK(column.of(R"("a\\u0000b")") == "a\\u0000b");
}

TEST_CASE("booleans are true and false") {
  one_column column{test::column("v", "boolean", 16)};
  CHECK(hex(column.of("true")) == "01");
  CHECK(hex(column.of("false")) == "00");
  CHECK(hex(column.of(R"("true")")) == "01");
  CHECK(column.of("1").starts_with("reject"));
  CHECK(column.of(R"("yes")").starts_with("reject"));
}

TEST_CASE("uuids come with hyphens or without") {
  one_column column{test::column("v", "uuid", 2950)};
  auto want = "00112233445566778899aabbccddeeff";
  CHECK(hex(column.of(R"("00112233-4455-6677-8899-AABBCCDDEEFF")")) == want);
  CHECK(hex(column.of(R"("00112233445566778899aabbccddeeff")")) == want);
  for (auto x : {R"("00112233-4455-6677-8899-aabbccddeef")",
                 R"("0011223-34455-6677-8899-aabbccddeeff")",
                 R"("{00112233-4455-6677-8899-aabbccddeeff}")",
                 R"("0011223344556677889gaabbccddeeff")", "1"})
    CHECK(column.of(x).starts_with("reject"));
}

TEST_CASE("json columns keep the text of a value") {
  one_column text{test::column("v", "json", 114)};
  one_column binary{test::column("v", "jsonb", 3802)};
  for (std::string x : {R"({"a": [1, 2.50, null]})", "[ ]", "17", "true",
                        R"("str\ting")", R"("")"}) {
    INFO(x);
    CHECK(text.of(x) == x);
    CHECK(binary.of(x) == '\x01' + x);
  }
  CHECK(binary.of("null") == "NULL");
}

TEST_CASE("jsonb refuses what it cannot hold") {
  one_column text{test::column("v", "json", 114)};
  one_column binary{test::column("v", "jsonb", 3802)};
  CHECK(text.of(R"({"a":"\u0000"})") == R"({"a":"\u0000"})");
  CHECK(binary.of(R"({"a":"\u0000"})").starts_with("reject"));
  CHECK(binary.of(R"({"\u0000":1})").starts_with("reject"));
  CHECK_FALSE(binary.of(R"({"a":"\\u0000"})").starts_with("reject"));
  CHECK(binary.of("[1e131072]").starts_with("reject"));
  CHECK_FALSE(binary.of("[1e131071]").starts_with("reject"));
}

TEST_CASE("the whole payload fits json, text and bytes") {
  std::string payload = R"( {"a": "\u00e9"} )";
  one_column json{test::column("v", "jsonb", 3802), "@payload"};
  CHECK(json(payload) == '\x01' + payload);
  one_column text{test::column("v", "text", 25), "@payload"};
  CHECK(text(payload) == payload);
  one_column bytes{test::column("v", "bytea", 17), "@payload"};
  CHECK(bytes(payload) == payload);
}

TEST_CASE("bytes come from the record or as hexadecimal text") {
  one_column key{test::column("v", "bytea", 17), "@key"};
  record_view record;
  record.value = "{}";
  CHECK(key.decode(record) == "NULL");
  record.key = "";
  CHECK(key.decode(record).empty());
  record.key = std::string_view{"\xff\0x", 3};
  CHECK(key.decode(record) == *record.key);
  one_column path{test::column("v", "bytea", 17)};
  CHECK(hex(path.of(R"("\\x0aFF")")) == "0aff");
  CHECK(path.of(R"("\\x0aF")").starts_with("reject"));
  CHECK(path.of(R"("plain")").starts_with("reject"));
}

TEST_CASE("a key that is not UTF-8 is no text") {
  one_column column{test::column("v", "text", 25), "@key"};
  record_view record;
  record.value = "{}";
  record.key = "\xff";
  CHECK(column.decode(record)
        == "reject: column v (text) from @key: found \"\\xff\", expected text "
           "in valid UTF-8");
  record.key = std::string_view{"a\0b", 3};
  CHECK(column.decode(record).starts_with("reject"));
}

TEST_CASE("one-dimensional arrays carry their elements' type") {
  one_column column{test::column("v", "bigint[]", 1016)};
  CHECK(hex(column.of("[]")) == "000000000000000000000014");
  CHECK(hex(column.of("[7, null]"))
        == "000000010000000100000014000000020000000100000008"
           "0000000000000007ffffffff");
  CHECK(column.of("[[1]]").starts_with("reject"));
  CHECK(column.of("[1, \"x\"]").starts_with("reject"));
  CHECK(column.of("7").starts_with("reject"));
  one_column text{test::column("v", "text[]", 1009)};
  CHECK(hex(text.of(R"(["a,]", "\"" ])"))
        == "0000000100000000000000190000000200000001"
           "00000003612c5d0000000122");
}

TEST_CASE("an enum is sent as its label") {
  auto target = column("v", "mood", 16'500);
  target.type_kind = 'e';
  one_column column{target};
  CHECK(column.of(R"("happy")") == "happy");
}
