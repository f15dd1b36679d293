#include "tests/decode/one_column.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;
using namespace std::string_literals;

namespace {

/// Decodes into a text column from `.v`; the record must be a reject of the
/// decode stage.
std::string refused(std::string_view payload) {
  one_column column{test::column("v", "text", 25)};
  auto result = column(payload);
  CHECK(result.starts_with("reject: "));
  CHECK(column.last_stage == reject_stage::decode);
  CHECK(result.size() <= 8 + 300);
  return result.substr(std::min<std::size_t>(8, result.size()));
}

std::string accepted(std::string_view payload) {
  one_column column{test::column("v", "text", 25)};
  return column(payload);
}

std::string nested(std::size_t levels) {
  return "{\"v\":\"x\",\"deep\":" + std::string(levels - 1, '[')
         + std::string(levels - 1, ']') + '}';
}

} // namespace

TEST_CASE("a raw NUL byte or control character is a reject") {
  CHECK(refused("{\"v\":\"a\0b\"}"s).contains("control character"));
  CHECK(refused("{\"v\":\"a\nb\"}"s).contains("control character"));
  refused("{\"v\":1\0}"s);
  refused("{\"v\":1}\0"s);
  refused("\0"s);
}

TEST_CASE("invalid UTF-8 is a reject that names the byte") {
  CHECK(refused("{\"v\":\"\xff\"}") == "not JSON: invalid UTF-8 at byte 6");
  CHECK(refused("{\"v\":\"a\xc0\xaf\"}")
        == "not JSON: invalid UTF-8 at byte 7");
  CHECK(refused("{\"v\":\"é\xed\xa0\x80\xed\xb0\x80\"}")
        == "not JSON: invalid UTF-8 at byte 8");
  CHECK(refused("{\"other\":\"\xe2\x82\"}").contains("invalid UTF-8"));
  // A byte that belongs to no character, behind one that is whole.
  CHECK(refused("{\"v\":\"\x80\"}") == "not JSON: invalid UTF-8 at byte 6");
  CHECK(refused("{\"v\":\"é\x80\"}") == "not JSON: invalid UTF-8 at byte 8");
}

TEST_CASE("a lone surrogate is a reject, wherever it stands") {
  for (auto x : {R"({"v":"\ud83d"})", R"({"v":"\ude00"})", R"({"v":"\ud83dx"})",
                 R"({"v":"\ud83d\ud83d"})", R"({"other":"\ud83d"})",
                 R"({"\ud83d":1})", R"({"o":{"deep":["\ude00"]}})"})
    CHECK(refused(x).contains("escape"));
}

TEST_CASE("a bad escape is shown with its place") {
  CHECK(refused(R"({"v":"ab\ud83d"})")
        == "not JSON: a bad escape sequence in a string at byte 8: "
           "\"\\ud83d\"}\"");
  CHECK(refused(R"({"other":"\n\q"})")
        == "not JSON: a bad escape sequence in a string at byte 12: "
           "\"\\q\"}\"");
}

TEST_CASE("nesting goes to 64 levels") {
  CHECK(accepted(nested(64)) == "x");
  CHECK(refused(nested(65)).contains("nesting deeper than 64 levels"));
  CHECK(refused(nested(1'000)).contains("nesting deeper"));
  CHECK(refused(nested(1'000'000)).contains("nesting deeper"));
  std::string objects = "{\"v\":";
  for (int i = 0; i < 100; ++i)
    objects += "{\"v\":";
  CHECK(
    refused(objects + "1" + std::string(101, '}')).contains("nesting deeper"));
}

TEST_CASE("a payload above the limit is a reject that is not read") {
  auto config = pipeline("t", {{"v", ".v"}});
  config.limits.max_record_bytes = 20;
  decoder decode{
    compiled(config, {{"s", "t", {test::column("v", "text", 25)}, {}}})};
  memory_sink sink;
  record_view record;
  record.value = R"({"v":"01234567890"})";
  REQUIRE(record.value->size() == 19);
  CHECK(decode.decode(record, sink) == outcome::written);
  record.value = R"({"v":"012345678901x)";
  REQUIRE(record.value->size() == 19);
  auto longer = std::string{*record.value} + std::string(2, '!');
  record.value = longer;
  REQUIRE(decode.decode(record, sink) == outcome::rejected);
  const auto& reject = sink.of("demo").rejects.at(0);
  CHECK(reject.reason
        == "found a payload of 21 bytes, expected at most 20 "
           "(limits.max_record_bytes)");
  CHECK(reject.value == longer);
}

namespace {

/// The reject that a payload of 100,000 bytes becomes where 2,000 are allowed.
reject oversized(oversized_policy policy) {
  auto config = pipeline("t", {{"v", ".v"}});
  config.limits.max_record_bytes = 2'000;
  config.limits.oversized = policy;
  decoder decode{
    compiled(config, {{"s", "t", {test::column("v", "text", 25)}, {}}})};
  memory_sink sink;
  auto value = std::string(100'000, 'a');
  header_view headers[]{{"h", "x"}};
  record_view record;
  record.key = "k";
  record.value = value;
  record.headers = headers;
  record.offset = 7;
  CHECK(decode.decode(record, sink) == outcome::rejected);
  // What fits is no business of the option, however wrong it is.
  auto small = std::string(2'000, 'a');
  record.value = small;
  CHECK(decode.decode(record, sink) == outcome::rejected);
  auto all = sink.of("demo").rejects;
  REQUIRE(all.size() == 2);
  CHECK(all[1].value == small);
  CHECK(all[1].value_bytes == -1);
  CHECK_FALSE(all[1].halts);
  CHECK(all[0].at == offset{7});
  CHECK(all[0].key == "k");
  CHECK(all[0].headers == std::string_view{"\0\0\0\1h\0\0\0\1x", 10});
  CHECK(all[0].reason
        == "found a payload of 100000 bytes, expected at most 2000 "
           "(limits.max_record_bytes)");
  return all[0];
}

/// Of 100,000 times `a`.
const auto sum_of_all
  = "6d1cf22d7cc09b085dfc25ee1a1f3ae0265804c607bc2074ad253bcc82fd81ee"s;

} // namespace

TEST_CASE("a payload above the limit is kept whole unless told otherwise") {
  CHECK(pipeline_limits{}.oversized == oversized_policy::keep);
  auto x = oversized(oversized_policy::keep);
  CHECK(x.value.size() == 100'000);
  CHECK(x.value_bytes == -1);
  CHECK(x.value_sha256.empty());
  CHECK_FALSE(x.halts);
}

TEST_CASE("a payload above the limit may be cut to its beginning, length and "
          "SHA-256") {
  auto x = oversized(oversized_policy::cut);
  CHECK(x.value == std::string(65'536, 'a'));
  CHECK(x.value_bytes == 100'000);
  CHECK(hex(x.value_sha256) == sum_of_all);
  CHECK_FALSE(x.halts);
}

TEST_CASE("a payload above the limit may halt its lane") {
  auto x = oversized(oversized_policy::halt);
  CHECK(x.halts);
  CHECK(x.value.size() == 65'536);
  CHECK(hex(x.value_sha256) == sum_of_all);
}

TEST_CASE("a payload above a small limit that is no longer than what is kept "
          "of one is whole") {
  auto config = pipeline("t", {{"v", ".v"}});
  config.limits.max_record_bytes = 2'000;
  config.limits.oversized = oversized_policy::cut;
  decoder decode{
    compiled(config, {{"s", "t", {test::column("v", "text", 25)}, {}}})};
  memory_sink sink;
  auto value = std::string(65'536, 'a');
  record_view record;
  record.value = value;
  CHECK(decode.decode(record, sink) == outcome::rejected);
  const auto& reject = sink.of("demo").rejects.at(0);
  CHECK(reject.value == value);
  CHECK(reject.value_bytes == -1);
  CHECK(reject.value_sha256.empty());
}

TEST_CASE("NaN and Infinity are not JSON") {
  for (auto x : {R"({"v":NaN})", R"({"v":Infinity})", R"({"v":-Infinity})",
                 R"({"other":NaN})", R"({"o":[nan]})"})
    CHECK(refused(x).starts_with("not JSON: "));
}

TEST_CASE("misspelled numbers are not JSON, read or not") {
  for (auto x : {"01", "+1", "1.", ".5", "1e", "1e+", "-", "0x10", "1_0", "--1",
                 "1.2.3", "1,5", "12abc"}) {
    INFO(x);
    refused(std::format("{{\"v\":{}}}", x));
    refused(std::format("{{\"v\":\"x\",\"other\":{}}}", x));
    one_column number{test::column("v", "numeric", 1700)};
    CHECK(number.of(x).starts_with("reject: not JSON"));
    CHECK(number.last_stage == reject_stage::decode);
  }
}

TEST_CASE("what is not one JSON object is a reject with its reason") {
  CHECK(refused("") == "not JSON: the payload is empty");
  CHECK(refused("  \n ") == "not JSON: the payload is empty");
  CHECK(refused("\xef\xbb\xbf{\"v\":1}")
        == "not JSON: a byte order mark at byte 0");
  CHECK(refused("{\"v\":\"x\"} x")
        == "not JSON: something after the end of the value at byte 10: \"x\"");
  CHECK(refused("{\"v\":1}{\"v\":2}").contains("after the end"));
  CHECK(refused("{\"v\":1}}").contains("after the end"));
  CHECK(refused("[{\"v\":1}]")
        == "found \"[{\"v\":1}]\" at the root, expected an object");
  CHECK(refused("\"text\"").contains("at the root"));
  CHECK(refused("42").contains("at the root"));
  CHECK(refused("null").contains("at the root"));
  CHECK(refused("hello").starts_with("not JSON: "));
}

TEST_CASE("a payload cut short anywhere is a reject") {
  auto whole = R"({"o":{"a":[1,"\u00e9x"]},"v":"text","n":-1.5e3,"t":true})"s;
  CHECK(accepted(whole) == "text");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    INFO(i);
    refused(whole.substr(0, i));
  }
}

TEST_CASE("broken syntax is a reject, read or not") {
  for (auto x : {R"({"v":1,})",      R"({"v" 1})",        R"({v:1})",
                 R"({"v":1 "w":2})", R"({"v":})",         R"({,"v":1})",
                 R"({"v":[1,]})",    R"({"v":[1 2]})",    R"({"w":{"x":1]})",
                 R"({"w":{"x"}})",   R"({"v":tru})",      R"({"w":nul})",
                 R"({"v":"x"y})",    R"({"v":'x'})",      R"({"v":"\x"})",
                 R"({"w":"\u12"})",  R"({"w":"\u12g4"})", R"({"v":1}/**/)",
                 R"({"v"::1})",      R"({1:2})",          R"({"v":{}{}})",
                 R"({"w":[}]})"}) {
    INFO(x);
    refused(x);
  }
}

TEST_CASE("a tombstone is a reject where no write is for it") {
  one_column column{test::column("v", "text", 25)};
  record_view record;
  record.key = "k";
  CHECK(column.decode(record).contains("tombstone"));
}

TEST_CASE("of a member that comes twice the last one counts") {
  CHECK(accepted(R"({"v":"a","v":"b"})") == "b");
  CHECK(accepted(R"({"v":"a","v":null})") == "NULL");
  CHECK(accepted(R"({"v":"a","\u0076":"b"})") == "b");
  one_column inner{test::column("v", "text", 25), ".o.v"};
  CHECK(inner(R"({"o":{"v":"a"},"o":{"w":1}})") == "NULL");
  CHECK(inner(R"({"o":{"v":"a","v":"b"}})") == "b");
  CHECK(inner(R"({"o":1,"o":{"v":"b"}})") == "b");
}

TEST_CASE("names are compared byte for byte") {
  CHECK(accepted(R"({"V":"a"})") == "NULL");
  CHECK(accepted(R"({"v ":"a"})") == "NULL");
  CHECK(accepted(R"({"":"a"})") == "NULL");
  // Composed and decomposed are two names.
  one_column accent{test::column("v", "text", 25), ".\"é\""};
  CHECK(accent("{\"\xc3\xa9\":\"a\"}") == "a");
  CHECK(accent("{\"e\xcc\x81\":\"a\"}") == "NULL");
}

TEST_CASE("a member that became something else is a reject with its path") {
  one_column number{test::column("v", "bigint", 20), ".o.v"};
  CHECK(number(R"({"o":{"v":"x"}})")
        == "reject: column v (bigint) from .o.v: found \"x\", expected a "
           "whole number from -9223372036854775808 to 9223372036854775807");
  CHECK(number(R"({"o":{"v":{"w":1}}})").contains("found the object"));
  CHECK(number(R"({"o":5})").contains("found 5 on the way"));
  CHECK(number(R"({"o":[]})").contains("on the way"));
  CHECK(number(R"({"o":"s"})").contains("on the way"));
  CHECK(number(R"({"o":""})").contains("on the way"));
  CHECK(number(R"({"o":null})") == "NULL");
  CHECK(number(R"({})") == "NULL");
  CHECK(number(R"({"o":{"new":1,"v":8,"more":[{}]}})").size() == 8);
}

TEST_CASE("members in another order, and new ones, change nothing") {
  one_column column{test::column("v", "text", 25)};
  CHECK(column(R"({"a":1,"v":"x","b":2})") == "x");
  CHECK(column(R"({"b":2,"v":"y","a":1})") == "y");
  CHECK(column(R"({"v":"z"})") == "z");
  CHECK(column(R"({"a":1,"ab":3,"v":"w","b":2})") == "w");
  std::string many = "{";
  for (int i = 0; i < 200; ++i)
    many += std::format("\"member_with_a_name_of_some_length_{}\":{},", i, i);
  CHECK(column(many + R"("v":"last"})") == "last");
  CHECK(column(many + R"("v":"last"})") == "last");
}

TEST_CASE("NOT NULL columns refuse missing members and null by name") {
  one_column column{test::column("v", "text", 25, false)};
  CHECK(column("{}")
        == "reject: column v (text) from .v: found nothing, but the column is "
           "NOT NULL");
  CHECK(column.last_stage == reject_stage::map);
  CHECK(column.of("null").contains("found null"));
}

TEST_CASE("reasons are short and safe to print") {
  one_column column{test::column("v", "bigint", 20)};
  CHECK(column.of("\"\xe2\x80\xae\\n\"").contains("\\u{202e}"));
  CHECK(column.of('"' + std::string(10'000, 'x') + '"').size() < 300);
  auto control = refused("\x1b[31m{\xc2\x85");
  CHECK_FALSE(control.contains('\x1b'));
  CHECK_FALSE(control.contains("\xc2\x85"));
}

TEST_CASE("large payloads pass") {
  auto big = std::string((1 << 20) + 1, 'x');
  auto same = accepted("{\"v\":\"" + big + "\"}") == big;
  CHECK(same);
}
