#include "tests/store/lane_store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <pqxx/pqxx>

#include <thread>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;
using fixture = lane_store_fixture;

// -- boot ---------------------------------------------------------------------

TEST_CASE_METHOD(fixture, "boot inserts what is missing and reads back what "
                          "stands there") {
  auto result = must(store().boot(boot_of(2)));
  CHECK(result.map_version == map_version{1});
  REQUIRE(result.partitions.size() == 2);
  CHECK(result.partitions[1].source == partition_id{topic_id, partition{1}});
  CHECK(result.partitions[1].topic == "events");
  CHECK(result.partitions[1].at == slot{1});
  CHECK(result.partitions[1].floor == offset{100});
  REQUIRE(result.lanes.size() == 2);
  CHECK(result.lanes[0].lane == lane);
  CHECK(result.lanes[0].shape == rows_of);
  CHECK(db.value("SELECT start_offsets FROM millrace.topic") == "{100,100}");
}

TEST_CASE_METHOD(fixture, "a later start offset does not move what stands") {
  auto again = boot_of(2);
  for (auto& p : again.topics[0].partitions)
    p.start = offset{500};
  CHECK(must(store().boot(again)).partitions[0].floor == offset{100});
}

TEST_CASE_METHOD(fixture,
                 "a boot does not wait for the flush of somebody else") {
  // A frozen node's open transaction holds its lane's row.
  pqxx::connection frozen{db.url()};
  pqxx::work flush{frozen};
  flush.exec("UPDATE millrace.lane SET next_seq = next_seq + 1");
  CHECK(must(store().boot(boot_of(2))).lanes.size() == 2);
}

TEST_CASE_METHOD(fixture, "a new partition gets a slot in every lane before it "
                          "is read") {
  lanes_at("150", "160");
  auto more = boot_of(3);
  more.topics[0].partitions[2].start = offset{7};
  auto result = must(store().boot(more));
  CHECK(result.partitions.at(2).at == slot{2});
  auto row = must(store().load({lane, false}));
  CHECK(row.next_off
        == std::vector<offset>{offset{150}, offset{100}, offset{7}});
  CHECK(row.floors == std::vector<offset>{offset{100}, offset{100}, offset{7}});
  CHECK(row.effective(slot{0}) == offset{150});
  CHECK(db.value("SELECT partitions || ' ' || start_offsets::text FROM "
                 "millrace.topic")
        == "3 {100,100,7}");
}

TEST_CASE_METHOD(fixture, "a first start of its own counts only at the "
                          "pipeline's first boot") {
  auto x = boot_of(3);
  for (auto& p : x.topics[0].partitions) {
    p.start = offset{7};
    p.first_start = offset{900};
  }
  SECTION("a partition that is found later begins at its start") {
    auto result = must(store().boot(x));
    CHECK(result.partitions.at(0).floor == offset{100});
    CHECK(result.partitions.at(2).floor == offset{7});
  }
  SECTION("so does a topic that is found later") {
    x.topics[0].id = uuid::random();
    x.topics[0].name = "later";
    auto result = must(store().boot(x));
    REQUIRE(result.partitions.size() == 5);
    CHECK(result.partitions[4].topic == "later");
    CHECK(result.partitions[4].floor == offset{7});
  }
  SECTION("a pipeline that is new begins at its first start") {
    x.pipeline = "q";
    for (const auto& p : must(store().boot(x)).partitions)
      CHECK(p.floor == offset{900});
    CHECK(db.value("SELECT start_offsets FROM millrace.topic WHERE pipeline = "
                   "'q'")
          == "{900,900,900}");
  }
  SECTION("a pipeline that began without topics is not new any more") {
    auto empty = x;
    empty.pipeline = x.pipeline = "q";
    empty.topics.clear();
    auto result = must(store().boot(empty));
    CHECK(result.partitions.empty());
    CHECK(result.lanes.size() == 2);
    CHECK(must(store().boot(x)).partitions.at(0).floor == offset{7});
    CHECK(db.value("SELECT next_off FROM millrace.lane WHERE pipeline = 'q' "
                   "AND shard = 0")
          == "{7,7,7}");
  }
}

TEST_CASE_METHOD(fixture, "a first boot that does not know where to begin "
                          "changes nothing, a later one need not know") {
  auto x = boot_of(3);
  x.starts_known = false;
  CHECK(must(store().boot(x)).partitions.size() == 3);
  x.pipeline = "q";
  auto refused = store().boot(x);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == store_errc::no_start);
  CHECK(db.value("SELECT count(*) FROM millrace.pipeline") == "1");
  CHECK(db.value("SELECT count(*) FROM millrace.topic") == "1");
  x.starts_known = true;
  x.topics[0].partitions[1].first_start = offset{900};
  must(store().boot(x));
  CHECK(db.value("SELECT start_offsets FROM millrace.topic WHERE pipeline = "
                 "'q'")
        == "{100,900,100}");
}

TEST_CASE_METHOD(fixture, "a topic that was made again gets no rows, and the "
                          "others do") {
  auto x = boot_of(2);
  auto old = std::exchange(x.topics[0].id, uuid::random());
  x.topics.push_back({uuid::random(), "other", {{partition{0}, offset{3}}}});
  auto result = must(store().boot(x));
  REQUIRE(result.partitions.size() == 3);
  CHECK(result.partitions[0].source.topic == old);
  CHECK(result.partitions[2].topic == "other");
  // Whoever gives the new one a row has decided that it shall be read.
  db.execute("INSERT INTO millrace.topic SELECT pipeline, '"
             + to_string(x.topics[0].id)
             + "', name, 0, gap_policy, '{}' FROM millrace.topic WHERE name = "
               "'events'");
  CHECK(must(store().boot(x)).partitions.size() == 5);
}

TEST_CASE_METHOD(fixture, "a topic's gap policy is stored") {
  auto x = boot_of(2);
  auto stored = [&] {
    return db.value("SELECT gap_policy FROM millrace.topic");
  };
  CHECK(stored() == "verify");
  x.topics[0].gaps = "allow";
  must(store().boot(x));
  CHECK(stored() == "allow");
}

TEST_CASE_METHOD(fixture, "boots at once give every slot once") {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([this] {
      auto mine = open();
      must(lane_store{mine, 1s}.boot(boot_of(6)));
    });
  threads.clear();
  CHECK(db.value("SELECT count(DISTINCT slot) || ' ' || max(slot) FROM "
                 "millrace.partition_floor")
        == "6 6");
  CHECK(db.value("SELECT min(cardinality(next_off)) || ' ' || "
                 "max(cardinality(next_off)) FROM millrace.lane")
        == "6 6");
}

TEST_CASE_METHOD(fixture, "another mapping or number of lanes is refused") {
  auto x = boot_of(2);
  auto expected = "";
  SECTION("mapping") {
    x.map_fingerprint = 1;
    expected = "millrace lanes change --config FILE --pipeline p";
  }
  SECTION("lanes") {
    x.lanes = 3;
    expected = "with 2 lanes";
  }
  SECTION("shape") {
    x.tenants[0].shape = shape{1};
    x.adopt_shape = false;
    expected = "other ones than this node's program";
  }
  auto result = store().boot(x);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == store_errc::other_map);
  CHECK_THAT(result.error().message, ContainsSubstring(expected));
}

TEST_CASE_METHOD(fixture, "a new shape is written into the lanes and fences "
                          "what was encoded for the old one") {
  auto row = take();
  auto work = flush_of(row, batch_of(100, 110));
  auto x = boot_of(2);
  x.tenants[0].shape = shape{1};
  CHECK(must(store().boot(x)).lanes.at(0).shape == shape{1});
  CHECK(run(work).verdict == flush_verdict::refused);
}
