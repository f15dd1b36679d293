// What expressions yield: functions, conditions, missing and null.

#include "tests/decode/one_column.hpp"
#include "tests/decode/rows.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

/// The expression as text for a payload.
std::string text_of(std::string expression, std::string_view payload = "{}") {
  return one_column{column("c", "text", 25), std::move(expression)}(payload);
}

struct expression_case {
  const char* expression;
  const char* payload;
  const char* expected;
};

} // namespace

TEST_CASE("functions yield what the guide says") {
  const expression_case cases[] = {
    {"default(.x, 'd')", "{}", "d"},
    {"default(.x, 'd')", R"({"x":null})", "NULL"},
    {"coalesce(.x, 'd')", R"({"x":null})", "d"},
    {"null_if(.x, '')", R"({"x":""})", "NULL"},
    {"null_if(.x, 0)", R"({"x":0.0})", "NULL"},
    {"null_if(.x, 0)", R"({"x":7})", "7"},
    {"if(.x > 5, 'big', 'small')", R"({"x":6})", "big"},
    {"if(.x > 5, 'big', 'small')", R"({"x":5})", "small"},
    {"substring('héllo', 2, 3)", "{}", "éll"},
    {"substring('hello', 4)", "{}", "lo"},
    {"substring('hello', 0, 3)", "{}", "he"},
    {"substring('hello', 9, 3)", "{}", ""},
    {"substring(.x, 12, 8)", R"({"x":"0000-01-01T09:30:00Z"})", "09:30:00"},
    {"substring(.none, 1, 2)", "{}", "NULL"},
    {"from_epoch(.x, 's')", R"({"x":1768824000.25})",
     "2026-01-19T12:00:00.25Z"},
    {"from_epoch(.x, 'ms')", R"({"x":"1768824000123"})",
     "2026-01-19T12:00:00.123Z"},
    {"from_epoch(.x, 'us')", R"({"x":-1})", "1969-12-31T23:59:59.999999Z"},
    {"from_epoch(.x, 'ns')", R"({"x":1768824000123456500})",
     "2026-01-19T12:00:00.123457Z"},
    {"to_epoch(.x, 'ms')", R"({"x":"2026-01-19T17:30:00.1239+05:30"})",
     "1768824000123"},
    {"to_epoch(.x, 's')", R"({"x":"1969-12-31T23:59:59.5Z"})", "-1"},
    {"to_epoch(.x, 'ns')", R"({"x":"1970-01-01T00:00:01Z"})", "1000000000"},
    {"to_epoch(@timestamp, 's')", "{}", "1768824000"},
    {"utc(.x)", R"({"x":"2025-12-03T09:15:30.418+07:00"})",
     "2025-12-03T02:15:30.418Z"},
    {"utc(.x)", R"({"x":"0001-01-01T00:00:00Z"})", "0001-01-01T00:00:00Z"},
    {"part('hour', .x)", R"({"x":"2025-12-03T02:15:30+07:00"})", "19"},
    {"part('day', .x)", R"({"x":"2025-12-03T02:15:30+07:00"})", "2"},
    {"part('weekday', .x)", R"({"x":"2026-01-19"})", "1"},
    {"part('weekday', .x)", R"({"x":"1999-12-26"})", "7"},
    {"part('day_of_year', .x)", R"({"x":"2024-12-31"})", "366"},
    {"part('year', @timestamp)", "{}", "2026"},
    {"scale(.x, -2)", R"({"x":12345})", "12345e-2"},
    {"scale('007.50', 0)", "{}", "7.50"},
    {"uuid(.x)", R"({"x":"{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"})",
     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
    {"uuid(.x)", R"({"x":"a0eebc999c0b4ef8bb6d6bb9bd380a11"})",
     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
    {"capture('orders.north.v1', 'orders.{}.v1')", "{}", "north"},
    {"capture('a-b-c', '*-{}')", "{}", "b-c"},
    {"capture('a-b-c', '{}-*')", "{}", "a"},
    {"capture('orders..v1', 'orders.{}.v1')", "{}", "NULL"},
    {"capture('trades.north', 'orders.{}')", "{}", "NULL"},
    {"header(1)", "{}", "NULL"},
    {"@index", "{}", "0"},
  };
  for (const auto& x : cases) {
    INFO(x.expression << " of " << x.payload);
    CHECK(text_of(x.expression, x.payload) == x.expected);
  }
}

TEST_CASE("conditions hold where the guide says, and only there") {
  constexpr auto payload
    = R"({"n":5,"m":5.0,"big":9007199254740993,"t":"5","s":"b","yes":true,)"
      R"("no":false,"nil":null,"o":{"p":1},"a":[1],"e":"\u0062"})";
  const std::pair<const char*, bool> cases[] = {
    {".n = .m", true},
    {".n = .t", true},
    {".n = 5e0", true},
    {".n != 5", false},
    {".big = 9007199254740992", false},
    {".big > 9007199254740992", true},
    {".s = 'b'", true},
    {".s = .e", true},
    {".s = 5", false},
    {".s < 'c'", true},
    {".s >= 'b' and .s <= 'b'", true},
    {".nil = null", true},
    {".none = null", true},
    {".nil = .none", true},
    {".n = null", false},
    {".n != null", true},
    {".none = 5", false},
    {".none != 5", true},
    {".none < 5", false},
    {".none >= 5", false},
    {"exists(.nil)", true},
    {"exists(.none)", false},
    {"exists(.o.p)", true},
    {"exists(.n.p)", false},
    {"exists(header('h'))", false},
    {".s in ('a', 'b')", true},
    {".s not in ('a', 'b')", false},
    {".n in (1, 5)", true},
    {".none in ('a', null)", true},
    {".yes", true},
    {".no", false},
    {"not .yes", false},
    {"not .none", true},
    {"not .no and .yes", true},
    {".no or .no or .yes", true},
    {".no and .n > 'x' or .yes", true},
    {".yes or .no and .no", true},
    {"(.yes or .no) and .no", false},
    {"not (.yes and .no)", true},
    {"@timestamp > '2026-01-19T12:00:00Z'", true},
    {"@timestamp = 1768824000123", true},
    {"utc('2026-01-19T12:00:00Z') < @timestamp", true},
    {"@topic = 't' and @partition = 3", true},
    {"coalesce(.none, true)", true},
  };
  for (const auto& [condition, expected] : cases) {
    INFO(condition);
    CHECK(text_of(condition, payload) == (expected ? "true" : "false"));
  }
}

TEST_CASE("what cannot be computed is a dead letter that says why") {
  const expression_case cases[] = {
    {".x > 5", R"({"x":"abc"})",
     R"(found "abc" for .x > 5, expected a number)"},
    {".x < 'b'", R"({"x":true})", "expected a number, a text or a time"},
    {".x = 5", R"({"x":[5]})", "found the array [5] for .x = 5"},
    {"not .x", R"({"x":"yes"})", "expected true or false"},
    {"from_epoch(.x, 's')", R"({"x":"soon"})",
     "expected a time since 1970 as a number"},
    {"from_epoch(.x, 's')", R"({"x":1e30})", "expected a time since 1970"},
    {"utc(.x)", R"({"x":"2025-12-03T09:15:30"})", "a time with an offset"},
    {"part('hour', .x)", R"({"x":"noon"})", "expected a time or a date"},
    {"scale(.x, 2)", R"({"x":"much"})", "expected a number"},
    {"scale(.x, .y)", R"({"x":1,"y":0.5})", "a whole number from -1000"},
    {"uuid(.x)", R"({"x":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"})",
     "expected a uuid"},
    {"substring(.x, 1, 2)", R"({"x":{}})", "expected text"},
    {"required(default(.x, null))", "{}", "found null"},
  };
  for (const auto& x : cases) {
    INFO(x.expression << " of " << x.payload);
    auto found = text_of(x.expression, x.payload);
    CHECK(found.starts_with("reject: "));
    CHECK(found.contains(x.expected));
  }
}

TEST_CASE("scaled numbers and computed times reach their columns exactly") {
  one_column price{column("c", "numeric", 1700), "scale(.x, -8)"};
  CHECK(numeric_text(price.of("0")).starts_with("reject") == false);
  one_column cents{column("c", "numeric", 1700, true, numeric_typmod(20, 2)),
                   "scale(.v, -2)"};
  CHECK(numeric_text(cents.of("900719925474099312")) == "9007199254740993.12");
  one_column date{column("c", "date", 1082), "from_epoch(.v, 's')"};
  CHECK(hex(date.of("946684800")) == "00000000");
  CHECK(hex(date.of("946684799")) == "ffffffff");
  one_column plain{column("c", "timestamp without time zone", 1114), "utc(.v)"};
  CHECK(hex(plain.of(R"("2000-01-01T07:00:01+07:00")")) == "00000000000f4240");
  one_column time{column("c", "time without time zone", 1083), ".v"};
  CHECK(hex(time.of(R"("00:00:01.5")")) == "000000000016e360");
  CHECK(hex(time.of(R"("24:00:00")")) == "000000141dd76000");
  CHECK(time.of(R"("9:00")").contains("a time of day such as"));
  CHECK(time.of(R"("09:00Z")").contains("a time of day such as"));
  one_column flag{column("c", "boolean", 16), ".v in (1, 2)"};
  CHECK(flag.of("2") == std::string(1, '\1'));
}

TEST_CASE("a code table may say what stands for the others") {
  auto config = pipeline("t", {{"c", "code(names, .x, concat('?', .x))"}});
  config.codes.push_back({"names", {{"A", "first"}}, {}});
  decoder decode{compiled(config, {text_table("t", {"c"})})};
  memory_sink sink;
  decode.decode(record_with(R"({"x":"A"})"), sink);
  decode.decode(record_with(R"({"x":"B"})"), sink);
  decode.decode(record_with("{}"), sink);
  CHECK(text_rows(sink.of("demo").blocks.at(0))
        == std::vector<std::string>{"first", "?B", "?"});
}

TEST_CASE("members are found in any case where the pipeline says so") {
  auto config = pipeline("t", {{"c", ".Nid.inner"}, {"d", ".NID.INNER"}});
  auto table = text_table("t", {"c", "d"});
  constexpr auto payload = R"({"nid":{"I\u006ener":7},"other":1})";
  for (auto any : {false, true}) {
    config.member_names = any ? name_case::any_case : name_case::exact;
    decoder decode{compiled(config, {table})};
    memory_sink sink;
    decode.decode(record_with(payload), sink);
    CHECK(text_rows(sink.of("demo").blocks.at(0)).at(0)
          == (any ? "7,7" : "NULL,NULL"));
  }
}

TEST_CASE("errors in conditions and functions point at the character") {
  auto problem = [](std::string text) {
    auto found = check_expressions(pipeline("t", {{"v", std::move(text)}}));
    return found.empty() ? "" : to_string(found.front());
  };
  CHECK(problem(".a == 1").contains(":10:23: "));
  CHECK(problem(".a == 1").contains("expected a single ="));
  CHECK(problem(".a in 'x'").contains("a list in parentheses"));
  CHECK(problem(".a and 'x'").contains(":10:27: "));
  CHECK(problem(".a and 'x'").contains("found 'x', expected a condition"));
  CHECK(problem("if(1, 2, 3)").contains("found 1, expected a condition"));
  CHECK(problem("(.a = 1").contains("a closing parenthesis"));
  CHECK(problem("from_epoch(.a, 'h')").contains(":10:35: "));
  CHECK(problem("from_epoch(.a, 'h')").contains("'s', 'ms', 'us' or 'ns'"));
  CHECK(problem("part('hours', .a)").contains("found 'hours', expected"));
  CHECK(problem("capture(.a, 'x')").contains("one {} for what is wanted"));
  CHECK(problem("exists(1)").contains("a member or a header"));
  CHECK(problem("@type").contains("found @type, expected event_type"));
  CHECK(problem("item.a").contains("a member is .name"));
  CHECK(problem("index(item)").contains("an element of this write's each"));
  CHECK(problem("header(2)").contains("or 1 for the first"));
  CHECK(problem("coalesce(.a,\n  .b,\n  )").contains(":12:3: "));
  std::string deep = ".a";
  for (int i = 0; i < 40; ++i)
    deep = "not (" + deep + ')';
  CHECK(problem(deep).contains("nested too deep"));
}
