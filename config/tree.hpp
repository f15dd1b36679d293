#pragma once

// A TOML document as a tree of our own: members in the order of the file,
// every node with its position. Hides the TOML library from all others.

#include "config/load.hpp"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

enum class node_kind : uint8_t {
  text,
  integer,
  /// With a decimal point or an exponent.
  number,
  boolean,
  /// A date or a time: nothing that an option could be.
  other,
  list,
  table,
};

struct tree_member;

struct tree_node {
  node_kind kind = node_kind::table;
  source_position at;

  /// The string, or the spelling of what is neither list nor table.
  std::string text;

  /// Where the first character of a string stands, behind its quote.
  source_position text_at;

  int64_t integer = 0;
  double number = 0;
  bool boolean = false;
  std::vector<tree_node> items;
  std::vector<tree_member> members;

  const tree_member* find(std::string_view key) const noexcept;
};

struct tree_member {
  std::string key;
  source_position key_at;
  tree_node value;
};

/// The value for people: quoted, escaped and cut when it is a string.
std::string describe(const tree_node& x);

/// Parses a whole document, or says what is wrong with it. Refuses binary
/// data and nesting beyond `max_nesting`.
std::expected<tree_node, problem> parse_tree(std::string_view text,
                                             const std::string& name);

/// Deepest nesting of tables and lists.
constexpr int max_nesting = 32;

} // namespace millrace
