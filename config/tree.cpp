#include "config/tree.hpp"

#include "config/values.hpp"

#include <toml++/toml.hpp>

#include <algorithm>
#include <format>
#include <sstream>
#include <utility>

namespace millrace {

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Finds the byte that a line and column of the parser stand for.
class line_index {
public:
  explicit line_index(std::string_view text) : text_{text} {
    starts_.push_back(text.starts_with(byte_order_mark) ? byte_order_mark.size()
                                                        : 0);
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n')
        starts_.push_back(i + 1);
  }

  /// The text from the given place on; columns count characters.
  std::string_view from(uint32_t line, uint32_t column) {
    if (line == 0 || line > starts_.size())
      return {};
    // Go on from the last place: a file may be one long line.
    if (line != line_ || column < column_) {
      line_ = line;
      column_ = 1;
      byte_ = starts_[line - 1];
    }
    for (; column_ < column && byte_ < text_.size(); ++column_)
      do
        ++byte_;
      while (byte_ < text_.size() && (text_[byte_] & 0xC0) == 0x80);
    return text_.substr(std::min(byte_, text_.size()));
  }

  std::string_view line(uint32_t number) {
    auto rest = from(number, 1);
    return rest.substr(0, rest.find('\n'));
  }

private:
  std::string_view text_;
  std::vector<std::size_t> starts_;

  /// The last place that was asked for.
  uint32_t line_ = 0;
  uint32_t column_ = 0;
  std::size_t byte_ = 0;
};

/// Moves over one string token and returns the byte behind it.
std::size_t skip_string(std::string_view text, std::size_t i) {
  auto quote = text[i];
  auto triple = std::string(3, quote);
  auto multi_line = text.substr(i, 3) == triple;
  i += multi_line ? 3 : 1;
  for (; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (multi_line) {
      if (text.substr(i, 3) == triple) {
        i += 3;
        // A multi-line string may end in two quotes of its own.
        while (i < text.size() && text[i] == quote)
          ++i;
        return i;
      }
    } else if (text[i] == quote) {
      return i + 1;
    } else if (text[i] == '\n') {
      return i;
    }
  }
  return i;
}

/// The parser recurses over lists and its tables are destroyed recursively, so
/// depth is checked on the text before it sees it. Returns the byte at which
/// the limit is passed, or npos.
std::size_t find_deep_nesting(std::string_view text) {
  int depth = 0;
  int dots = 0;
  for (std::size_t i = 0; i < text.size();) {
    auto c = text[i];
    if (c == '"' || c == '\'') {
      i = skip_string(text, i);
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '.') {
      ++dots;
    } else if (c == '[' || c == '{') {
      ++depth;
      dots = 0;
    } else if (c == ']' || c == '}') {
      depth = std::max(depth - 1, 0);
      dots = 0;
    } else if (c == '=' || c == ',' || c == '\n') {
      dots = 0;
    }
    if (depth + dots > max_nesting)
      return i;
    ++i;
  }
  return std::string_view::npos;
}

/// Bytes that no text has. Tab, line feed and carriage return are fine.
std::size_t find_binary(std::string_view text) {
  auto binary = [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && c != '\t' && c != '\n' && c != '\r';
  };
  auto i = std::ranges::find_if(text, binary);
  return i == text.end() ? std::string_view::npos
                         : static_cast<std::size_t>(i - text.begin());
}

/// Length of the well-formed UTF-8 character at the front, or 0.
std::size_t character_bytes(std::string_view x) {
  auto byte = [x](std::size_t i) {
    return i < x.size() ? static_cast<unsigned char>(x[i]) : 0U;
  };
  auto first = byte(0);
  if (first < 0x80)
    return 1;
  std::size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xC0) != 0x80)
      return 0;
  // Overlong forms, surrogates, and what is beyond U+10FFFF.
  auto bad = first < 0xC2 || first > 0xF4 || (first == 0xE0 && byte(1) < 0xA0)
             || (first == 0xED && byte(1) >= 0xA0)
             || (first == 0xF0 && byte(1) < 0x90)
             || (first == 0xF4 && byte(1) >= 0x90);
  return bad ? 0 : n;
}

std::size_t find_not_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto n = character_bytes(text.substr(i));
    if (n == 0)
      return i;
    i += n;
  }
  return std::string_view::npos;
}

source_position position_of(std::string_view text, const std::string& name,
                            std::size_t byte) {
  auto before = text.substr(0, byte);
  auto line = 1 + std::ranges::count(before, '\n');
  auto start = before.rfind('\n');
  auto tail = start == before.npos ? before : before.substr(start + 1);
  if (line == 1 && tail.starts_with(byte_order_mark))
    tail.remove_prefix(byte_order_mark.size());
  auto column = 1 + std::ranges::count_if(tail, [](char c) {
                  return (c & 0xC0) != 0x80;
                });
  return {name, static_cast<uint32_t>(line), static_cast<uint32_t>(column)};
}

class converter {
public:
  converter(const std::string& name, line_index& lines)
    : name_{name},
      lines_{lines} {
  }

  tree_node convert(const toml::node& from) {
    tree_node to;
    to.at = position(from.source());
    if (auto* table = from.as_table()) {
      to.kind = node_kind::table;
      for (auto&& [key, value] : *table)
        to.members.push_back(
          {std::string{key.str()}, position(key.source()), convert(value)});
      // The library sorts by name; people read from top to bottom.
      std::ranges::stable_sort(to.members, {}, [](const tree_member& x) {
        return std::pair{x.key_at.line, x.key_at.column};
      });
    } else if (auto* list = from.as_array()) {
      to.kind = node_kind::list;
      for (auto&& item : *list)
        to.items.push_back(convert(item));
    } else if (auto* text = from.as_string()) {
      to.kind = node_kind::text;
      to.text = text->get();
      to.text_at = behind_quote(to.at);
    } else {
      convert_scalar(from, to);
    }
    return to;
  }

private:
  static void convert_scalar(const toml::node& from, tree_node& to) {
    if (auto* integer = from.as_integer()) {
      to.kind = node_kind::integer;
      to.integer = integer->get();
      to.text = std::to_string(to.integer);
    } else if (auto* boolean = from.as_boolean()) {
      to.kind = node_kind::boolean;
      to.boolean = boolean->get();
      to.text = to.boolean ? "true" : "false";
    } else {
      auto* number = from.as_floating_point();
      to.kind = number ? node_kind::number : node_kind::other;
      to.number = number ? number->get() : 0;
      std::ostringstream out;
      from.visit([&out](auto&& x) {
        if constexpr (toml::is_value<decltype(x)>)
          out << x.get();
      });
      to.text = out.str();
    }
  }

  source_position position(const toml::source_region& from) const {
    return {name_, from.begin.line, from.begin.column};
  }

  source_position behind_quote(source_position at) {
    auto rest = lines_.from(at.line, at.column);
    auto multi_line = rest.starts_with("\"\"\"") || rest.starts_with("'''");
    at.column += multi_line ? 3 : 1;
    if (!multi_line)
      return at;
    // A line break right behind the quotes is not part of the string.
    rest.remove_prefix(3);
    if (rest.starts_with("\n") || rest.starts_with("\r\n")) {
      ++at.line;
      at.column = 1;
    }
    return at;
  }

  const std::string& name_;
  line_index& lines_;
};

/// Whether a line may hold a password, so that no part of it may be shown.
bool confidential(std::string_view line) {
  std::string lower{line};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  for (auto word : {"pass", "secret", "token", "pem", "private", "://"})
    if (lower.contains(word))
      return true;
  return false;
}

problem syntax_problem(const toml::parse_error& error, const std::string& name,
                       line_index& lines) {
  auto begin = error.source().begin;
  source_position at{name, begin.line, begin.column};
  std::string what{error.description()};
  constexpr std::string_view prefix = "Error while parsing ";
  if (what.starts_with(prefix))
    what.erase(0, prefix.size());
  if (confidential(lines.line(begin.line)))
    what = what.substr(0, what.find_first_of(":'"));
  return {at, "", "a syntax error in " + what, "TOML 1.0", ""};
}

} // namespace

const tree_member* tree_node::find(std::string_view key) const noexcept {
  auto i = std::ranges::find(members, key, &tree_member::key);
  return i == members.end() ? nullptr : &*i;
}

std::string describe(const tree_node& x) {
  switch (x.kind) {
    case node_kind::text:
      return in_quotes(x.text);
    case node_kind::list:
      return x.items.empty() ? "an empty list" : "a list";
    case node_kind::table:
      return x.members.empty() ? "an empty table" : "a table";
    default:
      return x.text;
  }
}

std::expected<tree_node, problem> parse_tree(std::string_view text,
                                             const std::string& name) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    return std::unexpected{
      problem{{name, 1, 1}, "", "UTF-16 text", "TOML text in UTF-8", ""}};
  if (auto i = find_binary(text); i != text.npos)
    return std::unexpected{
      problem{position_of(text, name, i), "",
              std::format("binary data (byte 0x{:02X})",
                          static_cast<unsigned char>(text[i])),
              "TOML text in UTF-8", ""}};
  if (auto i = find_not_utf8(text); i != text.npos)
    return std::unexpected{
      problem{position_of(text, name, i), "",
              std::format("a byte that is not UTF-8 (0x{:02X})",
                          static_cast<unsigned char>(text[i])),
              "TOML text in UTF-8", ""}};
  if (auto i = find_deep_nesting(text); i != text.npos)
    return std::unexpected{
      problem{position_of(text, name, i), "",
              std::format("more than {} levels of nesting", max_nesting),
              "a configuration", ""}};
  line_index lines{text};
  try {
    auto document = toml::parse(text, std::string_view{name});
    return converter{name, lines}.convert(document);
  } catch (const toml::parse_error& error) {
    return std::unexpected{syntax_problem(error, name, lines)};
  }
}

} // namespace millrace
