#include "config/topic_pattern.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <string>

using namespace millrace;

namespace {

bool matches(std::string_view pattern, std::string_view name) {
  auto x = topic_pattern::parse(pattern);
  INFO(pattern);
  REQUIRE(x);
  return x->matches(name);
}

/// Byte and reason, or nothing when the pattern is accepted.
std::string fault(std::string_view pattern) {
  auto x = topic_pattern::parse(pattern);
  return x ? "" : std::to_string(x.error().at) + ": " + x.error().what;
}

} // namespace

TEST_CASE("a pattern covers the whole name") {
  CHECK(matches("^orders", "orders"));
  CHECK_FALSE(matches("^orders", "orders-eu"));
  CHECK_FALSE(matches("^orders", "my-orders"));
  CHECK(matches("^orders.*", "orders-eu"));
  CHECK(matches("^orders$", "orders"));
  CHECK_FALSE(matches("^orders$", "orders-eu"));
  CHECK_FALSE(matches("^orders.+", "orders"));
}

TEST_CASE("a pattern knows sets, groups, alternatives and repetitions") {
  CHECK(matches("^trades\\.[a-z]+", "trades.fx"));
  CHECK_FALSE(matches("^trades\\.[a-z]+", "tradesxfx"));
  CHECK_FALSE(matches("^trades\\.[a-z]+", "trades.FX"));
  CHECK(matches("^[^_].*", "a"));
  CHECK_FALSE(matches("^[^_].*", "_a"));
  CHECK(matches("^(a|bc)*d?", "abcbcad"));
  CHECK(matches("^(a|bc)*d?", ""));
  CHECK_FALSE(matches("^(a|bc)*d?", "abd"));
  CHECK(matches("^a|b", "b"));
  CHECK(matches("^[a-c.-]+", "a-b.c"));
  CHECK(matches("^(a*)*b", "aaab"));
  CHECK(matches("^(|a)b+", "bb"));
  CHECK_FALSE(matches("^.", "\xC3"));
}

TEST_CASE("no pattern makes matching slow") {
  std::string name(249, 'a');
  std::string nested = "^(((a*)*)*)*b";
  std::string many = "^";
  while (many.size() + 3 < topic_pattern::max_size)
    many += "a?";
  auto before = std::chrono::steady_clock::now();
  CHECK_FALSE(matches(nested, name));
  CHECK_FALSE(matches(many, name));
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds{5});
}

TEST_CASE("what a pattern may not be is told with its place") {
  CHECK(fault("orders") == "0: a pattern that does not begin with ^");
  CHECK(fault("^a**") == "3: a repetition of a repetition; use ( )");
  CHECK(fault("^*a") == "1: a repetition of nothing");
  CHECK(fault("^(ab") == "1: a ( without its )");
  CHECK(fault("^ab)") == "3: a ) without its (");
  CHECK(fault("^a[b") == "2: a [ without its ]");
  CHECK(fault("^a[]") == "2: an empty [ ]");
  CHECK(fault("^a[z-a]")
        == "5: a range that holds no characters of a topic's "
           "name");
  CHECK(fault("^a\\d") == "2: an escape that is not known");
  CHECK(fault("^a$b") == "2: text behind $");
  CHECK(fault("^(?:a)") == "2: a repetition of nothing; (?…) is not known");
  CHECK(fault("^a{2}") == "2: a repetition of nothing");
  CHECK(fault("^a b").starts_with("2: a sign"));
  CHECK(fault("^" + std::string(topic_pattern::max_size, 'a'))
        == "0: more than 256 characters");
  CHECK(fault("^" + std::string(40, '(') + std::string(40, ')'))
          .ends_with("groups nested too deeply"));
}
