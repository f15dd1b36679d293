// `millrace lanes …` against real servers, with and without a node.

#include "tests/nodes/lanes_fixture.hpp"

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Everything of event 1 goes to one lane: this one.
std::string busy_lane(const lanes_fixture& f) {
  return f.db.value("SELECT pipeline || '/' || tenant || '/' || shard FROM "
                    "millrace.lane WHERE tenant = 'north' AND next_seq > 1");
}

constexpr auto count = "SELECT count(*) FROM tenant_north.notes";

std::string actions(const lanes_fixture& f) {
  return f.db.value("SELECT string_agg(command || ' ' || object || ' ' || "
                    "reason, ', ' ORDER BY id) FROM millrace.admin_action");
}

} // namespace

TEST_CASE_METHOD(lanes_fixture, "lanes list tells state, offsets and lag of "
                                "every lane") {
  send("{\"id\":1,\"v\":\"a\"}\n{\"id\":1,\"v\":\"b\"}\n");
  ingest(count, "2");
  send("{\"id\":1,\"v\":\"c\"}\n");
  auto x = run({"lanes", "list", "--tenant", "north", "--json"});
  INFO(x.out << x.err);
  REQUIRE(x.code == 0);
  json_document all{x.out};
  REQUIRE(all.size() == 2);
  auto busy = all.text("/0/lane") == busy_lane(*this) ? "/0" : "/1";
  auto at = [&](const std::string& member) { return busy + member; };
  CHECK(all.text(at("/state")) == "active");
  CHECK(all.text(at("/node")) == "n1");
  CHECK(all.integer(at("/epoch")) >= 1);
  CHECK(all.text(at("/partitions/0/topic")) == topic);
  CHECK(all.integer(at("/partitions/0/offset")) == 2);
  CHECK(all.integer(at("/partitions/0/lag")) == 1);
  auto table = run({"lanes", "list", "--partitions"});
  CHECK_THAT(table.out, ContainsSubstring("notes/_unrouted/0 "));
  CHECK_THAT(table.out, ContainsSubstring(topic + "/0"));
  CHECK(table.err.empty());
}

TEST_CASE_METHOD(lanes_fixture,
                 "without Kafka lanes are listed, and nothing is "
                 "skipped") {
  ingest("SELECT count(*) FROM millrace.lane", "4");
  auto away = without_kafka();
  auto list = test::run({"lanes", "list", "--config", away, "--timeout", "1s"},
                        environment());
  INFO(list.out << list.err);
  CHECK(list.code == 0);
  CHECK_THAT(list.out, ContainsSubstring("  ?  "));
  CHECK_THAT(list.err, ContainsSubstring("some lag is unknown"));
  REQUIRE(run({"lanes", "halt", "notes/north/0", "--reason", "x"}).code == 0);
  auto skip = test::run({"lanes", "skip", "notes/north/0", "--topic", topic,
                         "--partition", "0", "--to", "9", "--reason", "x",
                         "--yes", "--config", away, "--timeout", "1s"},
                        environment());
  CHECK(skip.code == 3);
  CHECK_THAT(skip.err, ContainsSubstring("Kafka: "));
  CHECK(db.value("SELECT max(next_off[1]) FROM millrace.lane") == "0");
}

TEST_CASE_METHOD(lanes_fixture, "a lane that is halted by hand fences its "
                                "writer, and after its resumption nothing is "
                                "lost or doubled") {
  auto node = start_node();
  send("{\"id\":1,\"v\":\"a\"}\n");
  await(count, "1");
  auto lane = busy_lane(*this);
  auto epoch = db.value("SELECT max(epoch) FROM millrace.lane");
  auto halted = run({"lanes", "halt", lane, "--reason", "vacuum full"});
  INFO(halted.err);
  REQUIRE(halted.code == 0);
  CHECK(halted.out == lane + " is halted\n");
  CHECK(db.value("SELECT max(epoch) - " + epoch + " FROM millrace.lane")
        == "1");

  send("{\"id\":1,\"v\":\"b\"}\n");
  auto shown = run({"lanes", "halted", "--json"});
  CHECK(shown.code == 1);
  json_document stopped{shown.out};
  CHECK(stopped.text("/lanes/0/lane") == lane);
  CHECK(stopped.text("/lanes/0/reason") == "vacuum full");
  CHECK(stopped.text("/lanes/0/command")
        == "millrace lanes resume " + lane + " --reason TEXT");
  CHECK(run({"lanes", "halt", lane, "--reason", "again"}).code == 1);
  std::this_thread::sleep_for(1s);
  CHECK(notes() == "1:a");

  auto resumed = run({"lanes", "resume", lane, "--reason", "vacuumed"});
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  await(count, "2");
  send("{\"id\":1,\"v\":\"c\"}\n");
  await(count, "3");
  CHECK(notes() == "1:a 1:b 1:c");
  CHECK(run({"lanes", "halted"}).out == "nothing is halted\n");
  CHECK(actions(*this)
        == "lanes halt " + lane + " vacuum full, lanes resume " + lane
             + " vacuumed");
  CHECK(db.value("SELECT (before->>'state') || (after->>'state') FROM "
                 "millrace.admin_action ORDER BY id LIMIT 1")
        == "activehalted");
  stop(node);
}

TEST_CASE_METHOD(lanes_fixture, "all halted lanes are resumed at once, and a "
                                "partition by its name") {
  ingest("SELECT count(*) FROM millrace.lane", "4");
  db.execute("UPDATE millrace.lane SET state = 'halted', reason = 'x' WHERE "
             "tenant = 'north';"
             "UPDATE millrace.lane SET state = 'parked' WHERE tenant <> "
             "'north';"
             "UPDATE millrace.partition_floor SET state = 'halted', reason = "
             "'why'");
  auto shown = run({"lanes", "halted"});
  CHECK(shown.code == 1);
  CHECK_THAT(shown.out, ContainsSubstring("lane notes/_unrouted/0 parked"));
  CHECK_THAT(shown.out,
             ContainsSubstring("partition notes/" + topic + "/0 halted"));
  CHECK_THAT(shown.out,
             ContainsSubstring("mend:   millrace lanes resume --partition "
                               "notes/"
                               + topic + "/0 --reason TEXT"));
  auto some = run({"lanes", "resume", "--all-halted", "--tenant", "north",
                   "--reason", "mended", "--json"});
  INFO(some.out);
  CHECK(some.code == 0);
  CHECK(some.out
        == R"({"changed":["notes/north/0","notes/north/1"]})"
           "\n");
  CHECK(run({"lanes", "resume", "--all-halted", "--reason", "mended"}).code
        == 0);
  CHECK(db.value("SELECT count(*) FROM millrace.lane WHERE state = 'active' "
                 "AND reason IS NULL")
        == "4");
  auto token = db.value("SELECT token FROM millrace.partition_floor");
  std::vector<std::string> resume{"lanes",       "resume",
                                  "--partition", "notes/" + topic + "/0",
                                  "--reason",    "mended"};
  auto part = run(resume);
  INFO(part.err);
  CHECK(part.code == 0);
  CHECK(db.value("SELECT state FROM millrace.partition_floor") == "active");
  CHECK(db.value("SELECT token FROM millrace.partition_floor") != token);
  CHECK(run(resume).code == 1);
  CHECK(db.value("SELECT count(*) FROM millrace.admin_action") == "5");
}

TEST_CASE_METHOD(lanes_fixture, "a lane that is not there is named") {
  ingest("SELECT count(*) FROM millrace.lane", "4");
  auto x = run({"lanes", "resume", "notes/north/9", "--reason", "r"});
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("there is no lane notes/north/9"));
}

TEST_CASE_METHOD(lanes_fixture, "without the control schema the message says "
                                "how it is made") {
  auto x = run({"lanes", "list"});
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("millrace migrate up"));
}

TEST_CASE_METHOD(lanes_fixture, "skip moves a halted lane forward only, within "
                                "the log, and the node goes on exactly there") {
  auto node = start_node();
  send("{\"id\":1,\"v\":\"a\"}\n");
  await(count, "1");
  auto lane = busy_lane(*this);
  auto skip = [&](const std::string& to,
                  const std::vector<std::string>& more = {"--yes"}) {
    std::vector<std::string> args{"lanes", "skip",        lane,    "--topic",
                                  topic,   "--partition", "0",     "--to",
                                  to,      "--reason",    "poison"};
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  };
  auto active = skip("2");
  CHECK(active.code == 1);
  CHECK_THAT(active.err, ContainsSubstring("is active"));
  REQUIRE(run({"lanes", "halt", lane, "--reason", "poison"}).code == 0);
  send("{\"id\":1,\"v\":\"b\"}\n{\"id\":1,\"v\":\"c\"}\n{\"id\":1,\"v\":\"d\"}"
       "\n");
  auto backwards = skip("1");
  CHECK(backwards.code == 1);
  CHECK_THAT(backwards.err, ContainsSubstring("offsets never go back"));
  auto beyond = skip("5");
  CHECK(beyond.code == 1);
  CHECK_THAT(beyond.err, ContainsSubstring("found 5, expected at most 4"));
  auto asked = skip("3", {});
  CHECK(asked.code == 1);
  CHECK_THAT(asked.err, ContainsSubstring("passes over offsets 1 to 2"));
  CHECK_THAT(asked.err, ContainsSubstring("Kafka still has 2"));
  CHECK_THAT(asked.err, ContainsSubstring("nothing was changed"));
  CHECK(skip("3", {"--json"}).code == 2);
  auto before = db.value("SELECT max(epoch) * 1000 + max(next_seq) FROM "
                         "millrace.lane");
  auto done = skip("3", {"--yes", "--json"});
  INFO(done.out);
  REQUIRE(done.code == 0);
  json_document told{done.out};
  CHECK(told.integer("/from") == 1);
  CHECK(told.integer("/to") == 3);
  CHECK(db.value("SELECT max(epoch) * 1000 + max(next_seq) - " + before
                 + " FROM millrace.lane")
        == "1001");
  CHECK(db.value("SELECT before->>'from' || '-' || (before->>'to') || ' ' || "
                 "(before->>'topic') || ' ' || os_user || ' ' || reason FROM "
                 "millrace.admin_action WHERE command = 'lanes skip'")
          .starts_with("1-3 " + topic + ' '));
  CHECK(skip("3").code == 1);
  REQUIRE(run({"lanes", "resume", lane, "--reason", "poison"}).code == 0);
  await(count, "2");
  send("{\"id\":1,\"v\":\"e\"}\n");
  await(count, "3");
  CHECK(notes() == "1:a 1:d 1:e");
  stop(node);
}

TEST_CASE_METHOD(lanes_fixture, "retention that runs past a halted lane is its "
                                "loss alone: the others of the partition go "
                                "on") {
  auto node = start_node();
  send("{\"id\":1,\"v\":\"a\"}\n");
  await(count, "1");
  auto lane = busy_lane(*this);
  // An event of the other lane.
  int other = 1;
  do {
    send(std::format("{{\"id\":{},\"v\":\"a\"}}\n", ++other));
    await(count, std::to_string(other));
  } while (db.value("SELECT count(*) FROM millrace.lane WHERE next_seq > 1")
           == "1");
  auto first_lost = other;

  REQUIRE(run({"lanes", "halt", lane, "--reason", "x"}).code == 0);
  send(std::format("{{\"id\":1,\"v\":\"lost\"}}\n"
                   "{{\"id\":{},\"v\":\"b\"}}\n",
                   other));
  await(count, std::to_string(other + 1));
  auto client = kafka_client::open({{"bootstrap.servers", brokers_}});
  REQUIRE(client);
  REQUIRE(client->delete_records({topic, {0}}, offset{first_lost + 2}, 20s));
  REQUIRE(run({"lanes", "resume", lane, "--reason", "y"}).code == 0);

  await("SELECT string_agg(state, ' ' ORDER BY state) FROM millrace.lane WHERE "
        "tenant = 'north' AND (state = 'active' OR reason LIKE "
        "'RETENTION_LOSS%')",
        "active halted");
  send(std::format("{{\"id\":{},\"v\":\"c\"}}\n", other));
  await(count, std::to_string(other + 2));

  // The operator accepts the loss, and the lane goes on behind it.
  auto skipped
    = run({"lanes", "skip", lane, "--topic", topic, "--partition", "0", "--to",
           std::to_string(first_lost + 2), "--reason", "expired", "--yes"});
  INFO(skipped.err);
  REQUIRE(skipped.code == 0);
  REQUIRE(run({"lanes", "resume", lane, "--reason", "expired"}).code == 0);
  send("{\"id\":1,\"v\":\"d\"}\n");
  await(count, std::to_string(other + 3));
  CHECK(db.value("SELECT string_agg(v, ' ' ORDER BY at) FROM "
                 "tenant_north.notes WHERE id = 1")
        == "a d");
  stop(node);
}

TEST_CASE_METHOD(lanes_fixture, "skip asks, and y on standard input agrees") {
  send("{\"id\":1,\"v\":\"a\"}\n");
  ingest(count, "1");
  send("{\"id\":1,\"v\":\"b\"}\n");
  auto lane = busy_lane(*this);
  REQUIRE(run({"lanes", "halt", lane, "--reason", "x"}).code == 0);
  auto command = std::format("echo y | \"$0\" lanes skip {} --topic {} "
                             "--partition 0 --to 2 --reason x --config {}",
                             lane, topic, config);
  auto x = run_program({"sh", "-c", command, MILLRACE_BINARY}, environment());
  INFO(x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.out, ContainsSubstring("stands at offset 2"));
}

TEST_CASE("a topic that was deleted and made again is read once it is "
          "adopted") {
  lanes_fixture f{servers::real_kafka_bootstrap()};
  f.send("{\"id\":1,\"v\":\"a\"}\n{\"id\":1,\"v\":\"b\"}\n");
  f.ingest(count, "2");
  std::vector<std::string> adopt{"lanes", "adopt-topic", "notes",
                                 f.topic, "--reason",    "recreated"};
  auto early = f.run(adopt);
  CHECK(early.code == 1);
  CHECK_THAT(early.err, ContainsSubstring("there is nothing to adopt"));

  f.recreate_topic();
  f.send("{\"id\":1,\"v\":\"c\"}\n");
  auto refused = f.start_node();
  auto until = std::chrono::steady_clock::now() + 60s;
  while (!refused->err_so_far().contains("millrace lanes adopt-topic notes "
                                         + f.topic)
         && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(50ms);
  CHECK_THAT(refused->err_so_far(),
             ContainsSubstring("millrace lanes adopt-topic notes " + f.topic));
  CHECK(f.notes() == "1:a 1:b");
  lanes_fixture::stop(refused);

  auto x = f.run(adopt);
  INFO(x.out << x.err);
  REQUIRE(x.code == 0);
  CHECK(f.run(adopt).code == 1);
  CHECK(f.db.value("SELECT string_agg((retired IS NULL)::text, ' ' ORDER BY "
                   "retired) FROM millrace.topic")
        == "false true");
  CHECK(f.db
          .value("SELECT string_agg(slot || ':' || floor, ' ' ORDER BY slot) "
                 "FROM millrace.partition_floor")
          .ends_with(" 2:0"));
  CHECK(f.db.value("SELECT count(*) FROM millrace.lane WHERE "
                   "cardinality(next_off) = 2")
        == "4");
  f.ingest(count, "3");
  f.send("{\"id\":1,\"v\":\"d\"}\n");
  f.ingest(count, "4");
  CHECK(f.db.value("SELECT string_agg(v, '' ORDER BY v) FROM "
                   "tenant_north.notes")
        == "abcd");
  auto listed = f.run({"lanes", "list", "--json"});
  json_document all{listed.out};
  CHECK(all.integer("/0/partitions/0/offset") >= 0);
  CHECK_FALSE(listed.out.contains("\"partition\":1"));
}
