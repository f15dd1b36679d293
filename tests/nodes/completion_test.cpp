#include "nodes/cli/completion.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <format>

using namespace millrace::cli;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// What bash would offer for the last of `words`.
std::string offered(const std::string& script,
                    const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words)
    line += " '" + word + "'";
  auto code = std::format("source '{}'; COMP_WORDS=({}); COMP_CWORD={}; "
                          "_millrace; echo \"${{COMPREPLY[*]}}\"",
                          script, line, words.size() - 1);
  auto result = run_program({"bash", "-c", code});
  CHECK(result.err.empty());
  CHECK(result.code == 0);
  return result.out.substr(0, result.out.find('\n'));
}

} // namespace

TEST_CASE("bash completes commands, options, choices and files") {
  scratch_folder folder;
  auto script = folder.write("millrace", run({"completion", "bash"}).out);
  auto parsed = run_program({"bash", "-n", script});
  CHECK(parsed.code == 0);
  CHECK(parsed.err.empty());
  CHECK(offered(script, {"millrace", "va"}) == "validate");
  CHECK(offered(script, {"millrace", "--v"}) == "--version");
  CHECK(offered(script, {"millrace", "migrate", ""})
        == "new init up down redo to status verify baseline");
  CHECK(offered(script, {"millrace", "migrate", "up", "--conf"}) == "--config");
  CHECK(offered(script, {"millrace", "lanes", "a"}) == "adopt-topic");
  CHECK(offered(script, {"millrace", "lanes", "list", "--state", "h"})
        == "halted");
  CHECK(offered(script, {"millrace", "dlq", "replay", "--f"}) == "--force");
  CHECK(offered(script, {"millrace", "validate", "--off"}) == "--offline");
  CHECK(offered(script, {"millrace", "completion", ""}) == "bash zsh");
  CHECK(offered(script, {"millrace", "config", "example", "f"}) == "full");
  auto config = folder.write("node.toml", "");
  CHECK(offered(script, {"millrace", "node", folder.path() + "/no"}) == config);
  CHECK(
    offered(script, {"millrace", "node", "--port-file", folder.path() + "/no"})
    == config);
  CHECK(offered(script, {"millrace", "produce", "--rate", ""}).empty());
}

TEST_CASE("zsh completion describes every command and option") {
  auto text = run({"completion", "zsh"}).out;
  CHECK(text.starts_with("#compdef millrace\n"));
  CHECK_THAT(text, ContainsSubstring("'--offline[Ask no server]'"));
  CHECK_THAT(text, ContainsSubstring("_millrace_migrate_up() {"));
  CHECK_THAT(text, ContainsSubstring("(bash zsh)"));
}

TEST_CASE("zsh completion escapes what zsh would read as its own") {
  command_shape root{"millrace", "", {}, {}, {}};
  auto& option = root.options.emplace_back();
  option.names = {"--it"};
  option.description = "it's [odd]";
  auto text = zsh_completion(root);
  CHECK_THAT(text, ContainsSubstring("'--it[it'\\''s \\[odd\\]]'"));
}

TEST_CASE("another shell is refused") {
  auto x = run({"completion", "fish"});
  CHECK(x.code == 2);
  CHECK_THAT(x.err, ContainsSubstring("fish"));
}
