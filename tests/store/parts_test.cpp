// Flushes that write only a part of their batches: COPY data without a server.

#include "actors/store/copy_rows.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;

namespace {

/// One byte per row, after a field count of 1: 'a' for offset 0 and so on.
batch letters(const std::vector<int64_t>& offsets) {
  batch result;
  auto& block = result.blocks.emplace_back();
  for (auto at : offsets) {
    block.bytes.push_back(std::byte{0});
    block.bytes.push_back(std::byte{1});
    block.bytes.push_back(static_cast<std::byte>('a' + at));
    block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
    block.offsets.push_back(at);
    // Offsets three apart have one key.
    block.keys.push_back({0, static_cast<uint64_t>(at % 3) + 1});
  }
  return result;
}

reject refused(int64_t at) {
  reject result;
  result.at = offset{at};
  result.stage = reject_stage::store;
  result.reason = "r" + std::to_string(at);
  return result;
}

flush one(batch data, int64_t trim, int64_t keep,
          std::vector<reject> bad = {}) {
  flush result;
  result.sources.push_back({std::make_shared<const batch>(std::move(data)),
                            offset{trim}, offset{keep}, std::move(bad)});
  return result;
}

std::string kept(const flush& work, write_method method) {
  planned_write write;
  write.method = method;
  auto rows = kept_rows(work, write);
  std::string result;
  for (const auto& piece : rows.pieces)
    for (auto b : piece)
      if (auto c = std::to_integer<char>(b); c >= 'a')
        result += c;
  CHECK(rows.rows == std::ssize(result));
  CHECK(rows.bytes == 3 * std::ssize(result));
  return result;
}

} // namespace

TEST_CASE("rows from `keep_below` on wait for a later flush") {
  auto data = letters({0, 1, 2, 2, 4, 5});
  struct {
    int64_t trim;
    int64_t keep;
    const char* rows;
  } cases[] = {{0, 99, "abccef"}, {0, 6, "abccef"}, {0, 5, "abcce"},
               {0, 4, "abcc"},    {0, 3, "abcc"},   {0, 2, "ab"},
               {2, 5, "cce"},     {3, 4, ""},       {0, 0, ""}};
  for (const auto& x : cases) {
    CAPTURE(x.trim, x.keep);
    CHECK(kept(one(data, x.trim, x.keep), write_method::append) == x.rows);
  }
}

TEST_CASE("all rows of a refused event are left out, and only those") {
  auto data = letters({0, 1, 2, 2, 4, 5});
  auto rows = [&](std::vector<int64_t> bad, int64_t trim = 0) {
    std::vector<reject> all;
    for (auto at : bad)
      all.push_back(refused(at));
    return kept(one(data, trim, 99, all), write_method::append);
  };
  CHECK(rows({0}) == "bccef");
  CHECK(rows({2}) == "abef");
  CHECK(rows({5}) == "abcce");
  CHECK(rows({1, 2, 4}) == "af");
  CHECK(rows({3}) == "abccef");
  CHECK(rows({0, 5}, 2) == "cce");
}

TEST_CASE("of a key the last row that is kept wins, not one that was refused "
          "or waits") {
  auto data = letters({0, 1, 2, 3, 4, 5});
  CHECK(kept(one(data, 0, 99), write_method::upsert) == "def");
  CHECK(kept(one(data, 0, 99, {refused(4)}), write_method::upsert) == "bdf");
  CHECK(kept(one(data, 0, 4), write_method::upsert) == "bcd");
}

TEST_CASE("rejects count and are written by the same bounds, in offset order") {
  auto data = letters({0, 1, 2, 3, 4, 5});
  for (int64_t at : {1, 3, 5})
    data.rejects.emplace_back().at = offset{at};
  auto work = one(data, 1, 5, {refused(2)});
  work.claim.next_seq = seq{100};
  CHECK(reject_count(work) == 3);
  auto rows = dead_letter_rows(work);
  CHECK(rows.rows == 3);
  // Rows begin with their number of fields; the seq is the fourth field.
  std::string text;
  for (auto b : rows.owned)
    text += std::to_integer<char>(b);
  auto first = text.find("decode");
  auto second = text.find("store", first);
  CHECK(second != text.npos);
  CHECK(text.find("decode", second) != text.npos);
}
