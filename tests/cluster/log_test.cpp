#include "actors/cluster/json_writer.hpp"
#include "actors/cluster/log.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

const auto when = std::chrono::system_clock::time_point{}
                  + std::chrono::milliseconds{1'768'811'400'123};

std::string text(std::vector<log::field> xs) {
  return log::render(log::format::text, when, log::level::info, "flushed", xs);
}

std::string json(std::vector<log::field> xs) {
  return log::render(log::format::json, when, log::level::warning, "flushed",
                     xs);
}

/// Takes the process's stderr away for as long as it lives.
class stderr_to_file {
public:
  stderr_to_file() : file_{std::tmpfile()}, saved_{dup(STDERR_FILENO)} {
    dup2(fileno(file_), STDERR_FILENO);
  }

  ~stderr_to_file() {
    give_back();
    std::fclose(file_);
  }

  stderr_to_file(const stderr_to_file&) = delete;
  stderr_to_file& operator=(const stderr_to_file&) = delete;

  std::vector<std::string> lines() {
    give_back();
    std::rewind(file_);
    std::vector<std::string> result(1);
    for (auto c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) {
      if (c == '\n')
        result.emplace_back();
      else
        result.back() += static_cast<char>(c);
    }
    result.pop_back();
    return result;
  }

private:
  void give_back() {
    if (saved_ < 0)
      return;
    std::fflush(stderr);
    dup2(saved_, STDERR_FILENO);
    close(saved_);
    saved_ = -1;
  }

  std::FILE* file_;
  int saved_;
};

std::string quoted(std::string_view x) {
  std::string result;
  append_json_string(result, x);
  return result;
}

} // namespace

TEST_CASE("a text line has time, level, event and fields in order") {
  CHECK(text({{"rows", 42},
              {"lane", "ticks/acme/3"},
              {"ratio", 0.5},
              {"last", true},
              {"bytes", uint64_t{18'446'744'073'709'551'615u}},
              {"why", "two words"}})
        == "2026-01-19T08:30:00.123Z INFO flushed rows=42 lane=ticks/acme/3 "
           "ratio=0.5 last=true bytes=18446744073709551615 why=\"two words\"");
}

TEST_CASE("a JSON line is an object with the types of its fields") {
  CHECK(json({{"rows", -1}, {"ok", false}, {"x", 1.5}, {"why", "a \"b\""}})
        == R"({"ts":"2026-01-19T08:30:00.123Z","level":"warning",)"
           R"("event":"flushed","rows":-1,"ok":false,"x":1.5,)"
           R"("why":"a \"b\""})");
}

TEST_CASE("a number that JSON cannot say is null") {
  CHECK(
    json({{"x", std::numeric_limits<double>::infinity()}, {"y", std::nan("")}})
      .ends_with(R"("x":null,"y":null})"));
}

TEST_CASE("text that could break a line or steer a terminal is made visible") {
  CHECK(log::escape("plain/1.2:3") == "plain/1.2:3");
  CHECK(log::escape("") == R"("")");
  CHECK(log::escape("a b") == R"("a b")");
  CHECK(log::escape("a=b") == R"("a=b")");
  CHECK(log::escape("say \"hi\"") == R"("say \"hi\"")");
  CHECK(log::escape("c:\\x") == R"("c:\\x")");
  CHECK(log::escape("a\r\nb\tc") == R"("a\r\nb\tc")");
  CHECK(log::escape("\x1b[2J") == R"("\u{1b}[2J")");
  CHECK(log::escape(std::string_view{"\0", 1}) == R"("\u{0}")");
  CHECK(log::escape("\u202Eevil") == R"("\u{202e}evil")");
  CHECK(log::escape("a\u0085b") == R"("a\u{85}b")");
  CHECK(log::escape("a\u2028b") == R"("a\u{2028}b")");
  CHECK(log::escape("\U000E0041") == R"("\u{e0041}")");
  CHECK(log::escape("Grüße") == "Grüße");
  CHECK(log::escape("日本") == "日本");
}

TEST_CASE("bytes that are not UTF-8 are shown as numbers") {
  CHECK(log::escape("\xff") == R"("\xff")");
  CHECK(log::escape("a\xc3") == R"("a\xc3")");
  // Overlong slash, a surrogate, beyond the last plane.
  CHECK(log::escape("\xc0\xaf") == R"("\xc0\xaf")");
  CHECK(log::escape("\xed\xa0\x80") == R"("\xed\xa0\x80")");
  CHECK(log::escape("\xf4\x90\x80\x80") == R"("\xf4\x90\x80\x80")");
}

TEST_CASE("JSON strings are valid whatever goes in") {
  CHECK(quoted("a\"b\\c") == R"("a\"b\\c")");
  CHECK(quoted("a\nb\rc") == R"("a\nb\u000dc")");
  CHECK(quoted("\x1b") == R"("\u001b")");
  CHECK(quoted("\u202E") == R"("\u202e")");
  CHECK(quoted("\U000E0041") == R"("\udb40\udc41")");
  CHECK(quoted("\xff!") == R"("\ufffd!")");
  CHECK(quoted("Grüße") == "\"Grüße\"");
}

TEST_CASE("no random bytes put a control character into a line") {
  std::mt19937_64 chance{3};
  for (auto round = 0; round < 2'000; ++round) {
    std::string junk;
    for (auto i = 0; i < 40; ++i)
      junk += static_cast<char>(chance());
    for (const auto& line : {text({{"k", junk}}), json({{"k", junk}})})
      for (auto c : line)
        REQUIRE((static_cast<unsigned char>(c) >= 0x20 && c != '\x7f'));
  }
}

TEST_CASE("a forged key or event cannot break a line either") {
  auto line = log::render(log::format::text, when, log::level::info, "x\ny=1",
                          std::vector<log::field>{{"a\nb", 1}});
  CHECK(line == R"(2026-01-19T08:30:00.123Z INFO "x\ny=1" "a\nb"=1)");
}

TEST_CASE("a long value is cut and says how long it was") {
  std::string huge(1'000'000, 'x');
  auto line = text({{"k", huge}});
  CHECK(line.size() < log::max_value_bytes + 100);
  CHECK(line.ends_with("... (1000000 bytes)\""));
}

TEST_CASE("a cut does not split a character") {
  std::string huge(log::max_value_bytes - 1, 'x');
  huge += "ü";
  auto line = text({{"k", huge}});
  CHECK(line.find("\\x") == line.npos);
  CHECK(line.find("x... (") != line.npos);
}

TEST_CASE("passwords in URLs and key=value lists are masked") {
  CHECK(log::mask("postgresql://me:geheim@db:5432/x")
        == "postgresql://me:***@db:5432/x");
  CHECK(log::mask("redis://:s3cret@cache") == "redis://:***@cache");
  CHECK(log::mask("a://u:p@h and b://v:q@w") == "a://u:***@h and b://v:***@w");
  CHECK(log::mask("http://host:80/path@x") == "http://host:80/path@x");
  CHECK(log::mask("host=db password=geheim user=me")
        == "host=db password=*** user=me");
  CHECK(log::mask("PASSWORD='two words' x") == "PASSWORD=*** x");
  CHECK(log::mask("sasl.password=x;y") == "sasl.password=***;y");
  CHECK(text({{"dsn", "postgresql://me:geheim@db/x"}}).find("geheim")
        == std::string::npos);
  CHECK(json({{"dsn", "password='geheim"}}).find("geheim")
        == std::string::npos);
}

TEST_CASE("lines of the level and above reach stderr, each whole") {
  stderr_to_file captured;
  log::setup({.level = log::level::warning});
  log::info("quiet", {});
  std::vector<std::thread> writers;
  for (auto t = 0; t < 4; ++t)
    writers.emplace_back([] {
      for (auto i = 0; i < 100; ++i)
        log::warn("loud", {{"why", "a\nb"}});
    });
  for (auto& x : writers)
    x.join();
  log::setup({.level = log::level::warning, .format = log::format::json});
  log::error("last", {{"n", 1}});
  log::setup({.level = log::level::off});
  log::error("never", {});
  auto lines = captured.lines();
  REQUIRE(lines.size() == 401);
  for (std::size_t i = 0; i < 400; ++i)
    CHECK(lines[i].ends_with(R"(Z WARN loud why="a\nb")"));
  CHECK(lines[400].ends_with(R"("level":"error","event":"last","n":1})"));
}

TEST_CASE("levels have names") {
  CHECK(log::parse_level("warning") == log::level::warning);
  CHECK(log::parse_level("off") == log::level::off);
  CHECK_FALSE(log::parse_level("loud"));
}

TEST_CASE("a JSON document nests and separates") {
  json_writer out;
  out.begin_object();
  out.key("a").begin_array().integer(1).integer(2).end_array();
  out.key("b").begin_object().end_object();
  out.key("c").begin_array().begin_object().key("d").null().end_object();
  out.string("e").end_array().key("f").boolean(true);
  out.end_object();
  CHECK(out.str() == R"({"a":[1,2],"b":{},"c":[{"d":null},"e"],"f":true})");
}

TEST_CASE("a JSON number reads back as itself") {
  json_writer out;
  out.begin_array().number(0.1).number(1e300).number(-0.0).end_array();
  CHECK(out.str() == "[0.1,1e+300,-0]");
}
