#include "actors/coordinator/archive_file.hpp"
#include "messages/sha256.hpp"
#include "tests/support/scratch_folder.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

using namespace millrace;

namespace {

namespace fs = std::filesystem;

struct fixture {
  test::scratch_folder folder;
  fs::path file = folder / "x.copy.zst";

  archive_content write(const std::string& text, std::size_t piece) const {
    auto to = archive_writer::create(file);
    REQUIRE(to);
    for (std::size_t at = 0; at < text.size(); at += piece)
      REQUIRE(to->write(std::string_view{text}.substr(at, piece)));
    auto done = to->finish();
    REQUIRE(done);
    return *done;
  }

  std::string bytes() const {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

  void replace(const std::string& text) const {
    std::ofstream{file, std::ios::binary | std::ios::trunc} << text;
  }

  file_result<archive_content> read() const {
    return read_archive(file, {});
  }
};

/// Lines that do not compress to nothing.
std::string lines(int count) {
  std::mt19937 random{7};
  std::string result;
  for (auto i = 0; i < count; ++i)
    result += std::to_string(i) + '\t' + std::to_string(random()) + '\n';
  return result;
}

} // namespace

TEST_CASE_METHOD(fixture, "an archive reads back as it was written, with the "
                          "same rows, bytes and sum") {
  auto text = lines(100'000);
  auto written = write(text, 4'097);
  CHECK(written.rows == 100'000);
  CHECK(written.text_bytes == static_cast<int64_t>(text.size()));
  CHECK(written.file_bytes == static_cast<int64_t>(fs::file_size(file)));
  CHECK(written.sha256 == sha256_hex(bytes()));
  CHECK(read() == written);
  auto from = archive_reader::open(file);
  REQUIRE(from);
  std::string back;
  for (;;) {
    auto piece = from->next();
    REQUIRE(piece);
    if (piece->empty())
      break;
    back += *piece;
  }
  CHECK(back == text);
}

TEST_CASE_METHOD(fixture, "an archive of no rows is an archive") {
  auto written = write({}, 1);
  CHECK(written.rows == 0);
  CHECK(written.file_bytes > 0);
  CHECK(read() == written);
}

TEST_CASE_METHOD(fixture, "an archive that is cut off, changed or something "
                          "else is refused, with its name") {
  auto written = write(lines(50'000), 65'536);
  auto whole = bytes();
  auto is_bad = [this](const file_result<archive_content>& x) {
    return !x && x.error().contains(file.string());
  };
  for (auto size : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
    replace(whole.substr(0, size));
    CHECK(is_bad(read()));
  }
  for (auto at : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
    auto other = whole;
    other[at] = static_cast<char>(other[at] ^ 0x10);
    replace(other);
    CHECK(is_bad(read()));
  }
  // What is behind the end counts as well.
  replace(whole + "more");
  CHECK(is_bad(read()));
  fs::remove(file);
  CHECK(is_bad(read()));
  replace(whole);
  CHECK(read() == written);
}

TEST_CASE_METHOD(fixture, "a disc that is full is an error, and not a shorter "
                          "archive") {
  auto to = archive_writer::create("/dev/full");
  REQUIRE(to);
  auto text = lines(200'000);
  auto written = to->write(text);
  REQUIRE_FALSE(written);
  CHECK(written.error() == "cannot write /dev/full: No space left on device");
}

TEST_CASE_METHOD(fixture, "a reading that is to stop stops") {
  write(lines(1'000), 1'000);
  CHECK(read_archive(file, [] { return false; }).error().contains("stopped"));
}

TEST_CASE_METHOD(fixture, "files get their names whole, and folders are made") {
  auto deep = folder / "a" / "b";
  CHECK(make_folders(deep));
  CHECK(make_folders(deep));
  CHECK(write_file(deep / "one", "1"));
  CHECK(write_file(deep / "one", "2"));
  CHECK(std::distance(fs::directory_iterator{deep}, {}) == 1);
  CHECK(publish_file(deep / "one", deep / "two"));
  CHECK(fs::exists(deep / "two"));
  auto others = fs::perms::group_all | fs::perms::others_all;
  CHECK((fs::status(deep).permissions() & others) == fs::perms::none);
  CHECK((fs::status(deep / "two").permissions() & others) == fs::perms::none);
  CHECK(publish_file(deep / "none", deep / "three").error().contains("three"));
  CHECK_FALSE(make_folders(deep / "two" / "c"));
}

TEST_CASE("a sum of pieces is that of the whole") {
  sha256_sum sum;
  sum.add("ab");
  sum.add("");
  sum.add("c");
  CHECK(sum.hex() == sha256_hex("abc"));
  CHECK(sha256_hex("abc")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
