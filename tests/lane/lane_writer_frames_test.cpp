// What is too large for one frame between nodes, as a LANE WRITER gets it.

#include "tests/lane/writer_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr std::size_t frame_bytes = 100;

struct frames_fixture : writer_fixture {
  using writer_fixture::writer_fixture;

  /// A second sender.
  std::shared_ptr<heard> other_heard = std::make_shared<heard>();
  caf::actor other = spawn_scripted_consumer(sys, other_heard);

  ~frames_fixture() {
    other_heard->answers.clear();
    self->send_exit(other, caf::exit_reason::user_shutdown);
    drain();
  }

  std::vector<batch_frame> frames_of(const batch_spec& x,
                                     const caf::actor& from) {
    framed whole{pack(sys, *make_sample(x)), frame_bytes};
    std::vector<batch_frame> result;
    for (uint64_t at = 0; at < whole.total(); at += frame_bytes)
      result.push_back({whole.cut(at), slot{x.partition}, from});
    REQUIRE(result.size() > 1);
    return result;
  }

  void give_frame(const batch_frame& x) {
    self->send(aut, x);
    drain();
  }

  /// The next flush has a row that PostgreSQL does not take.
  void refuse_next() {
    auto refused = outcome(flush_verdict::failed, failure_action::bisect);
    refused.sqlstate = "23514";
    script->flushes.queued.push_back(refused);
  }

  /// As many events as take several frames.
  static batch_spec large(int64_t from) {
    batch_spec result{.from = from, .to = from + 20};
    for (auto at = from; at < from + 20; ++at)
      result.rows.push_back(at);
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(frames_fixture, "a batch in frames is judged once all of them "
                                 "are there, in whatever order") {
  auto all = frames_of(large(10), consumer);
  for (auto i = all.size(); --i > 0;) {
    give_frame(all[i]);
    CHECK(said().empty());
    CHECK(script->flushes.asked.empty());
  }
  give_frame(all[0]);
  CHECK(said() == texts{"ack 30"});
  CHECK(script->flushes.asked.size() == 1);
}

TEST_CASE_METHOD(frames_fixture, "a frame that is lost loses its batch, which "
                                 "is taken when it comes again") {
  auto all = frames_of(large(10), consumer);
  for (std::size_t i = 1; i < all.size(); ++i)
    give_frame(all[i]);
  // What follows shows the gap.
  give({.from = 30, .to = 31, .rows = {30}});
  CHECK(said() == texts{"nack 10 #1"});
  for (const auto& x : all)
    give_frame(x);
  CHECK(said() == texts{"ack 30"});
}

TEST_CASE_METHOD(frames_fixture, "frames of two senders do not disturb each "
                                 "other") {
  auto one = frames_of(large(10), consumer);
  auto two = frames_of(large(10), other);
  for (std::size_t i = 0; i < one.size(); ++i) {
    give_frame(one[i]);
    give_frame(two[i]);
  }
  CHECK(said() == texts{"ack 30"});
  CHECK_FALSE(other_heard->answers.empty());
}

TEST_CASE_METHOD(frames_fixture, "frames that make no batch are dropped") {
  framed whole{std::string(250, '\xff'), frame_bytes};
  for (uint64_t at = 0; at < whole.total(); at += frame_bytes)
    give_frame({whole.cut(at), slot{0}, consumer});
  CHECK(said().empty());
  CHECK(report().state != "halted");
  for (const auto& x : frames_of(large(10), consumer))
    give_frame(x);
  CHECK(said() == texts{"ack 30"});
}

namespace {

struct small_lane : frames_fixture {
  small_lane()
    : frames_fixture{[](lane_writer_config& config, pool_script&) {
        config.limits.flush_bytes = config.limits.queue_bytes = 150;
      }} {
  }
};

} // namespace

TEST_CASE_METHOD(small_lane, "what waits for its other frames is bounded: that "
                             "of another sender goes, as if it were lost") {
  auto one = frames_of(large(10), consumer);
  auto two = frames_of(large(10), other);
  give_frame(one[0]);
  for (const auto& x : two)
    give_frame(x);
  CHECK_FALSE(other_heard->answers.empty());
  for (std::size_t i = 1; i < one.size(); ++i)
    give_frame(one[i]);
  CHECK(said().empty());
  give_frame(one[0]);
  CHECK(said() == texts{"ack 30"});
}

TEST_CASE_METHOD(frames_fixture, "a record that takes several frames is read "
                                 "to its end for its dead letter") {
  log->record.found = log->record.has_value = true;
  for (int i = 0; i < 100; ++i)
    log->record.value += std::to_string(i);
  log->frame_bytes = 50;
  refuse_next();
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(log->wanted.size() > 2);
  CHECK(log->wanted[0].from == 0);
  CHECK(log->wanted[1].from == 50);
  CHECK(said().back() == "ack 20");
  REQUIRE(script->flushes.asked.size() == 2);
  const auto& letters = script->flushes.asked.back().sources.at(0).refused;
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].value == log->record.value);
}

TEST_CASE_METHOD(frames_fixture,
                 "a record that becomes another one between its "
                 "frames is asked for again") {
  log->record.found = log->record.has_value = true;
  log->record.value = std::string(100, 'x');
  log->frame_bytes = 50;
  log->before_answer = [this] {
    // Retention came between.
    if (log->wanted.size() == 2)
      log->record = {};
  };
  refuse_next();
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(log->wanted.size() == 2);
  CHECK(report().state == "waiting for a record of a dead letter");
  advance(100ms);
  CHECK(log->wanted.size() == 3);
  CHECK(said().back() == "ack 20");
  log->before_answer = {};
}
