#include "nodes/cli/shape.hpp"

#include <CLI/CLI.hpp>

#include <ranges>
#include <string_view>

namespace millrace::cli {

namespace {

/// The names between the braces that CLI11 shows for a checked choice, such
/// as `SHELL:{bash,zsh}`.
std::vector<std::string> choices_of(std::string_view type) {
  std::vector<std::string> result;
  auto open = type.find('{');
  auto close = type.find('}');
  if (open == std::string_view::npos || close == std::string_view::npos)
    return result;
  for (auto word :
       std::views::split(type.substr(open + 1, close - open - 1), ','))
    result.emplace_back(std::string_view{word});
  return result;
}

option_shape shape_of(const CLI::Option& x) {
  option_shape result;
  for (const auto& name : x.get_lnames())
    result.names.push_back("--" + name);
  for (const auto& name : x.get_snames())
    result.names.push_back('-' + name);
  if (x.get_positional())
    result.names = {x.get_name(true)};
  result.description = x.get_description();
  // Flags expect nothing at least.
  result.takes_value = x.get_items_expected_min() > 0;
  result.repeatable = x.get_items_expected_max() > 1;
  auto type = x.get_type_name();
  result.choices = choices_of(type);
  if (!result.choices.empty())
    result.kind = value_kind::choice;
  else if (type == "FILE")
    result.kind = value_kind::file;
  else if (type == "FOLDER")
    result.kind = value_kind::folder;
  return result;
}

} // namespace

command_shape shape_of(const CLI::App& app) {
  command_shape result;
  result.name = app.get_name();
  result.description = app.get_description();
  for (const auto* x : app.get_options())
    (x->get_positional() ? result.arguments : result.options)
      .push_back(shape_of(*x));
  for (const auto* x : app.get_subcommands(nullptr))
    result.commands.push_back(shape_of(*x));
  return result;
}

} // namespace millrace::cli
