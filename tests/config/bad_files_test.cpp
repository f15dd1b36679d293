#include "config/file.hpp"
#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>

#include <fstream>
#include <random>
#include <sstream>
#include <string>

#include <unistd.h>

using namespace millrace;
namespace fs = std::filesystem;

namespace {

constexpr auto expected = ", expected a file of at most 1MiB that can be read";

struct fixture {
  test::scratch_folder folder;
  fs::path file = folder / "x.toml";

  void write(std::string_view text) const {
    std::ofstream{file, std::ios::binary} << text;
  }

  /// The messages about the file, without its folder.
  std::string load() const {
    auto text = test::messages(load_config(file, test::outside()));
    auto prefix = folder.path() + "/";
    for (std::size_t i = 0; (i = text.find(prefix, i)) != text.npos;)
      text.erase(i, prefix.size());
    return text;
  }
};

/// Lays down root's rights, which would open any file, for a while.
class ordinary_user {
public:
  ordinary_user() {
    if (::geteuid() == 0)
      ok_ = ::seteuid(65534) == 0;
  }

  ordinary_user(const ordinary_user&) = delete;
  ordinary_user& operator=(const ordinary_user&) = delete;

  ~ordinary_user() {
    if (::getuid() == 0 && ::seteuid(0) != 0)
      std::abort();
  }

  bool ok() const noexcept {
    return ok_;
  }

private:
  bool ok_ = true;
};

std::string read_text(const fs::path& file) {
  std::ostringstream out;
  out << std::ifstream{file, std::ios::binary}.rdbuf();
  return out.str();
}

} // namespace

TEST_CASE_METHOD(fixture, "a file that is not there is refused") {
  CHECK(load()
        == std::string{"x.toml: found no such file or directory"} + expected
             + "\n");
}

TEST_CASE_METHOD(fixture, "an empty file is refused") {
  write("");
  CHECK(load()
        == "x.toml:1:1: found an empty file, expected [postgresql], [kafka], "
           "[[tenant]] and [pipeline.NAME]\n");
}

TEST_CASE_METHOD(fixture, "a directory is refused") {
  fs::create_directory(file);
  CHECK(load() == std::string{"x.toml: found a directory"} + expected + "\n");
}

TEST_CASE_METHOD(fixture, "a FIFO without writer is refused at once") {
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  CHECK(load() == std::string{"x.toml: found a FIFO"} + expected + "\n");
}

TEST_CASE_METHOD(fixture, "a device is refused") {
  fs::create_symlink("/dev/zero", file);
  CHECK(load() == std::string{"x.toml: found a device"} + expected + "\n");
}

TEST_CASE_METHOD(fixture, "a file without the right to read it is refused") {
  write("[node]\n");
  fs::permissions(folder.path(), fs::perms{0755});
  fs::permissions(file, fs::perms::none);
  std::string found;
  {
    ordinary_user user;
    if (!user.ok())
      SKIP("cannot become an ordinary user");
    found = load();
  }
  CHECK(found
        == std::string{"x.toml: found permission denied"} + expected + "\n");
}

TEST_CASE_METHOD(fixture, "a file of 100 MB is refused by its size alone") {
  write("[node]\n");
  fs::resize_file(file, 100'000'000);
  CHECK(load()
        == std::string{"x.toml: found 100000000 bytes"} + expected + "\n");
}

TEST_CASE_METHOD(fixture, "a file of exactly 1 MiB is read, one more is not") {
  auto text = read_text(test::source_dir / "config/examples/ticks.toml") + "#";
  text.resize(max_file_bytes, 'x');
  write(text);
  CHECK(load() == "");
  write(text + "x");
  CHECK(load() == std::string{"x.toml: found 1048577 bytes"} + expected + "\n");
}

TEST_CASE_METHOD(fixture, "a file that hides its size is read to the limit") {
  // Files in /proc say that they are empty.
  CHECK(read_regular_file("/proc/self/status", max_file_bytes)
          .value()
          .starts_with("Name:"));
  CHECK(read_regular_file("/proc/self/status", 3).error()
        == "more than 3 bytes");
}

TEST_CASE_METHOD(fixture, "a binary file is refused at its first such byte") {
  write(std::string_view{"\x7F"
                         "ELF\n\x01\x00",
                         7});
  CHECK(load()
        == "x.toml:2:1: found binary data (byte 0x01), expected TOML text in "
           "UTF-8\n");
  write(std::string_view{"a\0", 2});
  CHECK(load()
        == "x.toml:1:2: found binary data (byte 0x00), expected TOML text in "
           "UTF-8\n");
}

TEST_CASE_METHOD(fixture, "bytes that are not UTF-8 are refused") {
  write("[node]\nname = \"\xFF\"\n");
  CHECK(load()
        == "x.toml:2:9: found a byte that is not UTF-8 (0xFF), expected TOML "
           "text in UTF-8\n");
  // Cut short, overlong, a surrogate, and beyond the last code point.
  for (auto bytes : {"\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    write(bytes);
    CHECK(load().starts_with("x.toml:1:1: found a byte that is not UTF-8"));
  }
}

TEST_CASE_METHOD(fixture, "UTF-16 is refused by name") {
  write(std::string_view{"\xFF\xFE[\0n\0", 6});
  CHECK(load()
        == "x.toml:1:1: found UTF-16 text, expected TOML text in UTF-8\n");
}

TEST_CASE_METHOD(fixture, "a byte order mark and CR LF are fine") {
  auto text = read_text(test::source_dir / "config/examples/ticks.toml");
  std::string windows = "\xEF\xBB\xBF";
  for (auto c : text)
    windows += c == '\n' ? "\r\n" : std::string{c};
  write(windows);
  CHECK(load() == "");
}

TEST_CASE_METHOD(fixture, "nesting that would exhaust the stack is refused") {
  std::string dots;
  for (int i = 0; i < 400'000; ++i)
    dots += "a.";
  write(dots + "a = 1\n");
  CHECK(load()
        == "x.toml:1:66: found more than 32 levels of nesting, expected a "
           "configuration\n");
  write("[" + dots + "a]\n");
  CHECK(load()
        == "x.toml:1:65: found more than 32 levels of nesting, expected a "
           "configuration\n");
  write("x = " + std::string(400'000, '['));
  CHECK(load()
        == "x.toml:1:37: found more than 32 levels of nesting, expected a "
           "configuration\n");
}

TEST_CASE_METHOD(fixture, "dots in strings and comments are no nesting") {
  auto dots = std::string(100, '.');
  auto text = read_text(test::source_dir / "config/examples/ticks.toml");
  write("# " + dots + "\n" + text + "[postgresql.parameters]\na = \"\\\"" + dots
        + "\"\nb = '" + dots + "'\nc = \"\"\"" + dots + "\"\"\"\"\nd = '''"
        + dots + "'\n'''\n");
  CHECK(load() == "");
}

TEST_CASE_METHOD(fixture, "more than 200 problems are counted, not listed") {
  std::string text = "[node]\n";
  for (int i = 0; i < 1'000; ++i)
    text += "x" + std::to_string(i) + " = 1\n";
  write(text);
  auto result = load_config(file, test::outside());
  REQUIRE_FALSE(result);
  CHECK(result.error().size() == 201);
  // The sections that are missing count too.
  CHECK(result.error().back().found == "804 more problems");
}

TEST_CASE("what grows without a limit in a file has one") {
  const std::string start = "[postgresql]\nurl = \"postgresql://h/d\"\n"
                            "[kafka]\nembedded = true\n"
                            "[[tenant]]\nname = \"demo\"\n";
  auto found = [&](const std::string& rest) {
    return test::messages(
      parse_config(start + rest, "x.toml", test::outside()));
  };
  auto topics = [](int n) {
    std::string list;
    for (int i = 0; i < n; ++i)
      list += "\"t" + std::to_string(i) + "\",";
    return "[pipeline.p]\npack = \"ticks\"\ntenant = \"@key\"\ntopics = ["
           + list + "]\n";
  };
  CHECK(found(topics(1'000)) == "");
  CHECK(found(topics(1'001))
        == "x.toml:10:10: pipeline.p.topics: found 1001 elements, expected at "
           "most 1000\n");
  auto tenant = [](std::size_t n) {
    return "[pipeline.p]\npack = \"ticks\"\ntenant = \"@"
           + std::string(n - 1, 'k') + "\"\n";
  };
  CHECK(found(tenant(4'096)) == "");
  CHECK(found(tenant(4'097))
        == "x.toml:9:10: pipeline.p.tenant: found 4097 bytes, expected an "
           "expression of at most 4096 bytes\n");
  auto pipelines = [](int n) {
    std::string text;
    for (int i = 0; i < n; ++i)
      text += "[pipeline.p" + std::to_string(i)
              + "]\npack = \"ticks\"\ntenant = \"@key\"\n";
    return text;
  };
  CHECK(found(pipelines(256)) == "");
  CHECK(found(pipelines(257))
        == "x.toml:7:2: pipeline: found 257 pipelines, expected at most "
           "256\n");
}

TEST_CASE_METHOD(fixture, "a pack that is broken is blamed by its own name") {
  auto outside = test::outside();
  outside.pack_directories = {folder.path()};
  auto use = "[postgresql]\nurl = \"postgresql://h/d\"\n"
             "[kafka]\nbootstrap = \"h:9092\"\n[[tenant]]\nname = \"demo\"\n"
             "[pipeline.p]\npack = \"x\"\ntenant = \"'demo'\"\n";
  auto found = [&](std::string_view pack) {
    write(pack);
    auto text = test::messages(parse_config(use, "user.toml", outside));
    auto prefix = folder.path() + "/";
    for (std::size_t i = 0; (i = text.find(prefix, i)) != text.npos;)
      text.erase(i, prefix.size());
    return text;
  };
  CHECK(found("[pipeline.a]\nlanes = 0\n")
        == "user.toml:7:1: pipeline.p.topics: found nothing, expected a list "
           "of strings, each the name of a topic, or a pattern that begins "
           "with ^\n"
           "x.toml:1:1: pipeline.a.event: found nothing, expected at least "
           "one [[pipeline.a.event]]\n"
           "x.toml:2:9: pipeline.a.lanes: found 0, expected an integer from 1 "
           "to 1024\n");
  CHECK(found("[pipeline.a]\n[pipeline.b]\n")
        == "x.toml: found other tables, expected one [pipeline.NAME] and "
           "nothing else in a pack\n");
  CHECK(found("[node]\n")
        == "x.toml: found other tables, expected one [pipeline.NAME] and "
           "nothing else in a pack\n");
  CHECK(found("x").starts_with("x.toml:1:2: found a syntax error"));
  fs::remove(file);
  fs::create_directory(file);
  CHECK(test::messages(parse_config(use, "user.toml", outside))
        == file.string()
             + ": found a directory, expected a pack that can be read\n");
}

TEST_CASE("whatever happens to a file, it is read or refused in words") {
  auto seed = read_text(test::source_dir / "config/examples/full.toml");
  std::mt19937 random{20260119};
  auto below = [&random](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>{0, n - 1}(random);
  };
  constexpr std::string_view pieces = "\"'[]{}=.,#\n\\ 09azAZ_-:\t\r\x01\xFF@";
  for (int i = 0; i < 400; ++i) {
    auto text = seed;
    for (auto n = 1 + below(6); n > 0; --n) {
      auto at = below(text.size());
      switch (below(4)) {
        case 0:
          text[at] = pieces[below(pieces.size())];
          break;
        case 1:
          text.insert(at, 1, pieces[below(pieces.size())]);
          break;
        case 2:
          text.erase(at, 1 + below(40));
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(60)));
      }
    }
    auto outside = test::outside();
    outside.environment = [](const std::string&) { return "t0p-s3cret"; };
    auto result = parse_config(text, "x.toml", outside);
    if (!result)
      REQUIRE_FALSE(result.error().empty());
    auto found = test::messages(result);
    REQUIRE_FALSE(found.contains("s3cret"));
    for (auto c : found)
      REQUIRE((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
  }
}
