// Tables that a pipeline begins to write while records flow get the rows of
// the records of before, each once, and never an older one over a newer one
// (protocol.md, rule 25).

#include "tests/nodes/json.hpp"
#include "tests/nodes/node_fixture.hpp"

#include <catch2/matchers/catch_matchers_string.hpp>

#include <filesystem>
#include <format>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr auto node_part = R"toml([node]
name = "n1"
admin.port = 0
[postgresql]
url = {{ env = "DB_URL" }}
[kafka]
bootstrap = "{}"
[[tenant]]
name = "north"
)toml";

constexpr auto pipeline_part = R"toml(
[pipeline.{0}]
topics = ["{1}"]
tenant = "'north'"
lanes = 2
limits.floor_interval = "500ms"
limits.batch_rows = 50
limits.batch_bytes = "4KiB"
limits.flush_bytes = "8KiB"
{2}
[[pipeline.{0}.event]]
name = "note"
route = "required(.id)"
)toml";

std::string append_to(const std::string& pipeline, const std::string& table) {
  return std::format("[[pipeline.{}.event.write]]\ntable = \"{}\"\n"
                     "columns = {{ id = \"required(.id)\", v = \".v\", part = "
                     "\"@partition\", at = \"@offset\" }}\n",
                     pipeline, table);
}

std::string keep_last(const std::string& pipeline) {
  return std::format("[[pipeline.{}.event.write]]\ntable = \"last\"\n"
                     "kind = \"upsert\"\nkey = [\"id\"]\n"
                     "columns = {{ id = \"required(.id)\", v = \".v\" }}\n",
                     pipeline);
}

/// The pipeline `notes` has written `notes` so far. New tables: `words`, which
/// is appended to, and `last`, which has the last event of each id.
class fixture : public node_fixture {
public:
  explicit fixture(int32_t partitions)
    : node_fixture{"backfill", servers::real_kafka_bootstrap()} {
    create_topic(partitions);
    db.execute("CREATE SCHEMA tenant_north;"
               "CREATE TABLE tenant_north.notes (id bigint, v text, part int, "
               "at bigint)");
    configure(append_to("notes", "notes"));
  }

  process::variables environment() const override {
    return {{"DB_URL", db.url()}};
  }

  /// The writes of `notes`, and, if there are some, of its backfill `past`. In
  /// one step, as a node may read it at any time.
  void configure(const std::string& notes, const std::string& past = {},
                 const std::string& more = {}) {
    auto text = std::format(node_part, brokers_)
                + std::format(pipeline_part, "notes", topic, "") + notes;
    if (!past.empty())
      text += std::format(pipeline_part, "past", topic,
                          "backfills = \"notes\"\n" + more)
              + past;
    auto next = folder.write("node.toml.new", text);
    config = folder.path() + "/node.toml";
    std::filesystem::rename(next, config);
  }

  /// The next `n` events, a line each.
  std::string events(int n) {
    std::string result;
    for (int i = 0; i < n; ++i, ++sent_)
      result += std::format(R"({{"id":{},"v":"v{}"}})", sent_ % 40, sent_)
                + '\n';
    return result;
  }

  /// In the background, some a second; each id is in one partition.
  std::unique_ptr<process> feed(int n, const std::string& rate,
                                const std::string& partitions) {
    auto file = folder.write("feed.ndjson", events(n));
    return std::make_unique<process>(std::vector<std::string>{
      "produce", topic, file, "--bootstrap", brokers_, "--quiet", "--key", "id",
      "--partitions", partitions, "--rate", rate});
  }

  static void finish(std::unique_ptr<process>& x) {
    auto end = x->wait();
    INFO(end.err);
    CHECK(end.code == 0);
    x.reset();
  }

  void change() const {
    auto done = run({"lanes", "change", "--pipeline", "notes", "--reason",
                     "new tables", "--yes"});
    INFO(done.out << done.err);
    REQUIRE(done.code == 0);
  }

  void await(const std::string& sql, const std::string& wanted) const {
    node_fixture::await(db, sql, wanted);
  }

  std::string places(const std::string& table) const {
    return db.value("SELECT count(*) || ' ' || count(DISTINCT (part, at)) FROM "
                    "tenant_north."
                    + table);
  }

  scratch_database db{"backfill"};

private:
  int sent_ = 0;
};

const std::string words_done = "SELECT count(*) FROM tenant_north.words";

} // namespace

TEST_CASE("new tables have the rows of the whole topic, each once and the last "
          "one last, although a node dies amid the backfill and records flow") {
  fixture x{2};
  auto before = x.feed(3'000, "0", "2");
  x.finish(before);
  auto node = x.start_node();
  x.await("SELECT count(*) FROM tenant_north.notes", "3000");
  x.stop(node);

  // It stands still in the middle, within a transaction, until there is a row
  // in `gate`.
  x.db.execute("CREATE TABLE tenant_north.words (LIKE tenant_north.notes);"
               "CREATE TABLE tenant_north.last (id bigint PRIMARY KEY, v text);"
               "CREATE TABLE tenant_north.gate (open int);"
               "CREATE FUNCTION tenant_north.wait() RETURNS trigger LANGUAGE "
               "plpgsql AS $$ BEGIN WHILE (SELECT count(*) FROM "
               "tenant_north.words) > 1000 AND NOT EXISTS (SELECT 1 FROM "
               "tenant_north.gate) LOOP PERFORM pg_sleep(0.05); END LOOP; "
               "RETURN NULL; END $$;"
               "CREATE TRIGGER wait AFTER INSERT ON tenant_north.words FOR "
               "EACH STATEMENT EXECUTE FUNCTION tenant_north.wait()");
  auto notes = append_to("notes", "notes");
  auto past = append_to("past", "words") + keep_last("past");
  x.configure(notes, past);
  auto feed = x.feed(2'000, "400", "2");
  node = x.start_node();
  x.await("SELECT count(*) > 0 FROM tenant_north.words", "t");
  node->signal(SIGKILL);
  CHECK(node->wait().code == 128 + SIGKILL);
  CHECK(x.db.value("SELECT count(*) < 3000 FROM tenant_north.words") == "t");
  auto early = x.run({"lanes", "backfills"});
  CHECK(early.code == 1);
  CHECK_THAT(early.out, ContainsSubstring("follows"));

  x.db.execute("INSERT INTO tenant_north.gate VALUES (1)");
  node = x.start_node();
  // By then it has read its file.
  x.await("SELECT count(*) >= 3000 FROM tenant_north.words", "t");
  x.configure(notes + append_to("notes", "words") + keep_last("notes"), past);
  x.change();
  x.finish(feed);
  // However late the change was, there are records after it.
  feed = x.feed(200, "0", "2");
  x.finish(feed);
  x.await(words_done, "5200");
  x.await("SELECT bool_and(done) FROM millrace.backfill_progress", "t");
  x.stop(node);

  CHECK(x.places("notes") == "5200 5200");
  CHECK(x.places("words") == "5200 5200");
  CHECK(x.db.value("SELECT count(*) FROM tenant_north.words FULL JOIN "
                   "tenant_north.notes USING (part, at, id, v) WHERE "
                   "words.id IS NULL OR notes.id IS NULL")
        == "0");
  CHECK(x.db.value("SELECT count(*) || ' ' || sum((v = (SELECT w.v FROM "
                   "tenant_north.words w WHERE w.id = l.id ORDER BY w.at DESC "
                   "LIMIT 1))::int) FROM tenant_north.last l")
        == "40 40");
  CHECK(x.db.value("SELECT count(*) FROM millrace.dead_letter") == "0");
  // Both had something to do.
  CHECK(x.db.value("SELECT bool_and(until > 0 AND until < (SELECT max(at) FROM "
                   "tenant_north.words WHERE part = partition)) FROM "
                   "millrace.backfill_progress")
        == "t");
  auto done = x.run({"lanes", "backfills", "--json"});
  CHECK(done.code == 0);
  json_document shown{done.out};
  CHECK(shown.text("/0/pipeline") == "past");
  CHECK(shown.text("/0/state") == "done");
  // Nothing of it lags, although the topic goes on.
  json_document lanes{
    x.run({"lanes", "list", "--pipeline", "past", "--json"}).out};
  CHECK(lanes.integer("/0/partitions/0/lag") == 0);
}

TEST_CASE("a backfill may begin after the change, and records that Kafka does "
          "not have any more are told") {
  fixture x{1};
  x.send_lines(x.events(100));
  auto node = x.start_node();
  x.await("SELECT count(*) FROM tenant_north.notes", "100");
  x.db.execute("CREATE TABLE tenant_north.words (LIKE tenant_north.notes)");
  auto notes = append_to("notes", "notes") + append_to("notes", "words");
  x.configure(notes);
  x.change();
  x.send_lines(x.events(50));
  x.await(words_done, "50");
  x.stop(node);
  auto client = kafka_client::open(
    {{"bootstrap.servers", servers::real_kafka_bootstrap()}});
  REQUIRE(client);
  REQUIRE(client->delete_records({x.topic, partition{0}}, offset{30}, 20s));

  // A copy of the pipeline: of its writes, those into one table.
  x.configure(notes, append_to("past", "notes") + append_to("past", "words"),
              "tables = [\"words\"]\n");
  node = x.start_node();
  x.await(words_done, "120");
  x.await("SELECT bool_and(done) FROM millrace.backfill_progress", "t");
  auto said = node->err_so_far();
  x.stop(node);
  CHECK(x.places("words") == "120 120");
  CHECK(x.places("notes") == "150 150");
  CHECK(x.db.value("SELECT min(at) FROM tenant_north.words") == "30");
  CHECK_THAT(said, ContainsSubstring("backfill-lacks-records")
                     && ContainsSubstring("from=0 to=30"));
  auto told = x.run({"lanes", "backfills"});
  CHECK(told.code == 0);
  CHECK_THAT(told.out, ContainsSubstring("0 to 29"));
}

TEST_CASE(
  "a backfill that cannot come to its end is given up, and the pipeline "
  "that waits for it goes on") {
  fixture x{1};
  x.send_lines(x.events(60));
  auto node = x.start_node();
  x.await("SELECT count(*) FROM tenant_north.notes", "60");
  x.stop(node);
  x.db.execute("CREATE TABLE tenant_north.last (id bigint PRIMARY KEY, v "
               "text)");
  auto notes = append_to("notes", "notes");
  x.configure(notes, keep_last("past"));
  node = x.start_node();
  x.await("SELECT count(*) FROM millrace.lane WHERE pipeline = 'past' AND "
          "tenant = 'north'",
          "2");
  for (const auto* lane : {"past/north/0", "past/north/1"})
    REQUIRE(x.run({"lanes", "halt", lane, "--reason", "a test"}).code == 0);
  x.send_lines(x.events(40));
  x.await("SELECT count(*) FROM tenant_north.notes", "100");
  x.configure(notes + keep_last("notes"), keep_last("past"));
  x.change();
  x.send_lines(x.events(20));
  CHECK(x.db.value("SELECT millrace.held_by('notes', topic, partition) FROM "
                   "millrace.partition_floor WHERE pipeline = 'notes'")
        == "past");
  auto plan = x.run(
    {"lanes", "backfills", "--give-up", "nobody", "--reason", "x", "--yes"});
  CHECK(plan.code == 2);
  CHECK_THAT(plan.err, ContainsSubstring("expected a backfill"));
  auto done = x.run({"lanes", "backfills", "--give-up", "past", "--reason",
                     "the table is wrong", "--yes"});
  INFO(done.out << done.err);
  REQUIRE(done.code == 0);
  CHECK_THAT(done.err, ContainsSubstring("/0: nothing more is written from "));
  CHECK_THAT(done.out, ContainsSubstring("backfill past is given up"));
  x.await("SELECT count(*) FROM tenant_north.notes", "120");
  x.await("SELECT count(*) FROM tenant_north.last WHERE substr(v, 2)::int >= "
          "100",
          "20");
  auto told = x.run({"lanes", "backfills"});
  CHECK(told.code == 0);
  CHECK_THAT(told.out, ContainsSubstring("given up"));
  x.stop(node);
  CHECK(x.db.value("SELECT count(*) FROM tenant_north.last WHERE "
                   "substr(v, 2)::int BETWEEN 60 AND 99")
        == "0");
  CHECK(
    x.db.value("SELECT count(*) || ' ' || min(object) || ' ' || min(reason) "
               "FROM millrace.admin_action WHERE command LIKE "
               "'%--give-up'")
    == "1 past the table is wrong");
}
