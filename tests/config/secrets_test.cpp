#include "config/secret.hpp"
#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <concepts>
#include <format>
#include <fstream>
#include <ostream>
#include <string>

using namespace millrace;

namespace {

template <class T>
concept printable_to_stream
  = requires(std::ostream& out, const T& x) { out << x; };

std::string with_password(const std::string& value) {
  return "[postgresql]\nurl = \"postgresql://h/d\"\npassword = " + value
         + "\n[kafka]\nbootstrap = \"h:9092\"\n[[tenant]]\nname = \"demo\"\n"
           "[pipeline.ticks]\npack = \"ticks\"\ntenant = \"'demo'\"\n";
}

} // namespace

TEST_CASE("a secret shows three stars and cannot be printed by accident") {
  secret x{"hunter2"};
  CHECK(to_string(x) == "***");
  CHECK(to_string(secret{}) == "");
  CHECK(x.reveal() == "hunter2");
  STATIC_CHECK_FALSE(printable_to_stream<secret>);
  STATIC_CHECK_FALSE(std::formattable<secret, char>);
  STATIC_CHECK_FALSE(std::convertible_to<secret, std::string>);
}

TEST_CASE("a secret comes from the environment") {
  auto result = parse_config(with_password("{ env = \"SET\" }"), "x.toml",
                             test::outside());
  REQUIRE(test::messages(result) == "");
  CHECK(result->postgresql.password.reveal() == "t0p-s3cret");
}

TEST_CASE("a secret comes from the process's environment by default") {
  auto outside = test::outside();
  outside.environment = nullptr;
  REQUIRE(::setenv("MILLRACE_TEST_SECRET", "from here", 1) == 0);
  auto result = parse_config(
    with_password("{ env = \"MILLRACE_TEST_SECRET\" }"), "x.toml", outside);
  ::unsetenv("MILLRACE_TEST_SECRET");
  REQUIRE(test::messages(result) == "");
  CHECK(result->postgresql.password.reveal() == "from here");
}

TEST_CASE("a secret's file is relative to the configuration and loses its "
          "last line break") {
  test::scratch_folder folder;
  auto name = (folder / "x.toml").string();
  auto read = [&](std::string_view content) {
    std::ofstream{folder / "pw", std::ios::binary} << content;
    return parse_config(with_password("{ file = \"pw\" }"), name,
                        test::outside());
  };
  CHECK(read("one\n")->postgresql.password.reveal() == "one");
  CHECK(read("one\r\n")->postgresql.password.reveal() == "one");
  CHECK(read("one\ntwo\n\n")->postgresql.password.reveal() == "one\ntwo\n");
  CHECK(read(" one ")->postgresql.password.reveal() == " one ");
  auto refused = [&](std::string_view content, const std::string& found) {
    CHECK(test::messages(read(content))
          == name + ":3:21: postgresql.password.file: found \"pw\" (" + found
               + "), expected a readable file of at most 64KiB that holds the "
                 "secret\n");
  };
  refused("\n", "an empty file");
  refused(std::string_view{"a\0b", 3}, "a file with zero bytes");
  refused(std::string(65537, 'x'), "65537 bytes");
}

TEST_CASE("a URL may be a secret as a whole, with its password") {
  auto text = with_password("{ env = \"SET\" }");
  text.replace(text.find("\"postgresql://h/d\""), 18, "{ env = \"SET_URL\" }");
  auto result = parse_config(text, "x.toml", test::outside());
  REQUIRE(test::messages(result) == "");
  CHECK(result->postgresql.url.reveal() == "postgresql://u:t0p-s3cret@h/d");
  CHECK(to_string(result->postgresql.url) == "***");
}
