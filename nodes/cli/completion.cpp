#include "nodes/cli/completion.hpp"

#include <algorithm>
#include <format>
#include <string_view>

namespace millrace::cli {

namespace {

/// Calls `what(command, path)` for the command and all below it; the path is
/// `millrace migrate up`.
template <class Function>
void for_each_command(const command_shape& x, const std::string& above,
                      const Function& what) {
  auto path = above.empty() ? x.name : above + ' ' + x.name;
  what(x, path);
  for (const auto& below : x.commands)
    for_each_command(below, path, what);
}

std::string joined(const std::vector<std::string>& words) {
  std::string result;
  for (const auto& word : words)
    result += (result.empty() ? "" : " ") + word;
  return result;
}

// -- bash ---------------------------------------------------------------------

/// Fills COMPREPLY with what fits a value.
std::string bash_reply(const option_shape& x) {
  switch (x.kind) {
    case value_kind::file:
      return "_millrace_files -f";
    case value_kind::folder:
      return "_millrace_files -d";
    case value_kind::choice:
      return std::format("_millrace_words '{}'", joined(x.choices));
    case value_kind::anything:
      break;
  }
  return ":";
}

constexpr std::string_view bash_head = R"(# bash completion for millrace

_millrace_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_millrace_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

_millrace() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  local path=millrace i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path ${COMP_WORDS[i]}" in
)";

} // namespace

std::string bash_completion(const command_shape& root) {
  std::string steps;
  std::string values;
  std::string words;
  for_each_command(
    root, "", [&](const command_shape& x, const std::string& path) {
      if (&x != &root)
        steps += std::format("{}'{}'", steps.empty() ? "" : " | ", path);
      std::vector<std::string> names;
      for (const auto& option : x.options) {
        names.insert(names.end(), option.names.begin(), option.names.end());
        if (option.takes_value)
          for (const auto& name : option.names)
            values += std::format("  '{} {}') {}; return ;;\n", path, name,
                                  bash_reply(option));
      }
      std::vector<std::string> below;
      for (const auto& command : x.commands)
        below.push_back(command.name);
      std::string other = ":";
      if (!below.empty())
        other = std::format("_millrace_words '{}'", joined(below));
      else
        // Arguments that are files are worth more than those that are not.
        for (const auto& argument : x.arguments)
          if (argument.kind != value_kind::anything)
            other = bash_reply(argument);
      words += std::format("  '{}')\n"
                           "    case $cur in\n"
                           "    -*) _millrace_words '{}' ;;\n"
                           "    *) {} ;;\n"
                           "    esac\n"
                           "    ;;\n",
                           path, joined(names), other);
    });
  return std::string{bash_head} + "    " + steps
         + ") path+=\" ${COMP_WORDS[i]}\" ;;\n"
           "    esac\n"
           "  done\n"
           "  case \"$path $prev\" in\n"
         + values
         + "  esac\n"
           "  case $path in\n"
         + words
         + "  esac\n"
           "}\n"
           "\n"
           "complete -F _millrace millrace\n";
}

// -- zsh ----------------------------------------------------------------------

namespace {

std::string zsh_escaped(std::string_view text, std::string_view special) {
  std::string result;
  for (char c : text) {
    if (c == '\'')
      result += "'\\''";
    else if (special.contains(c))
      result += std::string{'\\'} + c;
    else
      result += c;
  }
  return result;
}

std::string zsh_action(const option_shape& x) {
  switch (x.kind) {
    case value_kind::file:
      return "_files";
    case value_kind::folder:
      return "_files -/";
    case value_kind::choice:
      return '(' + joined(x.choices) + ')';
    case value_kind::anything:
      break;
  }
  return " ";
}

std::string zsh_function(std::string path) {
  std::ranges::replace(path, ' ', '_');
  return '_' + path;
}

std::string zsh_specs(const command_shape& x) {
  std::string result;
  for (const auto& option : x.options)
    for (const auto& name : option.names) {
      auto value = option.takes_value ? ":value:" + zsh_action(option)
                                      : std::string{};
      result += std::format(" \\\n    '{}{}[{}]{}'",
                            option.repeatable ? "*" : "", name,
                            zsh_escaped(option.description, "[]\\"), value);
    }
  for (const auto& argument : x.arguments)
    result += std::format(" \\\n    '{}:{}:{}'", argument.repeatable ? "*" : "",
                          zsh_escaped(argument.names.front(), ":\\"),
                          zsh_action(argument));
  return result;
}

std::string zsh_commands(const command_shape& x, const std::string& path) {
  std::string names;
  std::string cases;
  for (const auto& below : x.commands) {
    names += std::format("      '{}:{}'\n", below.name,
                         zsh_escaped(below.description, ":\\"));
    cases += std::format("    {}) {} ;;\n", below.name,
                         zsh_function(path + ' ' + below.name));
  }
  return std::format("{}() {{\n"
                     "  local curcontext=$curcontext state line\n"
                     "  typeset -A opt_args\n"
                     "  _arguments -C{} \\\n"
                     "    '1: :->command' '*:: :->rest'\n"
                     "  case $state in\n"
                     "  command)\n"
                     "    local -a commands=(\n"
                     "{}"
                     "    )\n"
                     "    _describe command commands\n"
                     "    ;;\n"
                     "  rest)\n"
                     "    case $line[1] in\n"
                     "{}"
                     "    esac\n"
                     "    ;;\n"
                     "  esac\n"
                     "}}\n\n",
                     zsh_function(path), zsh_specs(x), names, cases);
}

} // namespace

std::string zsh_completion(const command_shape& root) {
  std::string result = "#compdef millrace\n\n";
  for_each_command(root, "",
                   [&](const command_shape& x, const std::string& path) {
                     if (x.commands.empty())
                       result += std::format("{}() {{\n  _arguments{}\n}}\n\n",
                                             zsh_function(path), zsh_specs(x));
                     else
                       result += zsh_commands(x, path);
                   });
  // Read by the completion system, or by a user's own start-up file.
  return result
         + "if [[ $funcstack[1] == _millrace ]]; then\n"
           "  _millrace \"$@\"\n"
           "else\n"
           "  compdef _millrace millrace\n"
           "fi\n";
}

} // namespace millrace::cli
