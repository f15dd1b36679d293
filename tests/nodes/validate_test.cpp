#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Nothing listens at port 1 of this machine.
constexpr auto good = R"(
[postgresql]
url = "postgresql://millrace@127.0.0.1:1/market"
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "demo"
[pipeline.ticks]
pack = "ticks"
tenant = "'demo'"
)";

constexpr auto bad = R"(
[postgresql]
url = "postgresql://millrace@127.0.0.1:1/market"
sesions = 3
[kafka]
bootstrap = "127.0.0.1"
max = 3
[[tenant]]
name = "Demo"
[pipeline.ticks]
pack = "ticks"
tenant = "'demo'"
)";

constexpr auto bad_expression = R"toml([postgresql]
url = "postgresql://millrace@127.0.0.1:1/market"
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "demo"
[pipeline.ticks]
pack = "ticks"
tenant = "lowr('demo')"
)toml";

} // namespace

TEST_CASE("a backfill that its pipeline will wait for is warned of") {
  scratch_folder folder;
  constexpr auto past = R"(
[pipeline.past]
topics = ["ticks"]
tenant = "'demo'"
backfills = "ticks"
[[pipeline.past.event]]
name = "tick"
route = ".symbol"
write = [{ table = "last", KIND columns = { symbol = ".symbol" } }]
)";
  auto validated = [&](const std::string& kind) {
    std::string text = good + std::string{past};
    text.replace(text.find("KIND"), 4, kind);
    return run({"validate", "--offline", folder.write("node.toml", text)});
  };
  auto x = validated("kind = \"upsert\", key = [\"symbol\"],");
  INFO(x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.err,
             ContainsSubstring("pipeline.past.backfills: the order of events "
                               "matters in its tables, so ticks waits"));
  CHECK(validated("").err.empty());
}

TEST_CASE("a good configuration is valid offline, and says so") {
  scratch_folder folder;
  auto file = folder.write("good.toml", good);
  auto x = run({"validate", "--offline", file});
  CHECK(x.code == 0);
  CHECK(x.err.empty());
  CHECK(x.out == file + ": valid; servers were not asked\n");
  auto json = run({"validate", "--offline", "--json", file});
  CHECK(json.code == 0);
  CHECK(json.out == "[]\n");
}

TEST_CASE("all problems of all files come at once") {
  scratch_folder folder;
  auto first = folder.write("first.toml", bad);
  auto second = folder.write("second.toml", bad_expression);
  auto x = run({"validate", "--offline", first, second});
  CHECK(x.code == 2);
  CHECK(x.out.empty());
  CHECK_THAT(x.err, ContainsSubstring(first + ":4:1: postgresql.sesions: "));
  CHECK_THAT(x.err, ContainsSubstring(first + ":7:1: kafka.max: "));
  CHECK_THAT(x.err, ContainsSubstring(first + ":9:8: tenant[0].name: "));
  CHECK_THAT(x.err, ContainsSubstring(second + ":9:"));
  CHECK_THAT(x.err, ContainsSubstring("lowr"));
}

TEST_CASE("with --json a problem is an object with its parts") {
  scratch_folder folder;
  auto file = folder.write("bad.toml", bad);
  auto x = run({"validate", "--offline", "--json", file});
  CHECK(x.code == 2);
  CHECK(x.err.empty());
  json_document document{x.out};
  CHECK(document.size() >= 3);
  CHECK(document.text("/0/severity") == "error");
  CHECK(document.text("/0/file") == file);
  CHECK(document.integer("/0/line") == 4);
  CHECK(document.integer("/0/column") == 1);
  CHECK(document.text("/0/path") == "postgresql.sesions");
  CHECK_FALSE(document.text("/0/found").empty());
  CHECK_FALSE(document.text("/0/expected").empty());
}

TEST_CASE("a property that librdkafka does not know, or a value that it does "
          "not take, is a problem with its place and without the value") {
  scratch_folder folder;
  auto file = folder.write("bad.toml", std::string{good} + R"(
[kafka.properties]
security.protocol = "SASL_SSL"
sasl.mechanisms = "PLAIN"
sasl.mechanism.of.mine = "PLAIN"
session.timeout.ms = 0
compression.codec = "hunter2"
)");
  auto x = run({"validate", "--offline", file});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, ContainsSubstring(
                      file
                      + ":15:26: kafka.properties.sasl.mechanism.of.mine: "
                        "found a name that is unknown to librdkafka"));
  CHECK_THAT(x.err,
             ContainsSubstring(file
                               + ":16:22: kafka.properties.session.timeout.ms: "
                                 "found a value that librdkafka refuses"));
  CHECK_THAT(x.err, ContainsSubstring(file + ":17:21: "));
  CHECK_THAT(x.err, !ContainsSubstring("hunter2"));
  CHECK_THAT(x.err, !ContainsSubstring("security.protocol"));
}

TEST_CASE("a file that is not there is a problem of the configuration") {
  auto x = run({"validate", "/nonexistent/x.toml"});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, ContainsSubstring("/nonexistent/x.toml: "));
}

TEST_CASE("servers that do not answer are warnings unless they are required") {
  scratch_folder folder;
  auto file = folder.write("good.toml", good);
  auto x = run({"validate", "--timeout", "500ms", file});
  CHECK(x.code == 0);
  CHECK_THAT(x.err, ContainsSubstring("warning: " + file
                                      + ": PostgreSQL was not asked: "));
  CHECK_THAT(x.err,
             ContainsSubstring("warning: " + file + ": Kafka was not asked: "));
  CHECK(x.out == file + ": valid, as far as it could be checked\n");
  auto strict = run(
    {"validate", "--timeout", "500ms", "--require-servers", "--json", file});
  CHECK(strict.code == 3);
  json_document document{strict.out};
  CHECK(document.size() == 2);
  CHECK(document.text("/0/severity") == "warning");
  CHECK(document.text("/1/severity") == "warning");
}

TEST_CASE("packs are found by option and by environment") {
  scratch_folder folder;
  auto pack = std::string{R"([pipeline.mine]
topics = ["mine"]
[[pipeline.mine.event]]
name = "thing"
route = ".id"
  [[pipeline.mine.event.write]]
  table = "things"
  key = ["id"]
    [pipeline.mine.event.write.columns]
    id = ".id"
)"};
  folder.write("mine.toml", pack);
  scratch_folder elsewhere;
  auto text = std::string{good};
  text.replace(text.find("pipeline.ticks"), 14, "pipeline.mine");
  text.replace(text.find("\"ticks\""), 7, "\"mine\"");
  auto file = elsewhere.write("node.toml", text);
  CHECK(run({"validate", "--offline", file}).code == 2);
  auto given
    = run({"validate", "--offline", "--pack-dir", folder.path(), file});
  CHECK(given.err.empty());
  CHECK(given.code == 0);
  auto inherited
    = run({"validate", "--offline", file},
          {{"MILLRACE_PACK_DIR", "/nonexistent:" + folder.path()}});
  CHECK(inherited.err.empty());
  CHECK(inherited.code == 0);
}

TEST_CASE("secrets do not show in problems") {
  scratch_folder folder;
  auto text = std::string{good};
  text.replace(text.find("url = "), 6, "url = { env = \"DB_URL\" }\nhost = ");
  auto file = folder.write("node.toml", text);
  auto x = run({"validate", "--timeout", "200ms", file},
               {{"DB_URL", "postgresql://u:s3cret@127.0.0.1:1/d"}});
  CHECK_FALSE((x.out + x.err).contains("s3cret"));
  CHECK(x.code == 2);
}

TEST_CASE("a node does not start with a wrong configuration") {
  scratch_folder folder;
  auto file = folder.write("bad.toml", bad_expression);
  auto x = run({"node", file});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, ContainsSubstring(file + ":9:"));
}

TEST_CASE("migrate says what it needs before it asks a server") {
  scratch_folder folder;
  auto file = folder.write("good.toml", good);
  auto neither = run({"migrate", "up"});
  CHECK(neither.code == 2);
  CHECK_THAT(neither.err, ContainsSubstring("--config FILE, or --pg-env NAME"));
  auto unset = run({"migrate", "up", "--pg-env", "DB_URL"});
  CHECK(unset.code == 2);
  CHECK_THAT(unset.err, ContainsSubstring("no variable \"DB_URL\""));
  auto set = run({"migrate", "status", "--config", file, "--set", "tics"});
  CHECK(set.code == 2);
  CHECK_THAT(set.err, ContainsSubstring("expected \"control\" or \"ticks\""));
  auto dir = run({"migrate", "up", "--config", file, "--dir", folder.path()});
  CHECK(dir.code == 2);
  CHECK_THAT(dir.err, ContainsSubstring("--dir needs --set"));
  auto homeless = run({"migrate", "up", "--pg-env", "DB_URL", "--set", "ticks"},
                      {{"DB_URL", "postgresql://127.0.0.1:1/d"}});
  CHECK(homeless.code == 2);
  CHECK_THAT(homeless.err, ContainsSubstring("--tenant NAME"));
}

TEST_CASE("migrate tells apart a server that cannot be reached") {
  scratch_folder folder;
  auto file = folder.write("good.toml", good);
  auto x = run({"migrate", "status", "--config", file, "--json"});
  CHECK(x.code == 3);
  json_document document{x.out};
  CHECK_THAT(document.text("/0/message"), ContainsSubstring("PostgreSQL: "));
}

TEST_CASE("produce names all that is wrong with its arguments") {
  auto x = run({"produce", "a topic", "/nonexistent", "--repeat", "often",
                "--header", "no-value", "--timeout", "soon", "-X",
                "sasl.password s3cret"});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, ContainsSubstring("--bootstrap HOST:PORT or --config"));
  CHECK_THAT(x.err, ContainsSubstring("TOPIC: found \"a topic\""));
  CHECK_THAT(x.err, ContainsSubstring("INPUT: \"/nonexistent\""));
  CHECK_THAT(x.err, ContainsSubstring("--repeat: found \"often\""));
  CHECK_THAT(x.err, ContainsSubstring("--header: found \"no-value\""));
  CHECK_THAT(x.err, ContainsSubstring("--timeout: found \"soon\""));
  CHECK_THAT(x.err, ContainsSubstring("-X: expected PROPERTY=VALUE"));
  CHECK_FALSE(x.err.contains("s3cret"));
}

TEST_CASE("produce tells apart brokers that cannot be reached") {
  scratch_folder folder;
  auto input = folder.write("lines.ndjson", "{}\n");
  auto x = run({"produce", "ticks", input, "--bootstrap", "127.0.0.1:1",
                "--timeout", "500ms"});
  CHECK(x.code == 3);
  CHECK_FALSE(x.err.empty());
  auto wrong = run({"produce", "ticks", input, "--bootstrap", "127.0.0.1:1",
                    "-X", "no.such.property=1"});
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.err, ContainsSubstring("no.such.property"));
}
