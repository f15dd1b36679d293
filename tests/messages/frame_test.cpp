#include "messages/frame.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

using namespace millrace;

namespace {

std::string sample(std::size_t size, char first = 'a') {
  std::string result(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    result[i] = static_cast<char>(first + static_cast<char>(i % 23));
  return result;
}

std::vector<frame> frames_of(const std::string& whole, std::size_t size) {
  framed x{whole, size};
  std::vector<frame> result;
  for (uint64_t from = 0; from < x.total(); from += size)
    result.push_back(x.cut(from));
  return result;
}

} // namespace

TEST_CASE("frames are as large as they may be, and the last one is the rest") {
  framed x{sample(25), 10};
  CHECK(x.total() == 25);
  CHECK(x.cut(0).bytes == sample(25).substr(0, 10));
  CHECK(x.cut(20).bytes == sample(25).substr(20));
  CHECK(x.cut(20).from == 20);
  CHECK(x.cut(20).total == 25);
  CHECK(x.cut(25).bytes.empty());
  CHECK(x.cut(26).bytes.empty());
}

TEST_CASE("frames in any order, some of them twice, are the whole") {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    auto whole = sample(1 + random() % 200);
    auto all = frames_of(whole, 1 + random() % 40);
    auto last = all.size();
    for (std::size_t i = 0; i < last; ++i)
      if (random() % 3 == 0)
        all.push_back(all[i]);
    std::shuffle(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(last),
                 random);
    frame_assembly aut;
    int done = 0;
    for (const auto& x : all)
      if (auto got = aut.add(x)) {
        CHECK(*got == whole);
        ++done;
      }
    CHECK(done > 0);
  }
}

TEST_CASE("of two wholes that mix none comes out, and the later one does when "
          "it comes again") {
  auto one = frames_of(sample(20, 'a'), 10);
  auto two = frames_of(sample(20, 'b'), 10);
  frame_assembly aut;
  CHECK_FALSE(aut.add(one[0]));
  CHECK_FALSE(aut.add(two[1]));
  CHECK(aut.bytes() == 10);
  CHECK_FALSE(aut.add(one[1]));
  CHECK_FALSE(aut.add(two[0]));
  CHECK(aut.add(two[1]) == sample(20, 'b'));
  CHECK(aut.bytes() == 0);
}

TEST_CASE("pieces that overlap or do not fit are dropped, and bytes that are "
          "not the whole's make none") {
  auto all = frames_of(sample(20), 10);
  frame_assembly aut;
  CHECK_FALSE(aut.add(all[0]));
  auto wrong = all[1];
  wrong.from = 5;
  CHECK_FALSE(aut.add(wrong));
  wrong.from = 15;
  CHECK_FALSE(aut.add(wrong));
  wrong.from = ~uint64_t{0};
  CHECK_FALSE(aut.add(wrong));
  CHECK(aut.bytes() == 10);
  wrong = all[1];
  wrong.bytes[3] = '?';
  CHECK_FALSE(aut.add(wrong));
  CHECK(aut.bytes() == 0);
  CHECK_FALSE(aut.add(all[0]));
  CHECK(aut.add(all[1]) == sample(20));
}
