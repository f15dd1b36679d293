#include "nodes/cli/dlq_text.hpp"
#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::cli;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

dead_letter sample() {
  dead_letter x;
  x.id = {{"p", "t", shard{1}}, seq{7}};
  x.topic = "topic";
  x.at = offset{42};
  x.stage = "map";
  x.reason = "found \x1b[2J";
  x.time = "2026-01-19T17:00:00Z";
  x.key = "k";
  x.value = std::string{"\xff\x00", 2};
  x.headers = {{"a", "b"}, {"c", std::nullopt}};
  return x;
}

} // namespace

TEST_CASE("headers are read back as they were kept") {
  auto x = parse_headers(std::string_view{"\0\0\0\1a\0\0\0\2bc", 11});
  REQUIRE(x);
  REQUIRE(x->size() == 1);
  CHECK(x->front().name == "a");
  CHECK(x->front().value == "bc");
  x = parse_headers(std::string_view{"\0\0\0\1a\xff\xff\xff\xff", 9});
  REQUIRE(x);
  CHECK_FALSE(x->front().value);
  CHECK(parse_headers("")->empty());
  CHECK_FALSE(parse_headers(std::string_view{"\0\0\0\1a\0\0\0\2bc\0", 12}));
  CHECK_FALSE(parse_headers(std::string_view{"\0\0\0\5a", 5}));
  CHECK_FALSE(parse_headers(std::string_view{"\xff\xff\xff\xff", 4}));
  CHECK_FALSE(parse_headers(std::string_view{"\xff\xff\xff\xf0", 4}));
}

TEST_CASE("bytes that a person cannot read are shown in hexadecimal") {
  CHECK(is_readable("plain, zürich\n"));
  CHECK_FALSE(is_readable("\x1b[2J"));
  CHECK_FALSE(is_readable("\xff"));
  CHECK_FALSE(is_readable(std::string_view{"\0", 1}));
  CHECK(hex_text("\xff\x01z") == "ff017a");
  auto text = dead_letter_text(sample());
  CHECK_THAT(text, ContainsSubstring("value:     0xff00\n"));
  CHECK_THAT(text, ContainsSubstring("key:       k\n"));
  CHECK_THAT(text, ContainsSubstring("header:    c = null\n"));
  CHECK_FALSE(text.contains('\x1b'));
}

TEST_CASE("a dead letter as JSON keeps null, text and bytes apart") {
  json_document x{dead_letter_json(sample())};
  CHECK(x.text("/lane") == "p/t/1");
  CHECK(x.integer("/seq") == 7);
  CHECK(x.text("/key") == "k");
  CHECK(x.text("/value_hex") == "ff00");
  CHECK(x.text("/headers/0/value") == "b");
  CHECK((*x).at_pointer("/headers/1/value").is_null());
  auto without = sample();
  without.key.reset();
  json_document y{dead_letter_json(without)};
  CHECK((*y).at_key("key").is_null());
}

TEST_CASE("a value that was cut is shown as such, with what is known of all of "
          "it") {
  auto cut = sample();
  cut.bytes = 5;
  CHECK_FALSE(dead_letter_text(cut).contains("cut:"));
  CHECK_FALSE(dead_letters_text({cut}).contains("(cut)"));
  CHECK_FALSE(dead_letter_json(cut).contains("value_bytes"));
  cut.value_bytes = 9'000'000;
  cut.value_sha256 = "00ff";
  CHECK_THAT(dead_letter_text(cut),
             ContainsSubstring("cut:       the value's first 2 of 9000000 "
                               "bytes are kept; SHA-256 of all: 00ff\n"));
  CHECK_THAT(dead_letters_text({cut}), ContainsSubstring("  5 (cut)  "));
  json_document x{dead_letter_json(cut)};
  CHECK(x.integer("/value_bytes") == 9'000'000);
  CHECK(x.text("/value_sha256") == "00ff");
  json_document all{dead_letters_json({cut})};
  CHECK(all.integer("/0/value_bytes") == 9'000'000);
  CHECK(all.text("/0/value_sha256") == "00ff");
}

TEST_CASE("wrong dlq commands are refused before a server is asked") {
  struct wrong {
    std::vector<std::string> args;
    std::string text;
  };
  for (const auto& x : std::vector<wrong>{
         {{"dlq", "list"}, "expected --config FILE"},
         {{"dlq", "list", "--stage", "parse"}, "--stage"},
         {{"dlq", "list", "--since", "soon"}, "--since: found \"soon\""},
         {{"dlq", "list", "--limit", "0"}, "--limit"},
         {{"dlq", "show", "p/t"}, "SEQ is required"},
         {{"dlq", "show", "p/t", "1"}, "LANE: found \"p/t\""},
         {{"dlq", "show", "p/t/1", "1", "--raw", "--json"}, "one of --raw"},
         {{"dlq", "discard", "--reason", "x"},
          "expected LANE SEQ, or at least"},
         {{"dlq", "discard", "p/t/1", "1"}, "expected --reason TEXT"},
         {{"dlq", "discard", "p/t/1", "--reason", "x"}, "needs a SEQ"},
         {{"dlq", "replay"}, "expected LANE SEQ, or at least one of"},
         {{"dlq", "replay", "p/t/1", "1", "--topic", "t"}, "either LANE SEQ"},
         {{"dlq", "prune"}, "expected --config FILE"},
         {{"waiting", "list"}, "expected --config FILE"},
         {{"waiting", "list", "--stage", "store"}, "--stage"},
         {{"waiting", "show", "p/t", "1"}, "LANE: found \"p/t\""}}) {
    auto end = run(x.args);
    INFO(end.out << end.err);
    CHECK(end.code == 2);
    CHECK_THAT(end.out + end.err, ContainsSubstring(x.text.substr(0, 20)));
  }
}
