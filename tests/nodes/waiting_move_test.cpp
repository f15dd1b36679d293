// The map of a pipeline changes while its node runs and events wait.

#include "tests/nodes/node_fixture.hpp"

#include <format>

using namespace millrace::test;

namespace {

/// Trades wait for their orders. `more` are the tenants besides `north`.
struct fixture : node_fixture {
  fixture() : node_fixture{"moving", servers::kafka_bootstrap()} {
    for (const auto* tenant : {"north", "south"})
      db.execute(std::format(
        "CREATE SCHEMA tenant_{0}; CREATE TABLE tenant_{0}.orders (id bigint "
        "PRIMARY KEY, last bigint); CREATE TABLE tenant_{0}.trades (n bigserial"
        ", id bigint, order_id bigint REFERENCES tenant_{0}.orders, p int, o "
        "bigint)",
        tenant));
    create_topic(2);
  }

  void write_config(int lanes, const std::string& more = {}) {
    config = folder.write("node.toml",
                          std::format(R"toml([node]
name = "n1"
admin.port = 0
[postgresql]
url = {{ env = "DB_URL" }}
[kafka]
bootstrap = "{}"
[waiting]
retry_max = "1s"
[[tenant]]
name = "north"
{}
[pipeline.trades]
topics = ["{}"]
tenant = ".t"
lanes = {}
limits.resync = "2s"
limits.floor_interval = "500ms"
[[pipeline.trades.event]]
name = "trade"
route = "required(.order)"
[[pipeline.trades.event.write]]
table = "trades"
columns = {{ id = ".id", order_id = ".order", p = "@partition", o = "@offset" }}
[[pipeline.trades.event.write]]
table = "orders"
kind = "update"
key = ["id"]
columns = {{ id = ".order", last = ".id" }}
)toml",
                                      brokers_, more, topic, lanes));
  }

  process::variables environment() const override {
    return {{"DB_URL", db.url()}};
  }

  /// Trades [from, to) of so many orders in turn.
  void send(const std::string& tenant, int from, int to, int orders) {
    std::string lines;
    for (auto i = from; i < to; ++i)
      lines += std::format("{{\"t\":\"{}\",\"id\":{},\"order\":{}}}\n", tenant,
                           i, i % orders);
    send_lines(lines);
  }

  void change(int lanes, const std::string& more = {}) {
    write_config(lanes, more);
    auto done = run({"lanes", "change", "--pipeline", "trades", "--reason",
                     "a test", "--yes"});
    INFO(done.out << done.err);
    REQUIRE(done.code == 0);
  }

  scratch_database db{"moving"};
};

constexpr auto waiting = "SELECT count(*) FROM millrace.waiting";

constexpr auto south = "[[tenant]]\nname = \"south\"";

} // namespace

TEST_CASE_METHOD(fixture, "events that wait go along when the map changes, and "
                          "are written once and in order") {
  write_config(2, south);
  send("north", 0, 60, 6);
  send("south", 0, 20, 2);
  auto node = start_node();
  await(db, waiting, "80");
  change(5, south);
  CHECK(db.value(waiting) == "80");
  // Half of the orders come; nobody but the new lanes can write their trades.
  db.execute("INSERT INTO tenant_north.orders SELECT generate_series(0, 2)");
  send("north", 60, 72, 6);
  await(db, "SELECT count(*) FROM tenant_north.trades", "36");
  await(db, waiting, "56");
  // The tenant goes, and its events with it.
  change(1);
  CHECK(db.value(waiting) == "36");
  CHECK(db.value("SELECT string_agg(DISTINCT concat_ws('|', tenant, shard, "
                 "stage), ' ') || ' ' || count(*) FROM millrace.dead_letter "
                 "WHERE reason LIKE '%then the map changed: %'")
        == "_unrouted|0|waiting 20");
  db.execute("INSERT INTO tenant_north.orders SELECT generate_series(3, 5)");
  await(db,
        "SELECT count(DISTINCT (p, o)) || ' ' || count(*) FROM "
        "tenant_north.trades",
        "72 72");
  await(db, waiting, "0");
  stop(node);
  CHECK(db.value("SELECT count(*) FROM tenant_north.trades a JOIN "
                 "tenant_north.trades b USING (order_id, p) WHERE a.n < b.n "
                 "AND a.o > b.o")
        == "0");
  CHECK(db.value("SELECT count(*) FROM tenant_north.orders o WHERE last <> "
                 "(SELECT id FROM tenant_north.trades t WHERE t.order_id = "
                 "o.id ORDER BY n DESC LIMIT 1)")
        == "0");
  CHECK(db.value("SELECT count(*) FROM tenant_south.trades") == "0");
}
