#include "nodes/cli/command_line.hpp"

#include "config/values.hpp"
#include "nodes/cli/commands.hpp"
#include "nodes/cli/migrate_spelling.hpp"
#include "nodes/cli/version.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <format>

namespace millrace::cli {

namespace {

/// The words behind the program's name.
using words = std::vector<std::string>;

std::string exit_code_text() {
  std::string result = "Exit codes:\n";
  for (const auto& x : exit_codes)
    result += std::format("  {:<3} {}\n", static_cast<int>(x.code), x.meaning);
  return result;
}

/// `millrace migrate up`.
std::string full_name(const CLI::App* app) {
  std::string result = app->get_name();
  for (auto* x = app->get_parent(); x != nullptr; x = x->get_parent())
    result = x->get_name() + ' ' + result;
  return result;
}

std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> result;
  for (const auto* x : app.get_subcommands(nullptr))
    result.push_back(x->get_name());
  return result;
}

/// The innermost command that the command line has named so far.
const CLI::App* innermost(const CLI::App* app) {
  while (!app->get_subcommands().empty())
    app = app->get_subcommands().back();
  return app;
}

std::string suggestion(std::string_view word, const words& candidates) {
  auto near = closest(word, candidates);
  return near ? "; did you mean " + in_quotes(*near) + '?' : std::string{};
}

/// What is wrong with the command's name, found before CLI11 looks at it:
/// commands that have commands below them take no options of their own.
std::optional<std::string> unknown_command(const CLI::App& root,
                                           const words& args) {
  const auto* at = &root;
  for (const auto& word : args) {
    if (word.starts_with('-') || at->get_subcommands(nullptr).empty())
      return std::nullopt;
    auto known = names_of(*at);
    if (!std::ranges::contains(known, word))
      return full_name(at) + ": there is no command " + in_quotes(word)
             + suggestion(word, known);
    at = at->get_subcommand(word);
  }
  return std::nullopt;
}

/// CLI11's complaint, with a guess at what an unknown option was to be.
std::string complaint(const CLI::App& root, const CLI::ParseError& e) {
  const auto* at = innermost(&root);
  words known;
  for (const auto* option : at->get_options())
    for (const auto& name : option->get_lnames())
      known.push_back("--" + name);
  std::string result;
  auto add = [&](const std::string& text) {
    result += (result.empty() ? "" : "\n") + full_name(at) + ": " + text;
  };
  auto words_left = at->remaining(true);
  for (const auto& word : words_left)
    if (auto name = word.substr(0, word.find('=')); name.starts_with('-'))
      add("there is no option " + in_quotes(name) + suggestion(name, known));
  // Behind an unknown option stands its value, as likely as not.
  if (result.empty() && dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr)
    for (const auto& word : words_left)
      add("one argument too many: " + in_quotes(word));
  if (result.empty())
    add(e.what());
  return result;
}

exit_code wrong_usage(const CLI::App& root, const words& args,
                      const std::string& text) {
  console to{std::ranges::contains(args, "--json")};
  to.fail(exit_code::usage, text);
  if (!to.json())
    to.note("'" + full_name(innermost(&root)) + " --help' tells what there is");
  return exit_code::usage;
}

exit_code dispatch(const words& args, const node_runner& node) {
  CLI::App root{"Millrace writes what Kafka holds into PostgreSQL, exactly "
                "once, at the speed of COPY.",
                "millrace"};
  root.require_subcommand(0, 1);
  root.footer(exit_code_text());
  root.set_version_flag("--version", std::string{version()});
  auto all = add_commands(root, node);
  if (auto text = unknown_command(root, args))
    return wrong_usage(root, args, *text);
  try {
    // CLI11 takes words from the back.
    root.parse(words{args.rbegin(), args.rend()});
  } catch (const CLI::CallForVersion&) {
    console{false}.out(std::string{version()} + '\n');
    return exit_code::ok;
  } catch (const CLI::Success&) {
    console{false}.out(root.help());
    return exit_code::ok;
  } catch (const CLI::ParseError& e) {
    return wrong_usage(root, args, complaint(root, e));
  }
  for (const auto& x : all) {
    if (!x.app->parsed())
      continue;
    console to{*x.json};
    auto code = x.run(to);
    if (!to.flush() && code == exit_code::ok)
      return console{false}.fail(exit_code::failed,
                                 "standard output cannot be written");
    return code;
  }
  console{false}.note(root.help());
  return exit_code::usage;
}

} // namespace

int run(int argc, const char* const* argv, const node_runner& node) {
  try {
    words args{argv + std::min(argc, 1), argv + argc};
    return static_cast<int>(dispatch(accept_other_spellings(args), node));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "millrace: %s; this is a defect\n", e.what());
  } catch (...) {
    std::fputs("millrace: an unknown exception; this is a defect\n", stderr);
  }
  return static_cast<int>(exit_code::internal);
}

} // namespace millrace::cli
