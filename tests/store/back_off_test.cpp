// Rule 20: a server that is short of something, with POOLS and LANE WRITERS.

#include "actors/admin/metrics.hpp"
#include "actors/cluster/log.hpp"
#include "actors/lane/lane_writer.hpp"
#include "actors/store/pool.hpp"
#include "tests/store/store_fixture.hpp"
#include "tests/support/message_types.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <format>
#include <functional>
#include <map>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr int32_t lanes = 6;

/// A disk that is full for the tables of `demo`. Each try counts, whatever
/// becomes of its transaction; so does one that begins during another.
constexpr auto full_disk = R"(
  CREATE SCHEMA tenant_b;
  CREATE TABLE tenant_b.log (LIKE tenant_demo.log INCLUDING ALL);
  CREATE TABLE tenant_demo.disk AS SELECT true AS is_full;
  CREATE SEQUENCE tenant_demo.tries;
  CREATE SEQUENCE tenant_demo.overlaps;
  CREATE FUNCTION tenant_demo.extend() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NOT (SELECT is_full FROM tenant_demo.disk) THEN
      RETURN NULL;
    END IF;
    PERFORM nextval('tenant_demo.tries');
    IF NOT pg_try_advisory_xact_lock(53100) THEN
      PERFORM nextval('tenant_demo.overlaps');
    END IF;
    PERFORM pg_sleep(0.05);
    RAISE 'could not extend file' USING ERRCODE = '53100';
  END $$;
  CREATE TRIGGER extend BEFORE INSERT ON tenant_demo.log
    FOR EACH STATEMENT EXECUTE FUNCTION tenant_demo.extend())";

router_actor::behavior_type nobodys_router() {
  return {
    [](const lane_route&) {},
    [](caf::subscribe_atom, const caf::actor&) {},
    [](inspect_atom) { return actor_report{}; },
  };
}

struct fixture : store_fixture {
  caf::actor_system_config options;
  caf::actor_system sys{options};
  caf::scoped_actor self{sys};
  router_actor router = sys.spawn(nobodys_router);
  std::atomic<int> acks = 0;
  caf::actor consumer = sys.spawn([this]() -> caf::behavior {
    return {[this](const lane_answer& x) {
      for (const auto& reply : x.replies)
        acks += reply.what == lane_reply::kind::ack ? 1 : 0;
    }};
  });
  std::map<std::string, pool_actor> pools;
  std::map<lane_id, caf::actor> writers;

  fixture() {
    log::setup({.level = log::level::off});
    db.execute(full_disk);
    auto boot = boot_of(1);
    boot.pipeline = "many";
    boot.lanes = lanes;
    boot.tenants = {{"demo", rows_of}, {"b", rows_of}};
    must(store().boot(boot));
  }

  ~fixture() {
    for (auto& [_, x] : writers)
      end(x);
    for (auto& [_, x] : pools)
      end(x);
    end(router);
    end(consumer);
  }

  template <class Actor>
  void end(Actor& x) {
    self->send_exit(x, caf::exit_reason::user_shutdown);
    self->wait_for(x);
  }

  void start(const std::string& tenant) {
    pool_config settings;
    settings.tenant = tenant;
    settings.database = "postgresql";
    settings.session = config();
    settings.sessions = 3;
    settings.room_delays = {.initial = 20ms, .max = 100ms};
    auto pool = pools[tenant] = spawn_pool(self.ptr(), settings);
    auto appends = make_write_plan("many", tenant, rows_of,
                                   {{"tenant_" + tenant,
                                     "log",
                                     write_method::append,
                                     {"id", "version", "v"},
                                     {},
                                     {}}});
    for (int32_t i = 0; i < lanes; ++i) {
      lane_writer_config x;
      x.lane = {"many", tenant, shard{i}};
      x.plan = appends;
      x.node = "n1";
      x.delays = {.initial = 1ms, .max = 30s};
      writers[x.lane] = spawn_lane_writer(self.ptr(), x, pool, router);
    }
  }

  /// A row for each of some lanes, in one batch each.
  void give(const std::string& tenant, int32_t from, int32_t to) {
    for (auto i = from; i < to; ++i) {
      auto data = batch_of(100, 101);
      data.lane = {"many", tenant, shard{i}};
      data.blocks.resize(1);
      data.events = 1;
      add_row(data.blocks[0], 100, event_row(i, {}, "x"), i);
      auto to_send = std::make_shared<const batch>(std::move(data));
      self->send(writers.at(to_send->lane),
                 lane_batch{to_send, slot{0}, consumer});
    }
  }

  int64_t backing_off(const std::string& tenant) {
    return make_pool_metrics(sys, tenant, "postgresql").backing_off->value();
  }

  int64_t number(const std::string& query) {
    return std::stoll(*must(conn->query(query)).rows.at(0).at(0));
  }

  int64_t drawn(const std::string& sequence) {
    return number("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM "
                  "tenant_demo."
                  + sequence);
  }

  static void await(const std::function<bool()>& what) {
    auto until = std::chrono::steady_clock::now() + 60s;
    while (!what()) {
      REQUIRE(std::chrono::steady_clock::now() < until);
      std::this_thread::sleep_for(10ms);
    }
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "while the disk is full for a tenant its lanes try "
                          "one at a time and other tenants go on; then every "
                          "row comes once") {
  start("demo");
  start("b");
  give("demo", 0, 1);
  await([&] { return backing_off("demo") == 1; });
  give("demo", 1, lanes);
  give("b", 0, lanes);
  await([&] { return acks == lanes; });
  auto before = drawn("tries");
  await([&] { return drawn("tries") >= before + 2 * lanes; });
  CHECK(drawn("overlaps") == 0);
  CHECK(acks == lanes);
  CHECK(number("SELECT count(*) FROM tenant_demo.log") == 0);
  // It was each lane's turn.
  CHECK(number("SELECT count(*) FROM millrace.lane WHERE pipeline = 'many' "
               "AND tenant = 'demo' AND epoch > 0")
        == lanes);
  CHECK(backing_off("b") == 0);
  must(conn->run("UPDATE tenant_demo.disk SET is_full = false"));
  await([&] { return acks == 2 * lanes; });
  CHECK(backing_off("demo") == 0);
  for (std::string tenant : {"demo", "b"}) {
    auto from = " FROM tenant_" + tenant + ".log";
    CHECK(number("SELECT count(*)" + from) == lanes);
    CHECK(number("SELECT count(DISTINCT id)" + from) == lanes);
  }
}
