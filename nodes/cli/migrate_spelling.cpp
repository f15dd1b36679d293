#include "nodes/cli/migrate_spelling.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace millrace::cli {

namespace {

constexpr auto verbs = std::to_array<std::string_view>(
  {"init", "up", "down", "redo", "status", "verify"});

bool is_verb(std::string_view x) {
  return std::ranges::contains(verbs, x);
}

/// `db --database-url URL stats` is `db stats --database-url URL`.
std::vector<std::string> with_url_behind(std::vector<std::string> args) {
  constexpr std::string_view option = "--database-url";
  auto words = args[1] == option ? 2 : 1;
  if (args[1].starts_with(option) && std::ssize(args) > words + 1)
    std::ranges::rotate(args.begin() + 1, args.begin() + 1 + words, args.end());
  return args;
}

} // namespace

std::vector<std::string>
accept_other_spellings(const std::vector<std::string>& args) {
  if (args.size() > 2 && args[0] == "db")
    return with_url_behind(args);
  if (args.size() < 2 || args[0] != "migrate" || !args[1].starts_with('-'))
    return args;
  std::string verb;
  std::optional<std::string> version;
  std::vector<std::string> rest;
  auto choose = [&verb](std::string x) {
    // `-init -up` of a set-up script: up makes what init makes.
    if (verb.empty() || verb == "init")
      verb = std::move(x);
  };
  for (std::size_t i = 1; i < args.size(); ++i) {
    const auto& word = args[i];
    auto dashes = word.find_first_not_of('-');
    if (dashes != 1 && dashes != 2) {
      rest.push_back(word);
      continue;
    }
    auto equals = word.find('=');
    auto name = word.substr(dashes,
                            equals == word.npos ? equals : equals - dashes);
    auto value = [&]() -> std::string {
      if (equals != word.npos)
        return word.substr(equals + 1);
      return i + 1 < args.size() ? args[++i] : std::string{};
    };
    if (name == "cmd") {
      choose(value());
    } else if (name == "version") {
      version = value();
    } else if (is_verb(name) && equals == word.npos) {
      choose(name);
    } else if (dashes == 1 && name.size() > 1) {
      rest.push_back('-' + word);
    } else {
      rest.push_back(word);
    }
  }
  if (verb.empty() && !version)
    return args;
  // A version is no count: it says how far up or down goes.
  if (version) {
    if (verb == "up" || verb == "down")
      rest.insert(rest.begin(), {"--only", verb});
    if (verb.empty() || verb == "init" || verb == "up" || verb == "down")
      verb = "to";
    rest.insert(rest.begin(), std::move(*version));
  }
  std::vector<std::string> result{"migrate", verb};
  result.insert(result.end(), rest.begin(), rest.end());
  return result;
}

} // namespace millrace::cli
