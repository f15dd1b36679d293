#include "config/reader.hpp"

#include "config/file.hpp"
#include "config/values.hpp"

#include <format>
#include <stdexcept>

namespace millrace {

// -- reader -------------------------------------------------------------------

reader::reader(std::string file, const load_options& outside,
               std::vector<problem>& problems)
  : file_{std::move(file)},
    outside_{outside},
    problems_{problems} {
}

void reader::add(const source_position& at, std::string_view path,
                 std::string found, std::string expected, std::string hint) {
  problems_.push_back({at, std::string{path}, std::move(found),
                       std::move(expected), std::move(hint)});
}

void reader::note(const std::string& path, const source_position& at) {
  given_[path] = at;
}

source_position reader::where(const std::string& path,
                              const source_position& fallback) const {
  auto i = given_.find(path);
  return i == given_.end() ? fallback : i->second;
}

bool reader::given(const std::string& path) const {
  return given_.contains(path);
}

bool is_reference(const tree_node& x) {
  return x.kind == node_kind::table && !x.members.empty()
         && std::ranges::all_of(x.members, [](const tree_member& member) {
              return member.key == "env" || member.key == "file";
            });
}

std::optional<secret> reader::fetch(const tree_node& from,
                                    const std::string& path) {
  if (!is_reference(from) || from.members.size() != 1) {
    auto literal = from.kind != node_kind::list
                   && from.kind != node_kind::table;
    add(from.at, path, literal ? "a literal value" : describe(from),
        std::string{secret_form});
    return std::nullopt;
  }
  const auto& [key, key_at, value] = from.members[0];
  if (value.kind != node_kind::text || value.text.empty()) {
    add(value.at, path + "." + key, describe(value),
        key == "env" ? "the name of a variable" : "the path of a file");
    return std::nullopt;
  }
  if (key == "file")
    return fetch_file(value, path + ".file");
  auto found = outside_.variable(value.text);
  if (found && !found->empty())
    return secret{std::move(*found)};
  add(value.at, path + ".env",
      std::format("{} variable {}", found ? "an empty" : "no",
                  in_quotes(value.text)),
      "a variable of the environment that holds the secret");
  return std::nullopt;
}

std::optional<secret> reader::fetch_file(const tree_node& from,
                                         const std::string& path) {
  auto file = std::filesystem::path{file_}.parent_path() / from.text;
  auto text = read_regular_file(file, max_secret_bytes);
  if (text && text->ends_with('\n'))
    text->pop_back();
  if (text && text->ends_with('\r'))
    text->pop_back();
  if (text && !text->empty() && !text->contains('\0'))
    return secret{std::move(*text)};
  add(from.at, path,
      std::format("{} ({})", in_quotes(from.text),
                  !text           ? text.error()
                  : text->empty() ? "an empty file"
                                  : "a file with zero bytes"),
      std::format("a readable file of at most {} that holds the secret",
                  format_size(max_secret_bytes)));
  return std::nullopt;
}

// -- sections -----------------------------------------------------------------

std::vector<std::string> section_info::keys() const {
  std::vector<std::string> result;
  for (const auto& x : options)
    result.emplace_back(key_of(x));
  result.insert(result.end(), children.begin(), children.end());
  return result;
}

std::string_view key_of(const option& x) {
  std::string_view path = x.path;
  return path.substr(path.rfind('.') + 1);
}

tree_node parse_default(const option& x) {
  tree_node none;
  none.kind = node_kind::other;
  if (x.default_value.empty())
    return none;
  auto tree = parse_tree("x = " + x.default_value, "default of " + x.path);
  if (!tree)
    throw std::logic_error{to_string(tree.error())};
  return std::move(tree->members[0].value);
}

void add_unknown_key(reader& in, const section_info& what,
                     const tree_member& member, const std::string& path) {
  auto keys = what.keys();
  std::string hint;
  if (auto near = closest(member.key, keys)) {
    hint = std::format("did you mean {}?", in_quotes(*near));
  } else {
    for (const auto& x : options())
      if (hint.empty() && key_of(x) == member.key)
        hint = std::format("there is {}", x.path);
  }
  // The tables at the top are in no section of the documentation.
  auto expected = keys.size() <= 10 || what.path.empty()
                    ? one_of(keys)
                    : std::format("a key of [{}] in the documentation",
                                  what.path);
  in.add(member.key_at, path.empty() ? member.key : path + "." + member.key,
         "an unknown key", std::move(expected), std::move(hint));
}

void check_required(reader& in, const section_info& what,
                    const source_position& at, const std::string& path) {
  for (const auto& x : what.options) {
    auto full = std::format("{}.{}", path, key_of(x));
    if (x.required && !in.given(full))
      in.add(at, full, "nothing", expected_text(x));
  }
}

} // namespace millrace
