// Waiting events: protocol.md, section 4.

#include "tests/lane/waiting_world.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

using namespace millrace;
using namespace millrace::test;

using enum deed;
using numbers = std::vector<int64_t>;

TEST_CASE_METHOD(waiting_world, "an update without its row waits, and others "
                                "are written") {
  add({{upsert, 1}});
  add({{update, 2}});
  add({{upsert, 3}});
  send();
  run();
  CHECK(waiting() == numbers{1});
  CHECK(db.written == std::multiset<int64_t>{0, 2});
  CHECK(db.row.next_off[0] == offset{3});
  CHECK(core->waiting().size() == 1);
}

TEST_CASE_METHOD(waiting_world, "when the row comes the event is written by "
                                "the next try") {
  add({{update, 2}});
  send();
  run();
  retry();
  CHECK(waiting() == numbers{0});
  add({{upsert, 2}});
  send();
  run();
  CHECK(db.written == std::multiset<int64_t>{1});
  retry();
  CHECK(waiting().empty());
  CHECK(db.history[2] == numbers{1, 0});
  CHECK(core->released() == 1);
}

TEST_CASE_METHOD(waiting_world, "what touches a row of a waiting event waits "
                                "behind it, deletes too") {
  add({{update, 1}, {upsert, 5}});
  add({{upsert, 5}});
  add({{erase, 5}});
  add({{upsert, 6}});
  send();
  run();
  CHECK(waiting() == numbers{0, 1, 2});
  CHECK(db.rows == std::map<uint64_t, int64_t>{{6, 3}});
  add({{upsert, 1}});
  send();
  run();
  retry();
  CHECK(waiting().empty());
  CHECK(db.history[5] == numbers{0, 1, 2});
  CHECK_FALSE(db.rows.contains(5));
}

TEST_CASE_METHOD(waiting_world, "a waiting delete is not overtaken by what "
                                "makes its row anew") {
  add({{update, 1}});
  add({{erase, 1}});
  add({{upsert, 1}});
  send();
  run();
  // The upsert would pass the update, but not the delete behind it.
  CHECK(waiting() == numbers{0, 1, 2});
  expired = true;
  retry();
  CHECK(db.dead == std::multiset<int64_t>{0});
  CHECK(db.history[1] == numbers{1, 2});
  CHECK(db.rows.contains(1));
}

TEST_CASE_METHOD(waiting_world, "an event that goes on waiting holds none back "
                                "that came before it") {
  add({{update, 1}});
  add({{upsert, 1}});
  add({{erase, 1}});
  add({{update, 1}});
  send();
  run();
  REQUIRE(waiting() == numbers{0, 2, 3});
  retry();
  CHECK(waiting() == numbers{3});
  CHECK(db.history[1] == numbers{1, 0, 2});
  add({{upsert, 1}});
  send();
  run();
  retry();
  CHECK(waiting().empty());
  CHECK(db.history[1] == numbers{1, 0, 2, 4, 3});
}

TEST_CASE_METHOD(waiting_world, "a child waits for its parent") {
  add({{child, 4}});
  add({{child, 5}});
  parents.insert(5);
  send();
  run();
  CHECK(waiting() == numbers{0});
  retry();
  CHECK(waiting() == numbers{0});
  parents.insert(4);
  retry();
  CHECK(waiting().empty());
  CHECK(db.children == std::multiset<uint64_t>{4, 5});
}

TEST_CASE_METHOD(waiting_world, "a write that is always made is made once, "
                                "when the event is put aside") {
  add({{update, 1}, {note, 0}});
  send();
  run();
  CHECK(db.notes == std::multiset<int64_t>{0});
  add({{upsert, 1}});
  send();
  run();
  retry();
  CHECK(waiting().empty());
  CHECK(db.notes == std::multiset<int64_t>{0});
}

TEST_CASE_METHOD(waiting_world, "an event whose row that is always made is "
                                "refused is a dead letter, and no other is") {
  for (uint64_t i = 0; i < 6; ++i)
    add({{i % 2 == 0 ? upsert : update, i}, {note, 0}});
  // One that waits, one that does not.
  bad_notes = {2, 3};
  send();
  run();
  CHECK(db.dead == std::multiset<int64_t>{2, 3});
  CHECK(db.written == std::multiset<int64_t>{0, 4});
  CHECK(waiting() == numbers{1, 5});
  CHECK(db.notes == std::multiset<int64_t>{0, 1, 4, 5});
}

TEST_CASE_METHOD(waiting_world, "a reject whose row that is always made is "
                                "refused stays one dead letter") {
  for (uint64_t i = 0; i < 8; ++i)
    add({{upsert, i}, {note, 0}});
  rejects = {1, 4, 5};
  bad_notes = {2, 5};
  send();
  run();
  CHECK(db.dead == std::multiset<int64_t>{1, 2, 4, 5});
  CHECK(db.notes == std::multiset<int64_t>{0, 1, 3, 4, 6, 7});
  CHECK(db.written == std::multiset<int64_t>{0, 3, 6, 7});
  CHECK(db.row.next_off[0] == offset{8});
}

TEST_CASE_METHOD(waiting_world, "what is refused of a try that a lost "
                                "connection broke off is no reason to halt") {
  add({{child, 1}});
  send();
  run();
  core->retry_waiting();
  REQUIRE(core->next_step() == lane_step::read_waiting);
  core->waiting_read(read_waiting(core->wanted_waiting()));
  REQUIRE(core->next_step() == lane_step::flush);
  core->reconnected();
  core->data_refused({"23503", "no parent", "no parent"});
  CHECK(core->halted() == lane_halt::none);
  parents.insert(1);
  retry();
  CHECK(waiting().empty());
}

TEST_CASE_METHOD(waiting_world, "an event that need not wait any more and is "
                                "refused is found ahead of a known culprit") {
  add({{update, 1}, {upsert, 5}});
  send();
  run();
  add({{upsert, 5}, {child, 9}});
  add({{upsert, 7}, {note, 0}});
  bad_notes = {2};
  send();
  // The last one is the culprit as long as the one before it waits.
  while (!core->bisecting())
    REQUIRE(step());
  db.rows[1] = 99;
  retry();
  CHECK(waiting() == numbers{1});
  CHECK(db.dead == std::multiset<int64_t>{2});
  CHECK(db.written == std::multiset<int64_t>{0});
}

TEST_CASE_METHOD(waiting_world, "an event that has waited for too long is "
                                "tried once more, then it is a dead letter") {
  add({{update, 1}});
  add({{child, 2}});
  send();
  run();
  parents.insert(2);
  expired = true;
  retry();
  CHECK(waiting().empty());
  CHECK(db.dead == std::multiset<int64_t>{0});
  CHECK(db.written == std::multiset<int64_t>{1});
}

TEST_CASE("what has no room to wait becomes a dead letter") {
  waiting_world world{{.waiting_events = 2}};
  for (uint64_t i = 0; i < 4; ++i)
    world.add({{update, i}});
  world.send();
  world.run();
  CHECK(world.waiting() == numbers{0, 1});
  CHECK(world.db.dead == std::multiset<int64_t>{2, 3});
}

TEST_CASE("bytes are room, too") {
  waiting_world world{{.waiting_bytes = 2}};
  for (uint64_t i = 0; i < 4; ++i)
    world.add({{update, i}});
  world.send();
  world.run();
  CHECK(world.waiting() == numbers{0, 1});
  CHECK(world.db.dead == std::multiset<int64_t>{2, 3});
}

TEST_CASE_METHOD(waiting_world, "an event whose record is gone cannot wait") {
  add({{update, 1}});
  lost_records.insert(0);
  send();
  run();
  CHECK(waiting().empty());
  CHECK(db.dead == std::multiset<int64_t>{0});
}

TEST_CASE_METHOD(waiting_world, "a lane with waiting events is taken over "
                                "without a batch") {
  add({{update, 1}});
  send();
  run();
  core = std::make_unique<lane_core>(sample_lane, lane_limits{}, traits());
  CHECK(core->next_step() == lane_step::none);
  core->expect_waiting();
  db.rows[1] = 99;
  run();
  CHECK(waiting().empty());
}

TEST_CASE_METHOD(waiting_world, "the rows of waiting events are known before "
                                "the first flush after a takeover") {
  add({{update, 1}, {upsert, 5}});
  send();
  run();
  core = std::make_unique<lane_core>(sample_lane, lane_limits{}, traits());
  add({{upsert, 5}});
  send();
  run();
  CHECK(waiting() == numbers{0, 1});
}

TEST_CASE_METHOD(waiting_world, "a round in vain is short, and the next one "
                                "begins where it ended") {
  for (uint64_t i = 0; i < 200; ++i)
    add({{child, i}});
  send();
  run();
  REQUIRE(waiting().size() == 200);
  chunk = 128;
  std::size_t rounds = 0;
  parents.insert(199);
  for (; waiting().size() == 200; ++rounds) {
    REQUIRE(rounds < 20);
    flushes = 0;
    retry();
    CHECK(flushes <= waiting_round::max_failures + 2);
  }
  CHECK(rounds > 1);
}

TEST_CASE_METHOD(waiting_world, "children whose parents are known to be "
                                "missing wait without a search") {
  finds_orphans = true;
  for (uint64_t i = 0; i < 60; ++i)
    add({{i % 2 == 0 ? child : upsert, i}});
  send();
  run();
  CHECK(waiting().size() == 30);
  CHECK(db.written.size() == 30);
  CHECK(flushes == 2);
  for (const auto& [number, x] : db.waiting)
    CHECK(x.record.sqlstate == "23503");
}

TEST_CASE_METHOD(waiting_world, "a try writes all children whose parents have "
                                "come, behind however many that go on "
                                "waiting") {
  finds_orphans = true;
  chunk = 128;
  for (uint64_t i = 0; i < 200; ++i)
    add({{child, i}});
  send();
  run();
  parents = {0, 100, 198, 199};
  flushes = 0;
  retry();
  CHECK(db.written == std::multiset<int64_t>{0, 100, 198, 199});
  // For each of the two that it reads: one in vain.
  CHECK(flushes == 4);
}

TEST_CASE_METHOD(waiting_world, "whether an event waits for a parent is a "
                                "matter of all its writes, at each try") {
  finds_orphans = true;
  auto strict = traits();
  strict[3].on_missing = missing_row::reject;
  core = std::make_unique<lane_core>(sample_lane, lane_limits{}, strict);
  add({{child, 1}, {upsert, 1}});
  add({{child, 2}});
  send();
  run();
  CHECK(waiting() == numbers{0});
  CHECK(db.dead == std::multiset<int64_t>{1});
  retry();
  CHECK(waiting() == numbers{0});
  parents.insert(1);
  retry();
  CHECK(db.written == std::multiset<int64_t>{0});
}

TEST_CASE("waiting keeps order per row and ends, whatever fails") {
  waiting_world world;
  world.random.seed(GENERATE(range(1u, 201u)));
  auto& random = world.random;
  world.finds_orphans = random() % 2 == 0;
  world.doubt = [](std::mt19937_64& x) { return x() % 8 == 0; };
  world.chunk = 1 + random() % 6;
  auto pick = [&random](uint64_t n) { return random() % n; };
  for (int i = 0; i < 60; ++i) {
    waiting_world::deeds all;
    // Each event makes one deed per key at most.
    std::set<uint64_t> keys;
    for (auto n = 1 + pick(2); n > 0; --n)
      if (auto key = pick(4); keys.insert(key).second)
        all.push_back({static_cast<deed>(pick(4)), key});
    all.push_back({note, 0});
    world.add(std::move(all));
    if (pick(3) == 0)
      world.send();
    if (pick(8) == 0)
      world.parents.insert(pick(4));
    if (pick(4) == 0)
      world.core->retry_waiting();
    if (pick(12) == 0)
      world.core->reconnected();
    for (auto n = pick(6); n > 0; --n)
      world.step();
    if (pick(25) == 0) {
      // A new writer: what was not acknowledged is sent again.
      world.core = std::make_unique<lane_core>(sample_lane, lane_limits{},
                                               waiting_world::traits());
      world.core->expect_waiting();
      world.sent = world.db.row.next_off[0].value;
    }
  }
  world.send();
  world.run();
  for (uint64_t i = 0; i < 4; ++i)
    world.parents.insert(i);
  world.expired = true;
  for (int i = 0; i < 40 && !world.db.waiting.empty(); ++i)
    world.retry();

  // Each event ends exactly once, each note is made once.
  CHECK(world.waiting().empty());
  CHECK(world.db.row.next_off[0] == offset{std::ssize(world.log)});
  for (int64_t at = 0; at < std::ssize(world.log); ++at) {
    INFO("event " << at);
    CHECK(world.db.notes.count(at) == 1);
    auto only_notes = world.log[static_cast<std::size_t>(at)].size() == 1;
    CHECK(world.db.written.count(at) + world.db.dead.count(at)
          == (only_notes ? world.db.written.count(at) : 1));
  }
  // Nothing overtakes, but what makes the row that an update waits for.
  auto does = [&world](int64_t at, uint64_t key) {
    for (const auto& x : world.log[static_cast<std::size_t>(at)])
      if (x.key == key && x.what != note && x.what != child)
        return x.what;
    return note;
  };
  for (const auto& [key, history] : world.db.history)
    for (std::size_t i = 0; i < history.size(); ++i)
      for (auto j = i + 1; j < history.size(); ++j)
        if (history[i] > history[j]) {
          INFO("key " << key << ": " << history[i] << " before " << history[j]);
          CHECK(does(history[i], key) == upsert);
          CHECK(does(history[j], key) == update);
        }
}
