// Rule 20: the POOL of a tenant whose tables are unusable.

#include "tests/store/pool_fixture.hpp"

using namespace millrace;

namespace {

struct parking_fixture : test::pool_fixture {
  caf::actor writer;
  std::shared_ptr<int> told = std::make_shared<int>();

  parking_fixture() {
    notice(0, kind::up);
  }

  ~parking_fixture() {
    if (writer)
      self->send_exit(writer, caf::exit_reason::user_shutdown);
    drain();
  }

  /// The lane's writer does, and counts how often it is told to go on.
  void writer_asks(int32_t lane) {
    writer = sys.spawn([pool = aut, lane, told = told](
                         caf::event_based_actor* me) -> caf::behavior {
      flush work;
      work.claim.lane = {"p", "demo", shard{lane}};
      me->request(pool, caf::infinite, std::move(work))
        .then([](flush_result&) {}, [](const caf::error&) {});
      return {[told](resume_atom) { ++*told; }};
    });
    drain();
  }

  /// The first session is done with a flush.
  void done(schema_sight tables) {
    session_notice x;
    x.what = kind::idle;
    x.tables = tables;
    x.reason = "42P01: no table";
    self->send(aut, x);
    drain();
  }

  template <class Pending>
  void check_parked(Pending& pending) {
    pending.receive([](flush_result&) { FAIL("an answer"); },
                    [](const caf::error& e) {
                      CHECK(e == store_errc::misconfigured);
                      CHECK(to_string(e).contains("42P01: no table"));
                    });
  }

  std::string state() {
    std::string result;
    auto pending = self->request(aut, std::chrono::seconds{1}, inspect_atom_v);
    drain();
    pending.receive(
      [&](const actor_report& x) { result = x.state + ' ' + x.note; },
      [](const caf::error& e) { FAIL(to_string(e)); });
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(parking_fixture, "a flush that finds the tables unusable "
                                  "parks the tenant; all go on when one of "
                                  "that lane gets through") {
  auto first = ask_flush(0);
  auto waiting = ask_flush(1);
  done(schema_sight::unusable);
  check_parked(waiting);
  auto again = ask_flush(1);
  check_parked(again);
  writer_asks(2);
  CHECK(log->flushes.size() == 1);
  CHECK(state() == "parked 42P01: no table");
  // Rows of lanes are in another schema.
  auto row = ask();
  CHECK(log->loads.size() == 1);
  notice(0, kind::idle);
  auto probe = ask_flush(0);
  CHECK(log->flushes.size() == 2);
  done(schema_sight::unknown);
  CHECK(state() == "parked 42P01: no table");
  auto last = ask_flush(0);
  done(schema_sight::usable);
  CHECK(*told == 1);
  CHECK(state() == "running ");
  auto other = ask_flush(1);
  CHECK(log->flushes.size() == 4);
}
