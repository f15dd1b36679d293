#include "config/postgresql_place.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace millrace {

namespace {

/// No variable of an environment is called like that by accident.
constexpr auto url_variable = "--database-url";

/// As in `postgresql_target` of the table of options.
constexpr auto place_keys = std::to_array<std::string_view>(
  {"url", "host", "port", "database", "user", "password", "sslmode",
   "sslrootcert", "sslcert", "sslkey", "parameters"});

tree_node text_node(const source_position& at, std::string text) {
  tree_node result;
  result.kind = node_kind::text;
  result.at = result.text_at = at;
  result.text = std::move(text);
  return result;
}

tree_node reference_node(const source_position& at) {
  tree_node result;
  result.at = at;
  result.members.push_back({"env", at, text_node(at, url_variable)});
  return result;
}

} // namespace

load_options put_postgresql_url(tree_node& root, const load_options& options) {
  auto result = options;
  if (options.postgresql_url.empty())
    return result;
  auto table = std::ranges::find(root.members, "postgresql", &tree_member::key);
  if (table == root.members.end()) {
    tree_node fresh;
    fresh.at = root.at;
    root.members.push_back({"postgresql", root.at, std::move(fresh)});
    table = std::prev(root.members.end());
  }
  // What is no table is told by whoever reads it.
  if (table->value.kind == node_kind::table) {
    auto at = table->value.at;
    std::erase_if(table->value.members, [](const tree_member& x) {
      return std::ranges::contains(place_keys, x.key);
    });
    table->value.members.push_back({"url", at, reference_node(at)});
  }
  result.environment = [options](const std::string& name) {
    return name == url_variable ? std::optional{options.postgresql_url}
                                : options.variable(name);
  };
  return result;
}

} // namespace millrace
