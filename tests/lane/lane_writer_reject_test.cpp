// Rows that PostgreSQL refuses, and whom the writer asks and answers.

#include "tests/lane/writer_fixture.hpp"

#include <caf/actor_config.hpp>
#include <caf/actor_proxy.hpp>
#include <caf/make_actor.hpp>

#include <algorithm>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

flush_result refused_row() {
  auto result = outcome(flush_verdict::failed, failure_action::bisect);
  result.sqlstate = "23514";
  result.message = "new row violates check constraint";
  result.reason = result.message + "; Failing row contains (secret)";
  return result;
}

/// A handle whose connection is lost: equal to the actor's own, and deaf.
class lost_proxy final : public caf::actor_proxy {
public:
  using actor_proxy::actor_proxy;

  bool enqueue(caf::mailbox_element_ptr, caf::execution_unit*) override {
    return false;
  }

  void kill_proxy(caf::execution_unit*, caf::error) override {
  }
};

caf::actor lost_handle_of(const caf::actor& who, caf::actor_system& sys) {
  caf::actor_config config;
  return caf::make_actor<lost_proxy, caf::actor>(who.id(), who.node(), &sys,
                                                 config);
}

struct fixture : writer_fixture {
  /// As PostgreSQL would: flushes with rows of this event fail.
  void poison(int64_t at) {
    script->flushes.decide = [at](const flush& x) {
      for (const auto& part : x.sources)
        for (auto row : part.data->blocks[0].offsets)
          if (row == at && part.keeps(offset{row}) && part.refused.empty())
            return true;
      return false;
    };
    script->flushes.otherwise = refused_row();
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a flush whose parents are on their way through "
                          "another lane is written whole a moment later") {
  auto result = refused_row();
  result.sqlstate = "23503";
  script->flushes.queued.assign(2, result);
  give({.from = 10, .to = 20, .rows = {11, 12, 13, 14}});
  CHECK(script->flushes.asked.size() == 1);
  advance(100ms);
  CHECK(script->flushes.asked.size() == 2);
  CHECK(said().empty());
  advance(200ms);
  CHECK(said() == texts{"ack 20"});
  CHECK(script->flushes.asked.size() == 3);
  CHECK(log->wanted.empty());
}

TEST_CASE_METHOD(fixture, "an event that PostgreSQL refuses becomes a dead "
                          "letter with its record, and the others are "
                          "written") {
  log->record.found = log->record.has_key = true;
  log->record.key = "k";
  log->record.timestamp_ms = 5;
  poison(13);
  give({.from = 10, .to = 20, .rows = {11, 12, 13, 14}});
  REQUIRE(log->wanted.size() == 1);
  CHECK(log->wanted[0].source == sample_source());
  CHECK(log->wanted[0].at == offset{13});
  auto heard = said();
  REQUIRE_FALSE(heard.empty());
  CHECK(heard.back() == "ack 20");
  std::vector<reject> letters;
  for (const auto& x : script->flushes.asked)
    for (const auto& part : x.sources)
      for (const auto& r : part.refused)
        letters.push_back(r);
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].sqlstate == "23514");
  CHECK(letters[0].reason.ends_with("(secret)"));
  CHECK(letters[0].has_key);
  CHECK_FALSE(letters[0].has_value);
  CHECK(letters[0].key == "k");
  CHECK(letters[0].timestamp_ms == 5);
  CHECK(report().state == "writing");
}

TEST_CASE_METHOD(fixture, "while the record cannot be read the lane waits and "
                          "asks again") {
  log->record.found = true;
  for (int i = 0; i < 2; ++i)
    log->record_errors.push_back(
      caf::make_error(caf::sec::runtime_error, "no broker"));
  poison(11);
  give({.from = 10, .to = 20, .rows = {11, 12}});
  CHECK(log->wanted.size() == 1);
  CHECK(report().state == "waiting for a record of a dead letter");
  advance(100ms);
  CHECK(log->wanted.size() == 2);
  advance(200ms);
  CHECK(log->wanted.size() == 3);
  CHECK(said().back() == "ack 20");
}

TEST_CASE_METHOD(fixture, "a consumer that is gone is not asked for ever: the "
                          "next one that sends is") {
  poison(11);
  auto old = spawn_scripted_consumer(sys, std::make_shared<heard>());
  self->send(aut, lane_batch{make_sample({.from = 10, .to = 12, .rows = {10}}),
                             slot{0}, old});
  drain();
  self->send_exit(old, caf::exit_reason::kill);
  drain();
  self->send(aut, lane_batch{make_sample({.from = 12, .to = 13, .rows = {12}}),
                             slot{0}, old});
  drain();
  poison(14);
  self->send(aut, lane_batch{make_sample({.from = 13, .to = 20, .rows = {14}}),
                             slot{0}, old});
  drain();
  CHECK(log->wanted.empty());
  // The new consumer reads from what is durable; the writer has it already.
  give({.from = 13, .to = 20, .rows = {14}});
  advance(200ms);
  CHECK(log->wanted.size() == 1);
}

TEST_CASE_METHOD(fixture, "a halted lane's reason does not quote the row") {
  script->flushes.queued.push_back(refused_row());
  give({.from = 10, .to = 20, .rejects = {11}});
  CHECK(report().state == "halted");
  CHECK(report().note == "23514: new row violates check constraint");
  REQUIRE(script->halts.asked.size() == 1);
  CHECK_FALSE(script->halts.asked[0].reason.contains("secret"));
}

TEST_CASE_METHOD(fixture, "too many rejects halt the lane before they are "
                          "written") {
  batch_spec x{.from = 10, .to = 1'010};
  for (int64_t i = 0; i < 201; ++i)
    x.rejects.push_back(10 + i);
  give(x);
  CHECK(script->flushes.asked.empty());
  CHECK(report().state == "halted");
  CHECK(report().note.starts_with("201 of the last 201 events are rejects"));
  CHECK(script->halts.asked.size() == 1);
  CHECK(said() == texts{"hand back 10 #1"});
}

TEST_CASE_METHOD(fixture, "two consumers of one partition are both answered") {
  auto other_log = std::make_shared<heard>();
  auto other = spawn_scripted_consumer(sys, other_log);
  script->flushes.hold = true;
  give({.from = 10, .to = 20, .rows = {11}});
  self->send(aut, lane_batch{make_sample({.from = 20, .to = 25, .number = 2}),
                             slot{0}, other});
  // The first one again: covered, so it hears nothing of this one.
  give({.from = 10, .to = 25, .rows = {11}});
  script->flushes.hold = false;
  script->flushes.release(script->commit(script->flushes.asked[0]));
  settle();
  CHECK(said() == texts{"ack 20"});
  REQUIRE(other_log->answers.size() == 1);
  CHECK(to_texts(other_log->answers[0].replies) == texts{"ack 25"});
  self->send_exit(other, caf::exit_reason::user_shutdown);
  drain();
}

TEST_CASE_METHOD(fixture, "senders are forgotten once they are answered") {
  for (int64_t i = 0; i < 200; ++i) {
    auto one_log = std::make_shared<heard>();
    auto one = spawn_scripted_consumer(sys, one_log);
    auto from = 10 + i;
    self->send(aut, lane_batch{make_sample({.from = from, .to = from + 1}),
                               slot{0}, one});
    drain();
    REQUIRE(one_log->answers.size() == 1);
    self->send_exit(one, caf::exit_reason::user_shutdown);
    drain();
  }
  auto all = report().counters;
  auto senders = std::ranges::find(all, std::string{"senders"},
                                   &std::pair<std::string, int64_t>::first);
  REQUIRE(senders != all.end());
  CHECK(senders->second <= 64);
}

TEST_CASE_METHOD(fixture, "after a connection was lost, answers and questions "
                          "go by the new one") {
  auto lost = lost_handle_of(consumer, sys);
  REQUIRE(lost == consumer);
  self->send(aut, lane_batch{make_sample({.from = 0, .to = 10, .rows = {1}}),
                             slot{0}, lost});
  drain();
  CHECK(said().empty());
  log->record.found = true;
  poison(13);
  give({.from = 10, .to = 20, .rows = {11, 12, 13, 14}});
  for (int i = 0; i < 10; ++i)
    advance(1s);
  CHECK(log->wanted.size() == 1);
  auto all = said();
  REQUIRE_FALSE(all.empty());
  CHECK(all.back() == "ack 20");
}

TEST_CASE_METHOD(fixture, "a question that went by a connection that was lost "
                          "is asked again by the new one") {
  log->record.found = true;
  poison(13);
  self->send(aut, lane_batch{make_sample({.from = 10, .to = 20, .rows = {13}}),
                             slot{0}, lost_handle_of(consumer, sys)});
  drain();
  REQUIRE_FALSE(script->flushes.asked.empty());
  REQUIRE(log->wanted.empty());
  // The same once more, as a partition consumer does that has no answer.
  give({.from = 10, .to = 20, .rows = {13}});
  CHECK(log->wanted.size() == 1);
  auto all = said();
  REQUIRE_FALSE(all.empty());
  CHECK(all.back() == "ack 20");
}
