#pragma once

// The POOL with scripted sessions, under virtual time.

#include "actors/store/pool.hpp"
#include "actors/store/session.hpp"
#include "messages/lane.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::test {

/// What the scripted sessions saw, and how they answer.
struct session_script {
  std::vector<session_actor> sessions;
  /// Index of the session that did each load.
  std::vector<uint32_t> loads;
  int views = 0;
  std::vector<caf::typed_response_promise<lane_row>> open;
  std::vector<caf::typed_response_promise<flush_result>> flushes;
};

inline session_actor::behavior_type
scripted_session(session_actor::pointer self,
                 std::shared_ptr<session_script> log, uint32_t index,
                 std::shared_ptr<session_slot> right) {
  auto refuse = [] { return caf::make_error(store_errc::failed); };
  return {
    [log, self](flush&) {
      log->flushes.push_back(self->make_response_promise<flush_result>());
      return log->flushes.back();
    },
    [refuse](takeover_request&) -> caf::result<lane_row> { return refuse(); },
    [refuse](halt_request&) -> caf::result<lane_row> { return refuse(); },
    [refuse](retention_halt_request&) -> caf::result<lane_row> {
      return refuse();
    },
    [log, index, self](load_request&) {
      log->loads.push_back(index);
      log->open.push_back(self->make_response_promise<lane_row>());
      return log->open.back();
    },
    [refuse](boot_request&) -> caf::result<boot_result> { return refuse(); },
    [refuse, log](view_request&) -> caf::result<partition_view> {
      ++log->views;
      return refuse();
    },
    [refuse](floor_request&) -> caf::result<floor_answer> { return refuse(); },
    [refuse](waiting_request&) -> caf::result<waiting_answer> {
      return refuse();
    },
    [](session_step) {},
    [](session_tick) {},
    [right](inspect_atom) {
      actor_report result;
      result.state = "idle";
      return result;
    },
  };
}

struct pool_fixture : deterministic {
  using kind = session_notice::kind;

  std::shared_ptr<session_script> log = std::make_shared<session_script>();
  std::shared_ptr<session_slots> slots = std::make_shared<session_slots>(2);
  std::shared_ptr<session_slots> flushes = std::make_shared<session_slots>(2);
  pool_actor aut;
  std::shared_ptr<std::vector<uint64_t>> heard
    = std::make_shared<std::vector<uint64_t>>();

  pool_fixture() {
    pool_config config;
    config.tenant = "demo";
    config.sessions = 2;
    config.queue_limit = 2;
    config.room_delays.jitter = 0;
    config.slots = slots;
    config.flushes = flushes;
    config.spawn = [this](pool_actor::pointer parent, uint32_t index,
                          session_slot right) {
      auto x = parent->spawn(scripted_session, log, index,
                             std::make_shared<session_slot>(std::move(right)));
      if (log->sessions.size() <= index)
        log->sessions.resize(index + 1);
      log->sessions[index] = x;
      return x;
    };
    aut = sys.spawn<pool>(config);
    drain();
  }

  ~pool_fixture() {
    log->open.clear();
    log->flushes.clear();
    self->send_exit(aut, caf::exit_reason::user_shutdown);
    drain();
    log->sessions.clear();
  }

  void notice(uint32_t index, kind what,
              store_errc code = store_errc::unavailable) {
    self->send(aut, session_notice{index, what, code, "because"});
    drain();
  }

  auto ask_flush(int32_t lane) {
    flush work;
    work.claim.lane = {"p", "demo", shard{lane}};
    auto result = self->request(aut, caf::infinite, std::move(work));
    drain();
    return result;
  }

  auto ask() {
    auto result = self->request(aut, caf::infinite,
                                load_request{{"p", "demo", {}}, {}});
    drain();
    return result;
  }

  template <class Pending>
  store_errc error_of(Pending& pending) {
    auto result = store_errc::failed;
    pending.receive([](lane_row&) { FAIL("an answer instead of an error"); },
                    [&](const caf::error& e) {
                      for (auto x :
                           {store_errc::overloaded, //
                            store_errc::unavailable, store_errc::refused})
                        if (e == x)
                          result = x;
                    });
    return result;
  }

  pool_status status() {
    pool_status result;
    auto pending = self->request(aut, caf::infinite, pool_inquiry{});
    drain();
    pending.receive([&](const pool_status& x) { result = x; },
                    [](const caf::error& e) { FAIL(to_string(e)); });
    return result;
  }

  void listen() {
    auto listener = sys.spawn([heard = heard]() -> caf::behavior {
      return {[heard](pool_reconnected x) { heard->push_back(x.generation); }};
    });
    self->send(aut, pool_subscribe{listener});
    drain();
  }
};

} // namespace millrace::test
