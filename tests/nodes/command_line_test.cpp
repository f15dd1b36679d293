#include "config/options.hpp"
#include "nodes/cli/exit_code.hpp"
#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <format>
#include <fstream>
#include <sstream>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

std::string file_text(const std::string& name) {
  std::ostringstream out;
  out << std::ifstream{name, std::ios::binary}.rdbuf();
  return out.str();
}

} // namespace

TEST_CASE("help goes to standard output and names commands and exit codes") {
  auto x = run({"--help"});
  CHECK(x.code == 0);
  CHECK(x.err.empty());
  for (const auto* name :
       {"node", "validate", "migrate", "produce", "generate", "status", "lanes",
        "dlq", "waiting", "partitions", "config", "completion", "version"})
    CHECK_THAT(x.out, ContainsSubstring(std::string{"\n  "} + name + ' '));
  for (const auto& code : cli::exit_codes)
    CHECK_THAT(x.out, ContainsSubstring(std::string{code.meaning}));
}

TEST_CASE("every command has help of its own") {
  using words = std::vector<std::string>;
  for (words command : {words{"node"},
                        words{"validate"},
                        words{"migrate"},
                        words{"migrate", "up"},
                        words{"migrate", "new"},
                        words{"migrate", "init"},
                        words{"migrate", "down"},
                        words{"migrate", "redo"},
                        words{"migrate", "to"},
                        words{"migrate", "status"},
                        words{"migrate", "verify"},
                        words{"migrate", "baseline"},
                        words{"produce"},
                        words{"generate"},
                        words{"generate", "pme"},
                        words{"status"},
                        words{"config"},
                        words{"config", "options"},
                        words{"completion"},
                        words{"version"},
                        words{"lanes"},
                        words{"lanes", "list"},
                        words{"lanes", "halted"},
                        words{"lanes", "resume"},
                        words{"lanes", "halt"},
                        words{"lanes", "skip"},
                        words{"lanes", "adopt-topic"},
                        words{"lanes", "change"},
                        words{"dlq"},
                        words{"dlq", "list"},
                        words{"dlq", "count"},
                        words{"dlq", "show"},
                        words{"dlq", "discard"},
                        words{"dlq", "replay"},
                        words{"dlq", "prune"},
                        words{"waiting"},
                        words{"waiting", "list"},
                        words{"waiting", "count"},
                        words{"waiting", "show"},
                        words{"partitions"},
                        words{"partitions", "list"},
                        words{"partitions", "plan"},
                        words{"partitions", "run"}}) {
    auto usage = std::string{"Usage: millrace"};
    for (const auto& word : command)
      usage += ' ' + word;
    command.emplace_back("--help");
    auto x = run(command);
    CHECK(x.code == 0);
    CHECK_THAT(x.out, ContainsSubstring(usage));
  }
}

TEST_CASE("the documentation has the table of exit codes as it is") {
  auto text = file_text(MILLRACE_SOURCE_DIR "/docs/cli.md");
  for (const auto& x : cli::exit_codes)
    CHECK_THAT(text, ContainsSubstring(std::format(
                       "| {} | {} |", static_cast<int>(x.code), x.meaning)));
}

TEST_CASE("without a command the program shows its help and fails") {
  auto x = run({});
  CHECK(x.code == 2);
  CHECK(x.out.empty());
  CHECK_THAT(x.err, ContainsSubstring("Usage: millrace"));
}

TEST_CASE("an unknown command gets a suggestion") {
  auto x = run({"vaildate", "a.toml"});
  CHECK(x.code == 2);
  CHECK(x.out.empty());
  CHECK_THAT(x.err, StartsWith("millrace: there is no command \"vaildate\"; "
                               "did you mean \"validate\"?\n"));
  CHECK_THAT(run({"migrate", "stats"}).err,
             StartsWith("millrace migrate: there is no command \"stats\"; did "
                        "you mean \"status\"?\n"));
  CHECK_THAT(run({"\x1b[2Jxyz"}).err,
             StartsWith("millrace: there is no command \"\\x1B[2Jxyz\"\n"));
}

TEST_CASE("an unknown option gets a suggestion") {
  auto x = run({"validate", "--ofline", "a.toml", "--xyz=3"});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, StartsWith("millrace validate: there is no option "
                               "\"--ofline\"; did you mean \"--offline\"?\n"
                               "millrace validate: there is no option "
                               "\"--xyz\"\n"));
}

TEST_CASE("a missing argument and one too many are named") {
  auto few = run({"produce", "ticks"});
  CHECK(few.code == 2);
  CHECK_THAT(few.err, StartsWith("millrace produce: INPUT is required"));
  auto many = run({"version", "now"});
  CHECK(many.code == 2);
  CHECK_THAT(many.err, StartsWith("millrace version: one argument too many: "
                                  "\"now\"\n"));
}

TEST_CASE("with --json a wrong command line is an array on standard output") {
  auto x = run({"produce", "ticks", "--json"});
  CHECK(x.code == 2);
  CHECK(x.err.empty());
  json_document document{x.out};
  CHECK(document.size() == 1);
  CHECK(document.text("/0/severity") == "error");
  CHECK_THAT(document.text("/0/message"), ContainsSubstring("INPUT"));
}

TEST_CASE("the version is one line, a page, or JSON") {
  auto line = run({"--version"});
  CHECK(line.code == 0);
  CHECK(line.out == MILLRACE_VERSION "\n");
  CHECK_THAT(run({"version"}).out, StartsWith("millrace " MILLRACE_VERSION));
  auto x = run({"version", "--json"});
  CHECK(x.code == 0);
  json_document document{x.out};
  CHECK(document.text("/name") == "millrace");
  CHECK(document.text("/version") == MILLRACE_VERSION);
  CHECK_FALSE(document.text("/compiler").empty());
  CHECK_FALSE(document.text("/built_with/librdkafka").empty());
}

TEST_CASE("the configuration documents itself") {
  CHECK(run({"config", "docs"}).out == options_markdown());
  CHECK(run({"config", "example"}).out
        == file_text(MILLRACE_SOURCE_DIR "/config/examples/ticks.toml"));
  CHECK(run({"config", "example", "full"}).out
        == file_text(MILLRACE_SOURCE_DIR "/config/examples/full.toml"));
  CHECK(run({"config", "example", "perps-stats"}).out
        == file_text(MILLRACE_SOURCE_DIR "/config/examples/perps-stats.toml"));
  CHECK(run({"config", "example", "none"}).code == 2);
  CHECK_THAT(run({"config", "options"}).out,
             ContainsSubstring("\nkafka.bootstrap\n"));
  CHECK_THAT(run({"config", "options", "kafka.bootstrp"}).err,
             ContainsSubstring("did you mean \"kafka.bootstrap\"?"));
  json_document all{run({"config", "options", "--json"}).out};
  CHECK(all.size() > 40);
  CHECK_FALSE(all.text("/0/description").empty());
  json_document one{run({"config", "options", "node.grace", "--json"}).out};
  CHECK(one.size() == 1);
  CHECK(one.text("/0/default") == "\"10s\"");
}

TEST_CASE("output that cannot be written is a failure") {
  auto x = run_program(
    {"sh", "-c", "exec \"$0\" config docs >/dev/full", MILLRACE_BINARY});
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("standard output cannot be written"));
}
