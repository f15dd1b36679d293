#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("wrong db commands are refused before a server is asked") {
  struct wrong {
    std::vector<std::string> args;
    std::string text;
  };
  for (const auto& x : std::vector<wrong>{
         {{"db"}, "subcommand"},
         {{"db", "init"}, "expected --config FILE"},
         {{"db", "init", "--config", "/none"}, "/none"},
         {{"db", "init", "--config", "/none", "--create-partitions-days", "-1"},
          "--create-partitions-days: found -1, expected 0 to 400"}}) {
    auto end = run(x.args);
    INFO(end.err);
    CHECK(end.code == 2);
    CHECK_THAT(end.err, ContainsSubstring(x.text));
  }
}
