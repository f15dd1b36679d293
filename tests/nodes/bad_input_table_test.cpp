// How the table of bad inputs is read, and that it holds what it has to.

#include "tests/nodes/bad_input_table.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <iterator>
#include <map>

using namespace millrace::test;

namespace {

const std::vector<std::string> topics{"typed", "state", "field", "large"};

std::string faults(std::string_view text) {
  auto result = read_bad_inputs(text, topics);
  return result ? "" : result.error();
}

} // namespace

TEST_CASE("texts of the table hold any byte, repetitions and noise") {
  CHECK(expand("a~00~ffb~~").value()
        == std::string{"a\0\xff"
                       "b~",
                       5});
  CHECK(expand("~(3*ab)c").value() == "abababc");
  CHECK(expand("~(2*~0a)").value() == "\n\n");
  auto noise = expand("~(3000?)").value();
  CHECK(noise.size() == 3000);
  CHECK(expand("~(3000?)").value() == noise);
  for (auto bad : {"~", "~0", "~g0", "~(", "~(3)", "~(x*a)", "~(3*)", "~(3?a)",
                   "~(9999999999*a)", "~(3*~g)", "~(3*a"}) {
    INFO(bad);
    CHECK_FALSE(expand(bad));
  }
}

TEST_CASE("a reason may have anything in its middle") {
  CHECK(fits("abc", {"abc"}));
  CHECK_FALSE(fits("abcd", {"abc"}));
  CHECK(fits("at (0,21) in x", {"at (", ") in x"}));
  CHECK(fits("a1b2c", {"a", "b", "c"}));
  CHECK(fits("ac", {"a", "c"}));
  CHECK_FALSE(fits("a", {"a", "a"}));
  CHECK_FALSE(fits("a1c2b", {"a", "b", "c"}));
  auto read = read_bad_inputs("class 1 x\ncase a\nvalue\n"
                              "letter store none row ~* of ~00\n",
                              topics);
  REQUIRE(read);
  CHECK(read->at(0).sqlstate.empty());
  CHECK(read->at(0).reason
        == std::vector<std::string>{"row ", std::string{" of \0", 5}});
}

TEST_CASE("a case of the table has everything that it says") {
  auto all = read_bad_inputs("# ignored\n"
                             "class 1 first\n\n"
                             "case one\n"
                             "topic state\n"
                             "at last\n"
                             "codec zstd\n"
                             "time 5\n"
                             "key k~00\n"
                             "headers 2 h v w\n"
                             "header empty\n"
                             "value a\n"
                             "values 2 b\n"
                             "tombstone\n"
                             "letter store 23514 it is wrong\n"
                             "ask SELECT 1\n"
                             "gives 1\n"
                             "case two\n"
                             "nokey\n"
                             "value\n"
                             "row a 1\n"
                             "row b\n",
                             topics);
  REQUIRE(all);
  REQUIRE(all->size() == 2);
  const auto& x = all->at(0);
  CHECK(x.line == 4);
  CHECK(x.kind == 1);
  CHECK(x.topic == "state");
  CHECK(x.place == bad_place::last);
  CHECK(x.codec == "zstd");
  CHECK(x.timestamp_ms == 5);
  CHECK(x.key == std::string{"k\0", 2});
  REQUIRE(x.headers.size() == 3);
  CHECK(x.headers[1] == std::pair<std::string, std::string>{"h", "v w"});
  CHECK(x.headers[2] == std::pair<std::string, std::string>{"empty", ""});
  REQUIRE(x.values.size() == 4);
  CHECK(x.values[2] == "b");
  CHECK_FALSE(x.values[3]);
  CHECK(x.outcome == bad_outcome::letter);
  CHECK(x.stage == "store");
  CHECK(x.sqlstate == "23514");
  CHECK(x.reason == std::vector<std::string>{"it is wrong"});
  REQUIRE(x.asks.size() == 1);
  CHECK(x.asks[0] == std::pair<std::string, std::string>{"SELECT 1", "1"});
  const auto& y = all->at(1);
  CHECK_FALSE(y.key);
  CHECK(y.values.at(0) == "");
  CHECK(y.outcome == bad_outcome::row);
  REQUIRE(y.row.size() == 2);
  CHECK(y.row[1] == std::pair<std::string, std::string>{"b", ""});
}

TEST_CASE("a fault of the table is told with its line, all at once") {
  CHECK(
    faults("value a\nclass 2 x\n")
    == "line 1: found \"value\", expected a case before it\n"
       "line 2: found class \"2\", expected class 1 and what it is about\n");
  CHECK(faults("class 1 x\ncase a\nvalue ~x\nfiltered\ncase a\nfiltered\n")
        == "line 3: found \"~x\", expected ~hh, ~~ or ~(…)\n"
           "line 5: found the case \"a\", expected a name that no other case "
           "has\n"
           "line 6: \"a\" sends nothing, expected value or tombstone\n");
  CHECK(faults("class 1 x\ncase a\nvalue\n")
        == "line 3: \"a\" has 0 outcomes, expected row, letter, unrouted or "
           "filtered, or an ask alone\n");
  CHECK(faults("class 1 x\ncase a\nvalue\nrow\nfiltered\n")
          .starts_with("line 5: \"a\" has 2 outcomes"));
  CHECK(faults("class 1 x\ncase a\nvalue\nletter somewhere x\n")
          .starts_with("line 4: found the stage \"somewhere\""));
  CHECK(faults("class 1 x\ncase a\nvalue\nletter map\n")
          .starts_with("line 4: found the stage \"map\""));
  CHECK(faults("class 1 x\ncase a\nvalue\nask SELECT 1\n")
        == "line 4: \"a\" has an ask without gives\n");
  CHECK(faults("class 1 x\ncase a\nvalue\nfiltered\ngives 1\n")
        == "line 5: found gives, expected an ask before it\n");
  for (auto bad : {"topic other", "at home", "codec brotli", "time soon",
                   "sha256 ff", "values 0 a", "headers x a b", "rows a"}) {
    INFO(bad);
    CHECK(faults("class 1 x\ncase a\nvalue\nfiltered\n" + std::string{bad})
            .starts_with("line 5: found "));
  }
}

TEST_CASE("the table of bad inputs has all classes and more than 300 cases") {
  std::ifstream in{MILLRACE_SOURCE_DIR "/tests/nodes/bad_inputs.txt"};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  auto all = read_bad_inputs(text, topics);
  INFO((all ? "" : all.error()));
  REQUIRE(all);
  CHECK(all->size() >= 300);
  std::map<int, int> classes;
  for (const auto& x : *all)
    ++classes[x.kind];
  CHECK(classes.size() == 20);
  for (const auto& [kind, n] : classes) {
    INFO("class " << kind);
    CHECK(n >= 5);
  }
}
