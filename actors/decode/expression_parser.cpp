// Recursive descent; one function per rule of the grammar in docs/mapping.md.

#include "actors/decode/expression_terms.hpp"
#include "actors/decode/expression_words.hpp"

#include <algorithm>
#include <format>
#include <optional>

namespace millrace::detail {

namespace {

/// Functions, parentheses and `not` nest this deep at most.
constexpr int max_nesting = 16;

/// Values in one list behind `in`.
constexpr std::size_t max_list = 256;

/// Conditions joined by one chain of `and` or `or`.
constexpr std::size_t max_chain = 64;

/// Loops inside one another.
constexpr std::size_t max_levels = 4;

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_reserved(std::string_view name) {
  return std::ranges::find(reserved_words, name) != reserved_words.end();
}

std::string function_names() {
  std::vector<std::string_view> names{"code", "header", "index"};
  for (const auto& row : functions)
    names.push_back(row.name);
  std::ranges::sort(names);
  std::string result;
  for (auto name : names)
    result += (result.empty() ? "" : ", ") + std::string{name};
  return result;
}

class parser : terms {
public:
  parser(std::string_view text, std::span<const std::string> items)
    : terms{text},
      items_{items.begin(), items.end()} {
    // nop
  }

  result run() {
    auto x = any(0);
    if (!x)
      return x;
    if (!at_end())
      return fail("the end");
    return x;
  }

  std::expected<std::vector<each_level>, syntax_error> run_each() {
    std::vector<each_level> levels;
    do {
      if (levels.size() == max_levels)
        return fail(std::format("at most {} loops", max_levels));
      auto x = level();
      if (!x)
        return std::unexpected{x.error()};
      items_.push_back(x->name);
      levels.push_back(std::move(*x));
    } while (comma());
    if (!at_end())
      return fail("\"and\", a comma or the end");
    return levels;
  }

private:
  // -- loops ------------------------------------------------------------------

  std::expected<each_level, syntax_error> level() {
    skip_space();
    each_level x;
    auto from = at_;
    x.name = take_name();
    if (x.name.empty() || is_reserved(x.name)) {
      at_ = from;
      return fail("a name for the element, as in \"item in .items\"");
    }
    if (std::ranges::contains(items_, x.name)) {
      at_ = from;
      return fail("a name that no outer loop has");
    }
    if (!keyword("in"))
      return fail("\"in\", as in \"item in .items\"");
    do {
      skip_space();
      auto begin = at_;
      auto array = primary(0);
      if (!array)
        return std::unexpected{array.error()};
      if (array->kind != expression_kind::path) {
        at_ = begin;
        return fail("an array of the payload, such as .items");
      }
      x.arrays.push_back(std::move(*array));
    } while (keyword("and"));
    return x;
  }

  // -- conditions -------------------------------------------------------------

  result any(int nesting) {
    if (nesting > max_nesting)
      return std::unexpected{
        syntax_error{position(at_), "found functions nested too deep"}};
    return chain(expression_kind::either, "or", nesting);
  }

  /// Operands with the same word in between; `or` binds the weakest.
  result chain(expression_kind kind, std::string_view word, int nesting) {
    auto next = [&] {
      return kind == expression_kind::either
               ? chain(expression_kind::both, "and", nesting)
               : negatable(nesting);
    };
    auto first = next();
    if (!first || !keyword(word))
      return first;
    expression x{.kind = kind, .at = first->at};
    x.arguments.push_back(std::move(*first));
    do {
      if (x.arguments.size() == max_chain)
        return fail(std::format("at most {} conditions in a row", max_chain));
      auto operand = next();
      if (!operand)
        return operand;
      x.arguments.push_back(std::move(*operand));
    } while (keyword(word));
    return x;
  }

  result negatable(int nesting) {
    skip_space();
    auto from = at_;
    if (!keyword("not"))
      return comparison(nesting);
    if (nesting >= max_nesting)
      return std::unexpected{
        syntax_error{position(from), "found functions nested too deep"}};
    auto operand = negatable(nesting + 1);
    if (!operand)
      return operand;
    expression x{.kind = expression_kind::negation, .at = position(from)};
    x.arguments.push_back(std::move(*operand));
    return x;
  }

  result comparison(int nesting) {
    auto left = primary(nesting);
    if (!left)
      return left;
    skip_space();
    auto from = at_;
    if (keyword("in"))
      return members(std::move(*left), expression_kind::is_in, nesting);
    if (keyword("not")) {
      if (keyword("in"))
        return members(std::move(*left), expression_kind::not_in, nesting);
      at_ = from;
      return left;
    }
    for (const auto& row : operators) {
      if (!text_.substr(at_).starts_with(row.sign))
        continue;
      at_ += row.sign.size();
      if (row.kind == expression_kind::equal && at_ < text_.size()
          && text_[at_] == '=') {
        at_ = from;
        return fail("a single =");
      }
      auto right = primary(nesting);
      if (!right)
        return right;
      expression x{.kind = row.kind, .at = left->at};
      x.arguments.push_back(std::move(*left));
      x.arguments.push_back(std::move(*right));
      return x;
    }
    return left;
  }

  result members(expression left, expression_kind kind, int nesting) {
    skip_space();
    if (!take('('))
      return fail("a list in parentheses, as in .state in ('A', 'B')");
    expression x{.kind = kind, .at = left.at};
    x.arguments.push_back(std::move(left));
    return arguments(std::move(x), "in", 2, max_list + 1, nesting);
  }

  // -- values -----------------------------------------------------------------

  result primary(int nesting) {
    skip_space();
    auto from = at_;
    auto x = [&]() -> result {
      if (at_ == text_.size())
        return fail("an expression");
      auto c = text_[at_];
      if (c == '.')
        return path({});
      if (c == '@')
        return fact();
      if (c == '\'')
        return text_constant();
      if (is_digit(c) || c == '-')
        return number();
      if (c == '(')
        return parentheses(nesting);
      if (is_name_start(c))
        return word(nesting);
      return fail("an expression (.member, @fact, 'text', a number or a "
                  "function)");
    }();
    if (x && text_[from] != '(')
      x->at = position(from);
    return x;
  }

  result parentheses(int nesting) {
    ++at_;
    auto x = any(nesting + 1);
    if (!x)
      return x;
    skip_space();
    if (!take(')'))
      return fail("a closing parenthesis");
    return x;
  }

  result word(int nesting) {
    auto from = at_;
    auto name = take_name();
    if (std::ranges::contains(items_, name))
      return path(std::move(name));
    skip_space();
    if (take('('))
      return call(from, name, nesting);
    if (name == "true" || name == "false")
      return expression{.kind = expression_kind::boolean, .text = name};
    if (name == "null")
      return expression{.kind = expression_kind::null};
    at_ = from;
    return fail("an expression (a member is .name, a text is 'text')");
  }

  // -- functions --------------------------------------------------------------

  result call(std::size_t from, const std::string& name, int nesting) {
    if (name == "header")
      return header();
    if (name == "index")
      return item_index();
    expression x;
    if (name == "code") {
      x.kind = expression_kind::code;
      skip_space();
      x.text = take_name();
      if (x.text.empty())
        return fail("the name of a code table");
      if (!comma())
        return fail("a comma");
      return arguments(std::move(x), name, 1, 2, nesting);
    }
    for (const auto& row : functions)
      if (row.name == name) {
        x.kind = row.kind;
        return checked(
          arguments(std::move(x), name, row.least, row.most, nesting), from);
      }
    at_ = from;
    return fail("one of the functions " + function_names());
  }

  /// What only some values are good for.
  result checked(result x, std::size_t from) {
    if (!x)
      return x;
    auto constant = [&](std::size_t i, auto good, std::string_view expected) {
      const auto& y = x->arguments[i];
      if (y.kind == expression_kind::text && good(y.text))
        return true;
      x = std::unexpected{syntax_error{
        y.at, std::format("found {}, expected {}", to_string(y), expected)}};
      return false;
    };
    auto is_unit = [](std::string_view y) { return digits_of_unit(y) >= 0; };
    auto is_part = [](std::string_view y) { return number_of_part(y) >= 0; };
    switch (x->kind) {
      case expression_kind::from_epoch:
      case expression_kind::to_epoch:
        constant(1, is_unit, "'s', 'ms', 'us' or 'ns'");
        break;
      case expression_kind::part:
        constant(0, is_part,
                 "'year', 'month', 'day', 'hour', 'minute', 'second', "
                 "'weekday' or 'day_of_year'");
        break;
      case expression_kind::capture:
        constant(1, is_capture_template,
                 "a text with one {} for what is wanted, such as "
                 "'orders.{}.v1'");
        break;
      case expression_kind::with:
        constant(1, is_member_name, "a member's name, such as 'at'");
        break;
      case expression_kind::exists:
        if (auto kind = x->arguments[0].kind;
            kind != expression_kind::path && kind != expression_kind::header) {
          at_ = from;
          return fail("a member or a header in exists()");
        }
        break;
      default:
        break;
    }
    return x;
  }

  result item_index() {
    skip_space();
    auto from = at_;
    expression x{.kind = expression_kind::item_index, .text = take_name()};
    if (!std::ranges::contains(items_, x.text)) {
      at_ = from;
      return fail("the name of an element of this write's each");
    }
    skip_space();
    if (!take(')'))
      return fail("a closing parenthesis");
    return x;
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

  std::vector<std::string> items_;
};

} // namespace

std::expected<expression, syntax_error>
parse_expression(std::string_view text, std::span<const std::string> items) {
  return parser{text, items}.run();
}

std::expected<std::vector<each_level>, syntax_error>
parse_each(std::string_view text) {
  return parser{text, {}}.run_each();
}

} // namespace millrace::detail
