#include "actors/decode/expression.hpp"

#include "actors/decode/json_scan.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <optional>

namespace millrace::detail {

namespace {

/// Functions and facts nest this deep at most.
constexpr int max_nesting = 16;

struct fact_row {
  std::string_view name;
  expression_kind kind;
};

constexpr std::array facts{
  fact_row{"key", expression_kind::key},
  fact_row{"timestamp", expression_kind::timestamp},
  fact_row{"topic", expression_kind::topic},
  fact_row{"partition", expression_kind::partition},
  fact_row{"offset", expression_kind::offset},
  fact_row{"payload", expression_kind::payload},
};

struct function_row {
  std::string_view name;
  expression_kind kind;
  std::size_t least;
  std::size_t most;
};

constexpr std::array functions{
  function_row{"coalesce", expression_kind::coalesce, 2, 32},
  function_row{"required", expression_kind::required, 1, 1},
  function_row{"lower", expression_kind::lower, 1, 1},
  function_row{"upper", expression_kind::upper, 1, 1},
  function_row{"trim", expression_kind::trim, 1, 1},
  function_row{"concat", expression_kind::concat, 1, 32},
};

bool is_name_start(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
         || c == '$';
}

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_name(char c) noexcept {
  return is_name_start(c) || is_digit(c);
}

using result = std::expected<expression, syntax_error>;

class parser {
public:
  explicit parser(std::string_view text) : text_{text} {
    // nop
  }

  result run() {
    auto x = any(0);
    if (!x)
      return x;
    skip_space();
    if (at_ != text_.size())
      return fail("the end");
    return x;
  }

private:
  result any(int nesting) {
    skip_space();
    auto from = at_;
    if (nesting > max_nesting)
      return std::unexpected{
        syntax_error{position(from), "found functions nested too deep"}};
    auto x = [&]() -> result {
      if (at_ == text_.size())
        return fail("an expression");
      auto c = text_[at_];
      if (c == '.')
        return path();
      if (c == '@')
        return fact();
      if (c == '\'')
        return text_constant();
      if (is_digit(c) || c == '-')
        return number();
      if (is_name_start(c))
        return word(nesting);
      return fail("an expression (.member, @fact, 'text', a number or a "
                  "function)");
    }();
    if (x)
      x->at = position(from);
    return x;
  }

  result path() {
    expression x{.kind = expression_kind::path};
    while (take('.')) {
      std::string name;
      if (take('"')) {
        while (at_ < text_.size() && text_[at_] != '"') {
          if (text_[at_] == '\\' && at_ + 1 < text_.size())
            ++at_;
          name += text_[at_++];
        }
        if (!take('"'))
          return fail("a closing quote");
      } else {
        name = take_name();
        if (name.empty())
          return fail("a member's name (odd names in double quotes)");
      }
      x.path.push_back(std::move(name));
    }
    return x;
  }

  result fact() {
    auto from = at_++;
    auto name = take_name();
    for (const auto& row : facts)
      if (row.name == name)
        return expression{.kind = row.kind};
    at_ = from;
    return fail("one of @key, @timestamp, @topic, @partition, @offset, "
                "@payload");
  }

  result text_constant() {
    auto text = take_text();
    if (!text)
      return fail("a closing quote");
    return expression{.kind = expression_kind::text, .text = *text};
  }

  result number() {
    auto from = at_;
    while (at_ < text_.size()
           && (is_name(text_[at_]) || text_[at_] == '.' || text_[at_] == '+'
               || text_[at_] == '-'))
      ++at_;
    auto token = text_.substr(from, at_ - from);
    decimal_text ignored;
    if (!parse_json_number(token, ignored)) {
      at_ = from;
      return fail("a number such as 42 or -3.5");
    }
    return expression{.kind = expression_kind::number,
                      .text = std::string{token}};
  }

  result word(int nesting) {
    auto from = at_;
    auto name = take_name();
    skip_space();
    if (at_ < text_.size() && text_[at_] == '(') {
      ++at_;
      return call(from, name, nesting);
    }
    if (name == "true" || name == "false")
      return expression{.kind = expression_kind::boolean, .text = name};
    if (name == "null")
      return expression{.kind = expression_kind::null};
    at_ = from;
    return fail("an expression (a member is .name, a text is 'text')");
  }

  result call(std::size_t from, const std::string& name, int nesting) {
    if (name == "header")
      return header();
    expression x;
    if (name == "code") {
      x.kind = expression_kind::code;
      skip_space();
      x.text = take_name();
      if (x.text.empty())
        return fail("the name of a code table");
      if (!comma())
        return fail("a comma");
      return arguments(std::move(x), name, 1, 1, nesting);
    }
    for (const auto& row : functions)
      if (row.name == name) {
        x.kind = row.kind;
        return arguments(std::move(x), name, row.least, row.most, nesting);
      }
    at_ = from;
    return fail("one of the functions code, coalesce, concat, header, lower, "
                "required, trim, upper");
  }

  result header() {
    skip_space();
    auto text = at_ < text_.size() && text_[at_] == '\'' ? take_text()
                                                         : std::nullopt;
    if (!text)
      return fail("a header's name in single quotes");
    skip_space();
    if (!take(')'))
      return fail("a closing parenthesis");
    return expression{.kind = expression_kind::header, .text = *text};
  }

  result arguments(expression x, std::string_view name, std::size_t least,
                   std::size_t most, int nesting) {
    do {
      auto argument = any(nesting + 1);
      if (!argument)
        return argument;
      x.arguments.push_back(std::move(*argument));
    } while (comma());
    if (!take(')'))
      return fail("a comma or a closing parenthesis");
    auto count = x.arguments.size();
    if (count < least || count > most)
      return fail(std::format("{} to {} values in {}()", least, most, name));
    return x;
  }

  // -- tokens -----------------------------------------------------------------

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t'))
      ++at_;
  }

  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c)
      return false;
    ++at_;
    return true;
  }

  bool comma() {
    skip_space();
    return take(',');
  }

  std::string take_name() {
    auto from = at_;
    if (at_ < text_.size() && is_name_start(text_[at_]))
      while (at_ < text_.size() && is_name(text_[at_]))
        ++at_;
    return std::string{text_.substr(from, at_ - from)};
  }

  /// Text in single quotes, or nothing when it does not end.
  std::optional<std::string> take_text() {
    std::string text;
    ++at_;
    while (at_ < text_.size()) {
      auto c = text_[at_++];
      if (c != '\'')
        text += c;
      else if (!take('\''))
        return text;
      else
        text += c;
    }
    return std::nullopt;
  }

  /// Positions count characters, not bytes.
  uint32_t position(std::size_t byte) const {
    auto before = text_.substr(0, byte);
    return static_cast<uint32_t>(
      std::ranges::count_if(before, [](char c) { return (c & 0xc0) != 0x80; }));
  }

  std::unexpected<syntax_error> fail(std::string_view expected) const {
    auto found = at_ == text_.size()
                   ? std::string{"the end"}
                   : std::format("\"{}\"", text_.substr(at_, 24));
    return std::unexpected{syntax_error{
      position(at_), std::format("found {}, expected {}", found, expected)}};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string path_text(const expression& x) {
  std::string out;
  for (const auto& name : x.path) {
    out += '.';
    if (!name.empty() && is_name_start(name.front())
        && std::ranges::all_of(name, is_name)) {
      out += name;
      continue;
    }
    out += '"';
    for (auto c : name) {
      if (c == '"' || c == '\\')
        out += '\\';
      out += c;
    }
    out += '"';
  }
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (auto c : text) {
    if (c == '\'')
      out += c;
    out += c;
  }
  return out + '\'';
}

} // namespace

std::expected<expression, syntax_error>
parse_expression(std::string_view text) {
  return parser{text}.run();
}

std::string to_string(const expression& x) {
  switch (x.kind) {
    case expression_kind::path:
      return path_text(x);
    case expression_kind::header:
      return "header(" + quoted(x.text) + ')';
    case expression_kind::text:
      return quoted(x.text);
    case expression_kind::number:
    case expression_kind::boolean:
      return x.text;
    case expression_kind::null:
      return "null";
    default:
      break;
  }
  for (const auto& row : facts)
    if (row.kind == x.kind)
      return std::format("@{}", row.name);
  std::string out = "code(" + x.text + ", ";
  for (const auto& row : functions)
    if (row.kind == x.kind)
      out = std::format("{}(", row.name);
  for (std::size_t i = 0; i < x.arguments.size(); ++i)
    out += (i ? ", " : "") + to_string(x.arguments[i]);
  return out + ')';
}

} // namespace millrace::detail
