#pragma once

// Turns tree nodes into values of plain structs, by the declared options.
// Everything that is wrong becomes a problem; nothing stops at the first one.

#include "config/options.hpp"
#include "config/tree.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace millrace {

/// What stands for a secret in a file.
constexpr std::string_view secret_form
  = "{ env = \"NAME\" } or { file = \"PATH\" }";

/// Whether a table is meant as a secret rather than as settings.
bool is_reference(const tree_node& x);

/// Collects problems and remembers where each key was given.
class reader {
public:
  /// `file` is the name for problems; secrets in relative files start from
  /// its folder.
  reader(std::string file, const load_options& outside,
         std::vector<problem>& problems);

  const std::string& file() const noexcept {
    return file_;
  }

  const load_options& outside() const noexcept {
    return outside_;
  }

  void add(const source_position& at, std::string_view path, std::string found,
           std::string expected, std::string hint = {});

  /// Notes that a key was given, with its value at a place.
  void note(const std::string& path, const source_position& at);

  /// Where a key was given, else the fallback.
  source_position where(const std::string& path,
                        const source_position& fallback) const;

  bool given(const std::string& path) const;

  /// The value behind `{ env = "X" }` or `{ file = "…" }`; adds a problem and
  /// returns nothing when there is none.
  std::optional<secret> fetch(const tree_node& from, const std::string& path);

private:
  std::optional<secret> fetch_file(const tree_node& from,
                                   const std::string& path);

  std::string file_;
  const load_options& outside_;
  std::vector<problem>& problems_;
  std::map<std::string, source_position> given_;
};

/// One value in the file: what it should be and what it is called there.
struct site {
  const option& info;
  const std::string& path;

  /// The grammar of texts and list elements; null when any will do.
  bool (*valid)(std::string_view);
};

// -- one function per kind of member; false after a problem -------------------

bool read_value(reader& in, const site& at, const tree_node& from,
                std::string& to);
bool read_value(reader& in, const site& at, const tree_node& from, bool& to);
bool read_value(reader& in, const site& at, const tree_node& from, int64_t& to);
bool read_value(reader& in, const site& at, const tree_node& from, double& to);
bool read_value(reader& in, const site& at, const tree_node& from,
                std::chrono::milliseconds& to);
bool read_value(reader& in, const site& at, const tree_node& from, secret& to);
bool read_value(reader& in, const site& at, const tree_node& from,
                std::vector<std::string>& to);
bool read_value(reader& in, const site& at, const tree_node& from,
                property_list& to);
bool read_value(reader& in, const site& at, const tree_node& from,
                expression_text& to);
bool read_value(reader& in, const site& at, const tree_node& from,
                std::vector<column_config>& to);
bool read_value(reader& in, const site& at, const tree_node& from,
                std::vector<code_table_config>& to);
bool read_value(reader& in, const site& at, const tree_node& from,
                start_config& to);
bool read_value(reader& in, const site& at, const tree_node& from,
                std::vector<start_offset>& to);

/// Narrower integers: the option's range has been checked before.
template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
bool read_value(reader& in, const site& at, const tree_node& from, T& to) {
  int64_t wide = 0;
  if (!read_value(in, at, from, wide))
    return false;
  to = static_cast<T>(wide);
  return true;
}

/// Enums: the one whose `to_string` is the text.
template <class T>
  requires std::is_enum_v<T>
bool read_value(reader& in, const site& at, const tree_node& from, T& to) {
  std::string text;
  if (!read_value(in, at, from, text))
    return false;
  auto n = static_cast<int>(at.info.choices.size());
  // One more than choices: an enum may begin with `unset`.
  for (int i = 0; i <= n; ++i)
    if (to_string(static_cast<T>(i)) == text)
      to = static_cast<T>(i);
  return true;
}

// -- sections -----------------------------------------------------------------

/// A TOML table whose keys are declared.
struct section_info {
  /// For example `node.admin`; empty for the top of the file.
  std::string path;
  std::string description;
  std::vector<option> options;

  /// Parsed default per option; of kind `other` when there is none.
  std::vector<tree_node> defaults;

  /// Names of the tables below, which have sections of their own.
  std::vector<std::string> children;

  std::vector<std::string> keys() const;
};

template <class T>
using binding = bool (*)(reader&, const option&, const std::string& path,
                         const tree_node&, T&);

/// The table of a struct: for each option the member that it fills.
template <class T>
struct section : section_info {
  std::vector<binding<T>> bindings;
};

/// An option on its way into a section.
template <class T>
struct bound {
  option info;
  binding<T> read;
};

template <class Member>
struct owner_of;

template <class T, class M>
struct owner_of<M T::*> {
  using type = T;
};

/// Binds an option, its path still relative, to a member.
template <auto Member, bool (*Valid)(std::string_view) = nullptr>
auto bind(option info) {
  using owner = typename owner_of<decltype(Member)>::type;
  return bound<owner>{
    std::move(info), [](reader& in, const option& x, const std::string& path,
                        const tree_node& from, owner& to) {
      return read_value(in, {x, path, Valid}, from, to.*Member);
    }};
}

/// A parsed default; ends the program when it is not TOML.
tree_node parse_default(const option& x);

template <class T>
section<T> make_section(std::string path, std::string description,
                        std::vector<bound<T>> entries,
                        std::vector<std::string> children = {}) {
  section<T> result;
  result.path = std::move(path);
  result.description = std::move(description);
  result.children = std::move(children);
  for (auto& [info, read] : entries) {
    result.defaults.push_back(parse_default(info));
    if (!result.path.empty())
      info.path = result.path + "." + info.path;
    result.options.push_back(std::move(info));
    result.bindings.push_back(read);
  }
  return result;
}

/// The key's own name: what follows the last dot.
std::string_view key_of(const option& x);

void add_unknown_key(reader& in, const section_info& what,
                     const tree_member& member, const std::string& path);

/// Reads the keys that are there. `path` names the table in problems.
template <class T>
void read_section(reader& in, const section<T>& what, const tree_node& from,
                  const std::string& path, T& to) {
  for (const auto& member : from.members) {
    auto full = path.empty() ? member.key : path + "." + member.key;
    auto i = std::ranges::find(what.options, member.key, key_of);
    if (i != what.options.end()) {
      in.note(full, member.value.at);
      auto n = static_cast<std::size_t>(i - what.options.begin());
      what.bindings[n](in, *i, full, member.value, to);
    } else if (std::ranges::find(what.children, member.key)
               == what.children.end()) {
      add_unknown_key(in, what, member, path);
    }
  }
}

/// Fills every member that has a declared default.
template <class T>
void fill_defaults(reader& in, const section<T>& what, T& to) {
  for (std::size_t i = 0; i < what.options.size(); ++i)
    if (what.defaults[i].kind != node_kind::other)
      what.bindings[i](in, what.options[i], what.options[i].path,
                       what.defaults[i], to);
}

/// Adds a problem for each required option that was not given.
void check_required(reader& in, const section_info& what,
                    const source_position& at, const std::string& path);

} // namespace millrace
