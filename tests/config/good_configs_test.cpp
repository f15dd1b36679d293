#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <string>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

const std::string servers = "[postgresql]\nurl = \"postgresql://h/d\"\n"
                            "[kafka]\nbootstrap = \"h:9092\"\n";

const std::string tenant = "[[tenant]]\nname = \"demo\"\n";

const std::string ticks
  = "[pipeline.ticks]\npack = \"ticks\"\ntenant = \"'demo'\"\n";

config parsed(const std::string& text) {
  auto result = parse_config(text, "x.toml", test::outside());
  REQUIRE(test::messages(result) == "");
  return std::move(*result);
}

} // namespace

TEST_CASE("every example is accepted") {
  auto outside = test::outside();
  outside.environment = [](const std::string&) { return "secret"; };
  int examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator{
         test::source_dir / "config/examples"}) {
    if (entry.path().extension() != ".toml")
      continue;
    INFO(entry.path());
    CHECK(test::messages(load_config(entry.path(), outside)) == "");
    ++examples;
  }
  CHECK(examples >= 3);
}

TEST_CASE("what is not given has the same default in structs and in options") {
  auto x = parsed(servers + tenant + ticks);
  node_config node;
  CHECK(x.node.name == node.name);
  CHECK(x.node.grace == node.grace);
  CHECK(x.node.memory_bytes == node.memory_bytes);
  CHECK(x.node.threads == node.threads);
  CHECK(x.node.admin.listen == node.admin.listen);
  CHECK(x.node.admin.port == node.admin.port);
  CHECK(x.node.cluster.listen == node.cluster.listen);
  CHECK(x.node.cluster.port == node.cluster.port);
  CHECK(x.node.log.level == node.log.level);
  CHECK(x.node.log.format == node.log.format);
  postgresql_config db;
  CHECK(x.postgresql.port == db.port);
  CHECK(x.postgresql.sslmode == db.sslmode);
  CHECK(x.postgresql.sessions == db.sessions);
  CHECK(x.postgresql.max_sessions == db.max_sessions);
  CHECK(x.postgresql.session_idle_timeout == db.session_idle_timeout);
  CHECK(x.postgresql.connect_timeout == db.connect_timeout);
  CHECK(x.postgresql.statement_timeout == db.statement_timeout);
  CHECK(x.postgresql.lock_timeout == db.lock_timeout);
  CHECK(x.postgresql.idle_in_transaction_timeout
        == db.idle_in_transaction_timeout);
  CHECK(x.postgresql.tcp_user_timeout == db.tcp_user_timeout);
  CHECK(x.postgresql.connection_check_interval == db.connection_check_interval);
  CHECK(x.postgresql.auto_migrate == db.auto_migrate);
  CHECK(x.kafka.embedded == kafka_config{}.embedded);
  CHECK_FALSE(x.redis);
  pipeline_config pipeline;
  CHECK(x.pipelines[0].limits == pipeline.limits);
  CHECK(x.pipelines[0].lanes == pipeline.lanes);
  CHECK(x.pipelines[0].format == pipeline.format);
  CHECK(x.pipelines[0].start == pipeline.start);
  CHECK(x.pipelines[0].start_offsets == pipeline.start_offsets);
  CHECK(x.pipelines[0].partitioning == pipeline.partitioning);
  CHECK(x.pipelines[0].gaps == pipeline.gaps);
  CHECK(x.kafka.metadata_interval == kafka_config{}.metadata_interval);
  CHECK_FALSE(x.kafka.allow_unidentified_topics);
}

TEST_CASE("a tenant's schema and sessions follow from its name and the "
          "database") {
  auto x = parsed("[postgresql]\nurl = \"postgresql://h/d\"\nsessions = 7\n"
                  "[kafka]\nbootstrap = \"h:9092\"\n[[tenant]]\n"
                  "name = \"demo\"\n[[tenant]]\nname = \"b\"\n"
                  "schema = \"own\"\nsessions = 2\n"
                  + ticks);
  REQUIRE(x.tenants.size() == 2);
  CHECK(x.tenants[0].schema == "tenant_demo");
  CHECK(x.tenants[0].sessions == 7);
  CHECK(x.tenants[0].at == source_position{"x.toml", 6, 1});
  CHECK(x.tenants[1].schema == "own");
  CHECK(x.tenants[1].sessions == 2);
}

TEST_CASE("a pack gives everything but the tenant") {
  auto x = parsed(servers + tenant + ticks).pipelines.at(0);
  CHECK(x.name == "ticks");
  CHECK(x.pack == "ticks");
  CHECK(x.topics == std::vector<std::string>{"ticks"});
  CHECK(x.tenant.text == "'demo'");
  CHECK(x.tenant.at == source_position{"x.toml", 9, 11});
  REQUIRE(x.codes.size() == 1);
  CHECK(x.codes[0].name == "symbols");
  REQUIRE(x.codes[0].entries.size() == 22);
  CHECK(x.codes[0].entries[0]
        == std::pair<std::string, std::string>{"EURUSD", "1"});
  REQUIRE(x.events.size() == 1);
  CHECK(x.events[0].route.text == ".symbol");
  REQUIRE(x.events[0].writes.size() == 1);
  const auto& write = x.events[0].writes[0];
  CHECK(write.table == "ticks");
  CHECK(write.kind == write_kind::append);
  REQUIRE(write.columns.size() == 12);
  CHECK(write.columns[0].name == "symbol_id");
  CHECK(write.columns[0].value.text == "code(symbols, .symbol)");
  CHECK(write.columns[11].name == "src_offset");
  CHECK(write.at.file.ends_with("packs/ticks.toml"));
}

TEST_CASE("what a pack leaves open can be said beside it") {
  auto x = parsed(servers + tenant
                  + "[pipeline.quotes]\npack = \"ticks\"\n"
                    "tenant = \"'demo'\"\ntopics = [\"a\", \"b\"]\n"
                    "lanes = 16\nstart = \"latest\"\n"
                    "partitioning = \"hypertable\"\n"
                    "max_reject_ratio = 1\n"
                    "limits.linger = \"20ms\"\n"
                    "limits.oversized = \"cut\"\n")
             .pipelines.at(0);
  CHECK(x.name == "quotes");
  CHECK(x.pack == "ticks");
  CHECK(x.topics == std::vector<std::string>{"a", "b"});
  CHECK(x.lanes == 16);
  CHECK(x.start.from == start_position::latest);
  CHECK(x.partitioning == partitioning_kind::hypertable);
  CHECK(x.max_reject_ratio == 1);
  CHECK(x.limits.linger == 20ms);
  CHECK(x.limits.oversized == oversized_policy::cut);
  CHECK(x.limits.batch_rows == 10'000);
  CHECK(x.events.size() == 1);
}

TEST_CASE("a pack can be begun at offsets") {
  auto x = parsed(servers + tenant
                  + "[pipeline.quotes]\npack = \"ticks\"\n"
                    "tenant = \"'demo'\"\ntopics = [\"a\", \"^b-.*\"]\n"
                    "start = \"group:old service\"\n"
                    "start_offsets = [\"a/0=12\", \"b-1/3=0\"]\n")
             .pipelines.at(0);
  CHECK(x.start
        == start_config{.from = start_position::group, .group = "old service"});
  CHECK(x.start_offsets
        == std::vector<start_offset>{{"a", 0, 12}, {"b-1", 3, 0}});
}

TEST_CASE("the first folder that has the pack is taken") {
  auto outside = test::outside();
  outside.pack_directories.insert(outside.pack_directories.begin(),
                                  "/not/there");
  auto result = parse_config(servers + tenant + ticks, "x.toml", outside);
  CHECK(test::messages(result) == "");
}

TEST_CASE("an expression knows where its first character stands") {
  auto x = parsed(servers + tenant
                  + "[pipeline.p]\n"
                    "topics = [\"t\"]\n"
                    "tenant = '''header('tenant')'''\n"
                    "[[pipeline.p.event]]\n"
                    "name = \"e\"\n"
                    "route = '.\"odd name\"'\n"
                    "[[pipeline.p.event.write]]\n"
                    "table = \"t\"\n"
                    "columns = { \"é\" = \".a\", b = \".b\" }\n"
                    "[[pipeline.p.event.write]]\n"
                    "table = \"u\"\n"
                    "[pipeline.p.event.write.columns]\n"
                    "z = \"\"\"\n.z\"\"\"\n"
                    "a = \"\"\".a\"\"\"\n")
             .pipelines.at(0);
  CHECK(x.tenant.text == "header('tenant')");
  CHECK(x.tenant.at == source_position{"x.toml", 9, 13});
  REQUIRE(x.events.size() == 1);
  CHECK(x.events[0].route.text == ".\"odd name\"");
  CHECK(x.events[0].route.at == source_position{"x.toml", 12, 10});
  REQUIRE(x.events[0].writes.size() == 2);
  const auto& columns = x.events[0].writes[0].columns;
  REQUIRE(columns.size() == 2);
  CHECK(columns[0].name == "é");
  CHECK(columns[0].value.at == source_position{"x.toml", 15, 20});
  CHECK(columns[0].at == source_position{"x.toml", 15, 19});
  CHECK(columns[1].value.at == source_position{"x.toml", 15, 30});
  const auto& long_ones = x.events[0].writes[1].columns;
  REQUIRE(long_ones.size() == 2);
  // The order of the file, not of the alphabet.
  CHECK(long_ones[0].name == "z");
  CHECK(long_ones[0].value.text == ".z");
  CHECK(long_ones[0].value.at == source_position{"x.toml", 20, 1});
  CHECK(long_ones[1].value.at == source_position{"x.toml", 21, 8});
}

TEST_CASE("code tables map text to integers or text, in order") {
  auto x = parsed(servers + tenant
                  + "[pipeline.p]\ntopics = [\"t\"]\ntenant = \"@key\"\n"
                    "[pipeline.p.codes.sides]\n\"sell side\" = \"S\"\n"
                    "BUY = -7\n"
                    "[[pipeline.p.event]]\nname = \"e\"\nroute = \"@key\"\n"
                    "write = [{ table = \"t\", columns = { "
                    "a = \"code( sides , .side)\", b = \".code(x)\", "
                    "c = \"'code(x)'\" } }]\n")
             .pipelines.at(0);
  REQUIRE(x.codes.size() == 1);
  using entry = std::pair<std::string, std::string>;
  CHECK(x.codes[0].entries
        == std::vector<entry>{{"sell side", "S"}, {"BUY", "-7"}});
}

TEST_CASE("librdkafka's properties may be quoted or not") {
  auto x = parsed("[postgresql]\nurl = \"postgresql://h/d\"\n[kafka]\n"
                  "bootstrap = \"h:9092\"\n[kafka.properties]\n"
                  "\"security.protocol\" = \"SASL_SSL\"\n"
                  "sasl.mechanism = \"PLAIN\"\n"
                  "sasl.password = { env = \"SET\" }\n"
                  "socket.keepalive.enable = true\n"
                  "fetch.max.bytes = 1000000\n"
                  + tenant + ticks);
  using pairs = std::vector<std::pair<std::string, std::string>>;
  auto all = librdkafka_properties(x.kafka);
  CHECK(all.at(0)
        == std::pair<std::string, std::string>{"bootstrap.servers", "h:9092"});
  all.erase(all.begin());
  CHECK(all
        == pairs{{"security.protocol", "SASL_SSL"},
                 {"sasl.mechanism", "PLAIN"},
                 {"sasl.password", "t0p-s3cret"},
                 {"socket.keepalive.enable", "true"},
                 {"fetch.max.bytes", "1000000"}});
}

TEST_CASE("libpq gets a URL with what overrides it, or the parts") {
  using pairs = std::vector<std::pair<std::string, std::string>>;
  auto url = parsed("[postgresql]\nurl = \"postgresql://u@h/d\"\n"
                    "password = { env = \"SET\" }\nsslmode = \"verify-full\"\n"
                    "sslrootcert = \"/ca.pem\"\n"
                    "parameters = { keepalives_idle = 30 }\n"
                    "[kafka]\nembedded = true\n"
                    + tenant + ticks);
  CHECK(libpq_keywords(url.postgresql)
        == pairs{{"dbname", "postgresql://u@h/d"},
                 {"password", "t0p-s3cret"},
                 {"sslmode", "verify-full"},
                 {"sslrootcert", "/ca.pem"},
                 {"keepalives_idle", "30"}});
  CHECK(url.kafka.embedded);
  CHECK(librdkafka_properties(url.kafka).empty());
  auto parts = parsed("[postgresql]\nhost = \"/run/postgresql\"\n"
                      "database = \"d\"\nuser = \"u\"\nport = 5433\n"
                      "[kafka]\nbootstrap = \"h\"\n"
                      + tenant + ticks);
  CHECK(libpq_keywords(parts.postgresql)
        == pairs{{"host", "/run/postgresql"},
                 {"port", "5433"},
                 {"dbname", "d"},
                 {"user", "u"}});
}

TEST_CASE("a position is shown as far as it is known") {
  CHECK(to_string(source_position{"a", 1, 2}) == "a:1:2");
  CHECK(to_string(source_position{"a", 1, 0}) == "a:1");
  CHECK(to_string(source_position{"a", 0, 2}) == "a");
}
