// What a running node makes of topics that come, grow, go and come back.

#include "actors/source/kafka_reader.hpp"
#include "tests/nodes/topics_fixture.hpp"

#include <algorithm>
#include <csignal>
#include <format>

using namespace millrace;
using namespace millrace::test;

TEST_CASE_METHOD(topics_fixture,
                 "partitions that are added to a topic are read "
                 "from their first record, without a restart") {
  auto topic = new_topic(1);
  send(topic, 0, 5, "early");
  // `latest` counts for what is there at the first start, and only for that.
  start("[\"" + topic + "\"]", "start = \"latest\"");
  eventually([&] { return said().contains("partition-assigned"); });
  send(topic, 0, 5);
  wait_for_rows("part = 0", 5);
  must(client.create_partitions(topic, 3, 20s));
  eventually(
    [&] { return must(client.describe_topic(topic, 20s)).partitions == 3; });
  send(topic, 2, 7);
  send(topic, 1, 6);
  wait_for_rows("part = 2", 7);
  wait_for_rows("part = 1", 6);
  CHECK(rows("v = 'early'") == 0);
  CHECK(db.value("SELECT start_offsets FROM millrace.topic") == "{5,0,0}");
  CHECK_FALSE(said().contains("restarts"));
  stop();
}

TEST_CASE_METHOD(topics_fixture, "a topic that is created later and matches a "
                                 "pattern is read from its first record") {
  start("[\"^" + prefix + ".*\"]", "start = \"latest\"");
  eventually([&] { return said().contains("source-started"); });
  auto first = new_topic(1);
  send(first, 0, 4);
  wait_for_rows("topic = '" + first + "'", 4);
  auto second = new_topic(2);
  send(second, 1, 3);
  wait_for_rows("topic = '" + second + "'", 3);
  send(first, 0, 2);
  wait_for_rows("topic = '" + first + "'", 6);
  stop();
}

TEST_CASE_METHOD(topics_fixture, "a topic that is made again while it is read "
                                 "halts, and nothing of it is written") {
  auto topic = new_topic(1);
  auto other = new_topic(1);
  start("[\"" + topic + "\", \"" + other + "\"]");
  send(topic, 0, 50, "old");
  wait_for_rows("v = 'old'", 50);
  make_again(topic);
  send(topic, 0, 10, "new");
  eventually([&] { return said().contains("topic recreated"); });
  CHECK(said().contains("millrace lanes adopt-topic p " + topic));
  send(other, 0, 5);
  wait_for_rows("topic = '" + other + "'", 5);
  CHECK(rows("v = 'new'") == 0);
  stop();
  // Neither is it after a restart, and the other topic goes on.
  start("[\"" + topic + "\", \"" + other + "\"]");
  eventually([&] { return said().contains("topic recreated"); });
  send(other, 0, 5);
  wait_for_rows("topic = '" + other + "'", 10);
  CHECK(rows("v = 'new'") == 0);
  // Once it has a row of its own, it is read from its first record.
  adopt(topic);
  wait_for_rows("v = 'new'", 10);
  // And so is the next one, by a node that has read this one.
  make_again(topic);
  send(topic, 0, 10, "third");
  eventually([&] { return said().contains("source-renews-clients"); });
  adopt(topic);
  wait_for_rows("v = 'third'", 10);
  send(other, 0, 5);
  wait_for_rows("topic = '" + other + "'", 15);
  stop();
}

TEST_CASE_METHOD(topics_fixture,
                 "lanes that are added by somebody else are taken "
                 "up without a restart") {
  // The node looks because it is told to, not because it is time.
  metadata_interval = "1h";
  auto topic = new_topic(2);
  start("[\"" + topic + "\"]");
  send(topic, 0, 5);
  wait_for_rows("true", 5);
  db.execute("INSERT INTO millrace.lane (pipeline, tenant, shard, map_version, "
             "shape, next_off) SELECT pipeline, 'other', 0, map_version, "
             "shape, next_off FROM millrace.lane WHERE tenant = 'demo' AND "
             "shard = 0");
  eventually([&] { return said().contains("partition-lanes-changed"); });
  send(topic, 1, 5);
  send(topic, 0, 5);
  wait_for_rows("true", 15);
  stop();
}

TEST_CASE_METHOD(topics_fixture, "a topic that is made again is noticed by the "
                                 "client, too") {
  // No floor act comes to ask for the topic's id.
  floor_interval = "1h";
  auto topic = new_topic(1);
  start("[\"" + topic + "\"]");
  send(topic, 0, 50, "old");
  wait_for_rows("v = 'old'", 50);
  make_again(topic);
  send(topic, 0, 200, "new");
  eventually([&] { return said().contains("topic recreated"); });
  CHECK(rows("v = 'new'") == 0);
  stop();
}

TEST_CASE_METHOD(topics_fixture, "nothing of a topic is written that was made "
                                 "again and grew while the node was frozen") {
  floor_interval = metadata_interval = "1h";
  auto topic = new_topic(1);
  start("[\"" + topic + "\"]");
  send(topic, 0, 50, "old");
  wait_for_rows("v = 'old'", 50);
  signal(SIGSTOP);
  make_again(topic);
  send(topic, 0, 200, "new");
  signal(SIGCONT);
  eventually([&] { return said().contains("topic recreated"); });
  CHECK(rows("v = 'new'") == 0);
  stop();
}

TEST_CASE_METHOD(topics_fixture, "a topic that is deleted halts with a reason "
                                 "that names it, and the others go on") {
  auto topic = new_topic(1);
  auto other = new_topic(1);
  start("[\"" + topic + "\", \"" + other + "\"]");
  send(topic, 0, 5);
  wait_for_rows("topic = '" + topic + "'", 5);
  must(client.delete_topic(topic, 20s));
  eventually([&] {
    return said().contains("topic '" + topic + "' is gone from the cluster");
  });
  send(other, 0, 5);
  wait_for_rows("topic = '" + other + "'", 5);
  stop();
}

TEST_CASE_METHOD(topics_fixture, "retention that passes what is durable halts "
                                 "the partition") {
  auto topic = new_topic(1);
  start("[\"" + topic + "\"]");
  send(topic, 0, 5);
  wait_for_rows("true", 5);
  stop();
  send(topic, 0, 20, "lost");
  must(client.delete_records({topic, {0}}, offset{15}, 20s));
  start("[\"" + topic + "\"]");
  eventually([&] { return said().contains("RETENTION_LOSS"); });
  CHECK(said().contains("begins at offset 15"));
  CHECK(rows("v = 'lost'") == 0);
  stop();
}

TEST_CASE_METHOD(topics_fixture,
                 "exactly the committed records of transactions "
                 "are in the table") {
  auto topic = new_topic(1);
  start("[\"" + topic + "\"]");
  auto with_id = properties;
  with_id.emplace_back("transactional.id", topic);
  auto producer = must(kafka_producer::open(with_id, topic));
  for (int i = 0; i < 20; ++i) {
    auto aborted = i % 3 == 1;
    must(producer.begin_transaction());
    put(producer, 0, 10, aborted ? "aborted" : "kept");
    must(producer.flush(patience));
    if (aborted)
      must(producer.abort_transaction());
    else
      must(producer.commit_transaction());
  }
  wait_for_rows("v = 'kept'", 130);
  CHECK(rows("true") == 130);
  // The floor comes past the last marker as well.
  auto end = must(client.watermarks({topic, {0}}, 20s)).high;
  eventually([&] {
    return db.value("SELECT floor FROM millrace.partition_floor")
           == std::to_string(end.value);
  });
  stop();
}

TEST_CASE_METHOD(topics_fixture, "of a compacted topic exactly what is left is "
                                 "in the table") {
  auto topic = new_topic(1, {{"cleanup.policy", "compact"},
                             {"segment.ms", "200"},
                             {"min.cleanable.dirty.ratio", "0.01"},
                             {"max.compaction.lag.ms", "200"}});
  // Each round repeats the keys of the one before, in a segment of its own.
  for (int i = 0; i < 5; ++i) {
    send(topic, 0, 10, "x");
    std::this_thread::sleep_for(300ms);
  }
  auto end = must(client.watermarks({topic, {0}}, 20s)).high;
  auto reader = must(kafka_reader::open(properties));
  auto left = [&] {
    return must(reader.read_offsets({topic, {0}}, offset{0}, end, patience));
  };
  eventually([&] { return left().size() < 50; });
  auto before = left();
  start("[\"" + topic + "\"]");
  eventually([&] { return rows(std::format("at = {}", end.value - 1)) == 1; });
  CHECK(db.value("SELECT gap_policy FROM millrace.topic") == "allow");
  // The cleaner may have gone on meanwhile.
  std::vector<int64_t> written;
  for (const auto& x : db.rows("SELECT at FROM tenant_demo.seen ORDER BY at"))
    written.push_back(std::stoll(x.at(0)));
  CHECK(std::ranges::includes(before, written));
  CHECK(std::ranges::includes(written, left()));
  CHECK_FALSE(said().contains("partition-halted"));
  stop();
}
