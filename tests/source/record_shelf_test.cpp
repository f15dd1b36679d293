// Records that were read beside one that was wanted.

#include "actors/source/record_shelf.hpp"

#include <catch2/catch_test_macros.hpp>

#include <initializer_list>
#include <string>
#include <utility>

using namespace millrace;

namespace {

partition_id of(int32_t number, uuid topic = {}) {
  return {topic, partition{number}};
}

/// Records of 10 bytes each.
kafka_stretch stretch(int64_t from, int64_t to,
                      std::initializer_list<int64_t> at) {
  kafka_stretch result{offset{from}, offset{to}, {}};
  for (auto x : at) {
    kafka_record record;
    record.at = offset{x};
    record.value = std::string(10, 'v');
    result.records.push_back(std::move(record));
  }
  return result;
}

} // namespace

TEST_CASE("a record of a stretch is found, and that the log has none is known, "
          "too") {
  record_shelf shelf{1'000};
  CHECK_FALSE(shelf.find(of(0), offset{5}));
  shelf.keep(of(0), stretch(4, 9, {5, 8}));
  auto found = shelf.find(of(0), offset{8});
  REQUIRE(found);
  REQUIRE(*found != nullptr);
  CHECK((*found)->at == offset{8});
  auto hole = shelf.find(of(0), offset{6});
  REQUIRE(hole);
  CHECK(*hole == nullptr);
  CHECK_FALSE(shelf.find(of(0), offset{3}));
  CHECK_FALSE(shelf.find(of(0), offset{9}));
}

TEST_CASE("a stretch is one of its partition and topic") {
  record_shelf shelf{1'000};
  shelf.keep(of(0), stretch(0, 3, {0, 1, 2}));
  CHECK_FALSE(shelf.find(of(1), offset{1}));
  CHECK_FALSE(shelf.find(of(0, uuid::random()), offset{1}));
  shelf.keep(of(0), stretch(3, 6, {3, 4, 5}));
  CHECK_FALSE(shelf.find(of(0), offset{1}));
  CHECK(shelf.find(of(0), offset{4}));
  CHECK(shelf.bytes() == 30);
}

TEST_CASE("the oldest stretches go when there is no room") {
  record_shelf shelf{50};
  shelf.keep(of(0), stretch(0, 2, {0, 1}));
  shelf.keep(of(1), stretch(0, 3, {0, 1, 2}));
  CHECK(shelf.find(of(0), offset{1}));
  shelf.keep(of(2), stretch(0, 1, {0}));
  CHECK_FALSE(shelf.find(of(0), offset{1}));
  CHECK(shelf.find(of(1), offset{1}));
  CHECK(shelf.bytes() == 40);
  shelf.keep(of(3), stretch(0, 6, {0, 1, 2, 3, 4, 5}));
  CHECK_FALSE(shelf.find(of(3), offset{1}));
  CHECK(shelf.bytes() == 0);
}
