// A log that is made whatever becomes of an event, through a whole node.

#include "tests/nodes/node_fixture.hpp"

#include <format>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Orders with a number, and a log of all that came.
class shop : public node_fixture {
public:
  shop() : node_fixture{"always", servers::kafka_bootstrap()} {
    create_topic(1);
    db.execute("CREATE SCHEMA tenant_north; CREATE TABLE tenant_north.orders "
               "(n bigint CHECK (n < 100)); CREATE TABLE tenant_north.log (at "
               "bigint PRIMARY KEY, part int, data jsonb, raw bytea, CHECK "
               "(raw <> 'not welcome'))");
    map(".n");
    REQUIRE(run({"migrate", "up"}).code == 0);
  }

  process::variables environment() const override {
    return {{"DB_URL", db.url()}};
  }

  void map(const std::string& number) {
    config = folder.write("node.toml", std::format(R"toml([postgresql]
url = {{ env = "DB_URL" }}
[kafka]
bootstrap = "{}"
[node.admin]
port = 0
[[tenant]]
name = "north"
[pipeline.orders]
topics = ["{}"]
tenant = "'north'"
max_reject_ratio = 1
[[pipeline.orders.event]]
name = "order"
route = "@partition"
[[pipeline.orders.event.write]]
table = "orders"
columns = {{ n = "{}" }}
[[pipeline.orders.event]]
name = "log"
every = true
[[pipeline.orders.event.write]]
table = "log"
always = true
[pipeline.orders.event.write.columns]
at = "@offset"
part = "@partition"
data = "if(@readable, @payload, null)"
raw = "if(@readable, null, @raw)"
)toml",
                                                   brokers_, topic, number));
  }

  std::string orders() const {
    return db.value("SELECT string_agg(n::text, ' ' ORDER BY n) FROM "
                    "tenant_north.orders");
  }

  std::string log() const {
    return db.value("SELECT string_agg(at || ' ' || coalesce(data::text, "
                    "convert_from(raw, 'UTF8')), ', ' ORDER BY at) FROM "
                    "tenant_north.log");
  }

  scratch_database db{"always"};
};

} // namespace

TEST_CASE("each record is in the log once, also those that become dead "
          "letters, and a replay does not repeat it") {
  shop all;
  all.send_lines(R"({"n":1}
{"n":
{"n":"two"}
{"n":300}
not welcome
{"n":4}
)");
  auto node = all.start_node();
  shop::await(all.db,
              "SELECT max(next_off[1]) FROM millrace.lane WHERE tenant = "
              "'north'",
              "6");
  shop::stop(node);
  CHECK(all.orders() == "1 4");
  auto logged = R"(0 {"n": 1}, 1 {"n":, 2 {"n": "two"}, 3 {"n": 300}, )"
                R"(5 {"n": 4})";
  CHECK(all.log() == logged);
  CHECK(all.db.value("SELECT string_agg(concat_ws(' ', \"offset\", stage, "
                     "always_made), ', ' ORDER BY \"offset\") FROM "
                     "millrace.dead_letter")
        == "1 decode t, 2 map t, 3 store t, 4 decode f");

  all.map("if(.n = 'two', 2, if(.n > 99, 99, .n))");
  auto replayed = all.run({"dlq", "replay", "--pipeline", "orders"});
  INFO(replayed.out << replayed.err);
  CHECK(all.orders() == "1 2 4 99");
  CHECK(all.log() == logged);
  CHECK(all.db.value("SELECT string_agg(\"offset\"::text, ' ' ORDER BY "
                     "\"offset\") FROM millrace.dead_letter")
        == "1 4");
}
