#include "tests/decode/sample.hpp"

#include <catch2/catch_test_macros.hpp>

#include <functional>

using namespace millrace;
using namespace millrace::test;

namespace {

using change = std::function<void(pipeline_config&, table_schema&)>;

/// All problems of the ticks pipeline after a change, one a line.
std::string problems(const change& make) {
  auto config = ticks_config();
  auto table = ticks_table();
  make(config, table);
  auto result = compile(config, std::span{&table, 1});
  std::string out;
  if (!result)
    for (const auto& problem : result.error())
      out += to_string(problem) + '\n';
  return out;
}

write_config& write_of(pipeline_config& config) {
  return config.events[0].writes[0];
}

std::string expression_problem(std::string text) {
  auto config = pipeline("t", {{"v", std::move(text)}});
  auto found = check_expressions(config);
  return found.empty() ? "" : to_string(found.front());
}

} // namespace

TEST_CASE("the ticks pipeline compiles") {
  CHECK(problems([](auto&, auto&) {}).empty());
  auto program = compiled(ticks_config(), {ticks_table()});
  REQUIRE(program->writes().size() == 1);
  const auto& write = program->writes()[0];
  CHECK(write.table == "ticks");
  CHECK(write.kind == write_kind::append);
  CHECK(write.columns.size() == 10);
  CHECK(write.columns[2].name == "tick_time");
  CHECK(write.key.empty());
  CHECK(write.guard == -1);
  CHECK(program->constant_tenant() == "demo");
}

TEST_CASE("a write's coordinates are the columns from partition and offset") {
  auto coordinates = [](std::initializer_list<const char*> sources) {
    table_schema table;
    table.schema = "s";
    table.name = "t";
    auto config = pipeline("t", {});
    for (std::string name : {"a", "b", "c"}) {
      table.columns.push_back(column(name, "bigint", 20));
    }
    auto name = 'a';
    for (const auto* source : sources)
      write_of(config).columns.push_back(
        {std::string{name++}, {source, {}}, {}});
    return coordinate_columns(*compiled(config, {table}), 0);
  };
  using names = std::vector<std::string>;
  CHECK(coordinates({"@offset", ".x", "@partition"}) == names{"a", "c"});
  CHECK(coordinates({"@offset", ".x"}).empty());
  CHECK(coordinates({"@partition", "@partition"}).empty());
  CHECK(coordinates({".offset", ".partition"}).empty());
}

TEST_CASE("an upsert names its key and guard by position") {
  auto config = ticks_config();
  write_of(config).kind = write_kind::upsert;
  write_of(config).key = {"tick_time", "symbol_id"};
  write_of(config).only_if_newer = "src_offset";
  auto table = ticks_table();
  table.unique_keys.push_back({"symbol_id", "tick_time"});
  auto program = compiled(config, {table});
  CHECK(program->writes()[0].key == std::vector<std::size_t>{2, 0});
  CHECK(program->writes()[0].guard == 9);
}

TEST_CASE("all problems come at once, each with its place") {
  CHECK(problems([](auto& config, auto& table) {
          auto& columns = write_of(config).columns;
          columns[0].value.text = "code(symbol, .symbol)";
          columns[1].value.text = ".symbol +";
          columns[4].name = "ask_prise";
          table.columns[6].type = "interval";
        })
        == "p.toml:10:20: pipeline.p.event[0].write[0].columns.symbol_id: "
           "found the code table \"symbol\", expected one that the pipeline "
           "has, did you mean \"symbols\"?\n"
           "p.toml:11:28: pipeline.p.event[0].write[0].columns.symbol_name: "
           "found \"+\", expected the end\n"
           "p.toml:14:19: pipeline.p.event[0].write[0].columns.ask_prise: "
           "found a column that ticks does not have, did you mean "
           "\"ask_price\"?\n"
           "p.toml:16:19: pipeline.p.event[0].write[0].columns.lp: found a "
           "column of type interval, which has no binary encoder\n"
           "pipeline.p.event[0].write[0].columns: found no value for "
           "ask_price, which is NOT NULL and has no default\n");
}

TEST_CASE("tables, keys and guards must exist") {
  CHECK(problems([](auto& config, auto&) { write_of(config).table = "tick"; })
          .contains("found \"tick\", expected a table that exists, did you "
                    "mean \"ticks\"?"));
  CHECK(problems([](auto& config, auto&) {
          write_of(config).kind = write_kind::upsert;
        }).contains("found no key"));
  CHECK(problems([](auto& config, auto&) {
          write_of(config).kind = write_kind::upsert;
          write_of(config).key = {"symbol_id"};
        }).contains("without a unique index on exactly these columns"));
  CHECK(problems([](auto& config, auto&) {
          write_of(config).key = {"id"};
        }).contains("found \"id\", expected a column of this write"));
  CHECK(problems([](auto& config, auto&) {
          write_of(config).only_if_newer = "src_offset";
        }).contains("found a version guard, expected none"));
  CHECK(problems([](auto& config, auto& table) {
          write_of(config).key = {"lp"};
          table.columns[6].type = "jsonb";
        }).contains("whose equality is that of its bytes"));
}

TEST_CASE("constants, codes and facts are checked against their columns") {
  CHECK(problems([](auto& config, auto&) {
          write_of(config).columns[8].value.text = "'x'";
        }).contains("found \"x\" for integer, expected a whole number"));
  CHECK(problems([](auto& config, auto&) {
          write_of(config).columns[8].value.text = "null";
        }).contains("found null for a column that is NOT NULL"));
  CHECK(problems([](auto& config, auto&) {
          config.codes[0].entries[3].second = "many";
        })
          .contains("found \"many\" in the code table symbols for type "
                    "bigint"));
  CHECK(problems([](auto& config, auto&) {
          write_of(config).columns[3].value.text = "@timestamp";
        }).contains("found @timestamp, expected what fits type numeric"));
  CHECK(problems([](auto&, auto& table) {
          table.columns[3].generated = true;
        }).contains("found a generated column"));
}

TEST_CASE("the pipeline itself is checked without tables") {
  auto config = ticks_config();
  config.tenant.text = "''";
  config.format = "avro";
  config.events[0].route.text = "null";
  std::string all;
  for (const auto& problem : check_expressions(config))
    all += to_string(problem) + '\n';
  CHECK(all.contains("expected a tenant's name"));
  CHECK(all.contains("found \"avro\", expected \"json\""));
  CHECK(all.contains("expected what chooses the lane"));
  config.events.clear();
  CHECK(to_string(check_expressions(config).back())
          .contains("found no events, expected at least one"));
  CHECK(check_expressions(ticks_config()).empty());
}

TEST_CASE("errors in expressions point at the character") {
  CHECK(expression_problem("").contains(":10:20: "));
  CHECK(expression_problem(".").contains(":10:21: "));
  CHECK(expression_problem("concat('é', @foo)").contains(":10:32: "));
  CHECK(expression_problem("lower(.a").contains(":10:28: "));
  CHECK(expression_problem("symbol").contains("a member is .name"));
  CHECK(expression_problem("lowr(.a)").contains("one of the functions"));
  CHECK(expression_problem("'open").contains("a closing quote"));
  CHECK(expression_problem("01").contains("a number such as 42"));
  CHECK(expression_problem("coalesce(.a)").contains("2 to 32 values"));
  CHECK(expression_problem("lower(.a, .b)").contains("1 to 1 values"));
  CHECK(expression_problem("header(name)").contains("in single quotes"));
  std::string deep = ".a";
  for (int i = 0; i < 40; ++i)
    deep = "lower(" + deep + ')';
  CHECK(expression_problem(deep).contains("nested too deep"));
  for (auto x : {".a.b.c", ".\"odd \\\" name\"", "-1.5e3", "true", "@offset",
                 " coalesce( .a , 'x' ) ", "header('a''b')"}) {
    INFO(x);
    CHECK(expression_problem(x).empty());
  }
}

TEST_CASE("the map fingerprint covers what moves events, and only that") {
  auto of = [](const change& make) {
    auto config = ticks_config();
    auto table = ticks_table();
    make(config, table);
    return compiled(config, {table})->map_fingerprint();
  };
  auto base = of([](auto&, auto&) {});
  CHECK(base != of([](auto& config, auto&) { config.lanes = 5; }));
  CHECK(base != of([](auto& config, auto&) { config.tenant.text = "'x'"; }));
  CHECK(base != of([](auto& config, auto&) {
          config.events[0].route.text = ".lp";
        }));
  CHECK(base != of([](auto& config, auto&) {
          write_of(config).key = {"symbol_id"};
        }));
  CHECK(base == of([](auto& config, auto&) {
          config.codes[0].entries.emplace_back("NEW", "5000");
          config.events[0].route.text = " .symbol ";
        }));
}

TEST_CASE("fingerprints are frozen") {
  auto program = compiled(ticks_config(), {ticks_table()});
  CHECK(program->map_fingerprint() == 0x735c68531a17eaf5);
  CHECK(program->shape().value == 0xaeff55a55fe85c92);
}

TEST_CASE("the shape covers names, types, modifiers and order") {
  auto of = [](const change& make) {
    auto config = ticks_config();
    auto table = ticks_table();
    make(config, table);
    return compiled(config, {table})->shape();
  };
  auto base = of([](auto&, auto&) {});
  CHECK(base != of([](auto&, auto& table) { table.columns[3].typmod = 100; }));
  CHECK(base != of([](auto&, auto& table) {
          table.columns[8].type = "bigint";
          table.columns[8].type_oid = 20;
        }));
  CHECK(base != of([](auto& config, auto&) {
          std::swap(write_of(config).columns[3], write_of(config).columns[4]);
        }));
  // A column that is not written changes nothing.
  CHECK(base == of([](auto&, auto& table) {
          table.columns.push_back(column("note", "text", 25));
        }));
}
