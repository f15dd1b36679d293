#include "actors/coordinator/sql_script.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using Catch::Matchers::ContainsSubstring;

namespace {

std::vector<std::string> texts(std::string_view script) {
  std::vector<std::string> result;
  auto all = split_sql(script).value();
  for (const auto& x : all)
    result.push_back(x.text);
  return result;
}

using list = std::vector<std::string>;

} // namespace

TEST_CASE("statements end at semicolons, the last one at the end") {
  CHECK(texts("SELECT 1; ;\nSELECT 2") == list{"SELECT 1", "SELECT 2"});
  CHECK(texts("  -- nothing\n/* at all */ ;").empty());
}

TEST_CASE("quotes of every kind hide semicolons") {
  CHECK(texts("SELECT 'a;''b';x") == list{"SELECT 'a;''b'", "x"});
  CHECK(texts("SELECT \"a;\"\"b\";x") == list{"SELECT \"a;\"\"b\"", "x"});
  CHECK(texts("SELECT E'a\\';b';x") == list{"SELECT E'a\\';b'", "x"});
  CHECK(texts("SELECT 'a\\';x") == list{"SELECT 'a\\'", "x"});
  CHECK(texts("DO $$ a; $b$ $$;x") == list{"DO $$ a; $b$ $$", "x"});
  CHECK(texts("DO $b$ a; $$; $c$ $b$;x") == list{"DO $b$ a; $$; $c$ $b$", "x"});
}

TEST_CASE("a dollar sign within a name or before a number quotes nothing") {
  CHECK(texts("SELECT a$b$;c$b$") == list{"SELECT a$b$", "c$b$"});
  CHECK(texts("SELECT $1;x") == list{"SELECT $1", "x"});
}

TEST_CASE("comments nest, and hide semicolons and quotes") {
  CHECK(texts("a /* ; /* ' */ ; */ b;c") == list{"a /* ; /* ' */ ; */ b", "c"});
  CHECK(texts("a -- ; '\nb;c") == list{"a -- ; '\nb", "c"});
  CHECK(texts("a 'x--y' ;c") == list{"a 'x--y'", "c"});
}

TEST_CASE("semicolons within parentheses and BEGIN ATOMIC end nothing") {
  CHECK(texts("CREATE RULE r AS ON UPDATE TO t DO (a; b); c").size() == 2);
  CHECK(texts("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN "
              "true THEN 1 END; SELECT 2; END; x")
          .size()
        == 2);
  CHECK(texts("BEGIN; x; END; y").size() == 4);
}

TEST_CASE("a statement knows its line, its words and its comments") {
  auto all = split_sql("-- one\nSELECT a;\n-- two \n\nDROP -- three\nTABLE "
                       "\"X\".y;")
               .value();
  REQUIRE(all.size() == 2);
  CHECK(all[0].line == 2);
  CHECK(all[0].comments == list{"one"});
  CHECK(all[1].line == 5);
  CHECK(all[1].comments == list{"two", "three"});
  const auto& tokens = all[1].tokens;
  REQUIRE(tokens.size() == 5);
  CHECK(tokens[0].is("DROP"));
  CHECK(tokens[1].is("TABLE"));
  CHECK(name_of(tokens[2]) == "X");
  CHECK(tokens[3].is("."));
  CHECK(all[1].text.substr(tokens[4].at) == "y");
}

TEST_CASE("what has no end and what belongs to psql is refused with its line") {
  auto error = [](std::string_view script) {
    auto x = split_sql(script);
    return x ? std::string{} : x.error();
  };
  CHECK_THAT(error("a;\n'b"), ContainsSubstring("line 2: a quote"));
  CHECK_THAT(error("a /* /* */"), ContainsSubstring("line 1: a comment"));
  CHECK_THAT(error("\n\n$x$ $y$"), ContainsSubstring("line 3: a dollar"));
  CHECK_THAT(error("\\d t"), ContainsSubstring("psql"));
}
