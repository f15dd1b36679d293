// A node while somebody else is at a tenant's migrations.

#include "actors/store/connection.hpp"
#include "config/load.hpp"
#include "nodes/prepare.hpp"
#include "tests/nodes/node_fixture.hpp"

#include <catch2/matchers/catch_matchers_string.hpp>

#include <filesystem>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// A tenant with a set of its own, and no Kafka.
struct fixture : node_fixture {
  fixture() : node_fixture{"waiting", "127.0.0.1:1"} {
    std::filesystem::create_directory(folder.path() + "/notes");
    write_file("001_notes.sql", "CREATE TABLE notes (id bigint);");
    config = folder.write("node.toml", R"toml(
[node]
name = "one"
admin.port = 0
[postgresql]
url = { env = "DB_URL" }
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "north"
[[migrations]]
set = "notes"
folder = "notes"
[coordinator]
stand_by = false
[pipeline.notes]
topics = ["notes"]
tenant = "'north'"
[[pipeline.notes.event]]
name = "note"
route = "required(.id)"
[[pipeline.notes.event.write]]
table = "notes"
kind = "append"
columns.id = "required(.id)"
)toml");
  }

  process::variables environment() const override {
    return {{"DB_URL", db.url()}};
  }

  void write_file(const std::string& name, const std::string& up) const {
    folder.write("notes/" + name,
                 "-- description: d\n-- millrace:up\n" + up + '\n');
  }

  /// Of the database, for this test itself.
  connection session() const {
    session_config settings;
    settings.keywords = {{"dbname", db.url()}};
    auto result = connection::open(settings);
    REQUIRE(result);
    return std::move(*result);
  }

  /// Holds what a migrator of the tenant holds, until it is closed.
  connection another_migrator() const {
    auto result = session();
    REQUIRE(result.query("SELECT pg_advisory_lock(hashtext("
                         "'millrace.migrations'), hashtext('tenant_north'))"));
    return result;
  }

  /// What the node reads, here.
  millrace::config load() const {
    load_options outside;
    outside.environment = [this](const std::string&) { return db.url(); };
    auto result = load_config(config, outside);
    REQUIRE(result);
    return std::move(*result);
  }

  static void await_said(const process& node, const std::string& what) {
    auto until = std::chrono::steady_clock::now() + 180s;
    while (!node.err_so_far().contains(what)
           && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(20ms);
    INFO(node.err_so_far());
    REQUIRE(node.err_so_far().contains(what));
  }

  scratch_database db{"waiting"};

  /// Of the run: a migrator is waited for ten minutes.
  static constexpr auto waits = "waiting for another migrator of schema "
                                "tenant_north";
};

} // namespace

TEST_CASE_METHOD(fixture, "a node starts though another migrator is at work in "
                          "a schema that lacks nothing, and waits for it in "
                          "one that does") {
  auto node = start_node();
  await_said(*node, "node-ready");
  stop(node);
  auto other = another_migrator();
  node = start_node();
  await_said(*node, "node-ready");
  CHECK_FALSE(node->err_so_far().contains(waits));
  // Asked to read its configuration again it goes on, and can be stopped.
  write_file("002_text.sql", "ALTER TABLE notes ADD COLUMN text text;");
  node->signal(SIGHUP);
  await_said(*node, waits);
  stop(node);
  // A start can be ended, too.
  node = start_node();
  await_said(*node, waits);
  stop(node);
  // What it waited for is applied once the other one is gone.
  node = start_node();
  await_said(*node, waits);
  other.close();
  await_said(*node, "node-ready");
  CHECK(db.value("SELECT count(*) FROM tenant_north.schema_migrations") == "2");
  stop(node);
}

TEST_CASE_METHOD(fixture, "a node whose first connection is lost while it "
                          "migrates tries again") {
  // A sequence remembers it though the transaction does not.
  db.execute("CREATE SEQUENCE tries");
  write_file("002_lost.sql", "SELECT pg_terminate_backend(pg_backend_pid()) "
                             "WHERE nextval('public.tries') = 1;");
  auto node = start_node();
  await_said(*node, "node-ready");
  CHECK(node->err_so_far().contains("prepare-waiting"));
  CHECK(db.value("SELECT last_value FROM tries") == "2");
  CHECK(db.value("SELECT count(*) FROM tenant_north.schema_migrations") == "2");
  stop(node);
}

TEST_CASE_METHOD(fixture, "a node that waits with its new configuration takes "
                          "the one that is asked for afterwards") {
  auto node = start_node();
  await_said(*node, "node-ready");
  auto other = another_migrator();
  write_file("002_text.sql", "ALTER TABLE notes ADD COLUMN text text;");
  node->signal(SIGHUP);
  await_said(*node, waits);
  std::filesystem::remove(folder.path() + "/notes/002_text.sql");
  node->signal(SIGHUP);
  await_said(*node, "node-reloaded");
  CHECK(db.value("SELECT count(*) FROM tenant_north.schema_migrations") == "1");
  stop(node);
}

TEST_CASE_METHOD(fixture, "who is told to stop applies no further set, and "
                          "that passes") {
  auto all = load();
  auto control_is_there = [this] {
    return db.value("SELECT to_regclass('millrace.lane') IS NOT NULL") == "t";
  };
  auto ended = prepare(all, all.postgresql, {}, control_is_there);
  REQUIRE_FALSE(ended);
  CHECK(ended.error().passing);
  CHECK(control_is_there());
  CHECK(db.value("SELECT to_regnamespace('tenant_north') IS NULL") == "t");
  CHECK(prepare(all, all.postgresql));
}

TEST_CASE_METHOD(fixture, "who is told to stop reads the tables of no further "
                          "tenant, and that passes") {
  auto all = load();
  all.pipelines[0].tenant.text = ".tenant";
  all.tenants.push_back(all.tenants.front());
  all.tenants.back().name = "south";
  all.tenants.back().schema = "tenant_south";
  REQUIRE(prepare(all, all.postgresql));
  auto conn = session();
  auto prepare_until = [&](const std::function<bool()>& stop) {
    return prepare_pipeline(conn, all, all.postgresql, all.pipelines[0], stop);
  };
  CHECK(prepare_until([] { return false; }));
  int asked = 0;
  auto ended = prepare_until([&] { return ++asked == 2; });
  REQUIRE_FALSE(ended);
  CHECK(ended.error().passing);
  CHECK(asked == 2);
}

TEST_CASE_METHOD(fixture, "ten nodes that start at once apply each migration "
                          "once") {
  db.execute("CREATE TABLE public.applied (version int)");
  write_file("001_notes.sql", "CREATE TABLE notes (id bigint); INSERT INTO "
                              "public.applied VALUES (1);");
  write_file("002_text.sql", "ALTER TABLE notes ADD COLUMN text text; INSERT "
                             "INTO public.applied VALUES (2);");
  std::vector<std::unique_ptr<process>> nodes;
  for (int i = 0; i < 10; ++i)
    nodes.push_back(start_node());
  for (const auto& node : nodes)
    await_said(*node, "node-ready");
  CHECK(db.value("SELECT string_agg(version::text, ' ' ORDER BY version) FROM "
                 "public.applied")
        == "1 2");
  CHECK(db.value("SELECT count(*) FROM tenant_north.schema_migrations") == "2");
}
