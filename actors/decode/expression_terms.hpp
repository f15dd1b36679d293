#pragma once

// The parts of an expression that hold no other expression.

#include "actors/decode/expression_tokens.hpp"
#include "actors/decode/expression_words.hpp"
#include "actors/decode/json_scan.hpp"

#include <expected>
#include <format>
#include <string>
#include <utility>

namespace millrace::detail {

using result = std::expected<expression, syntax_error>;

/// One function per rule of the grammar, as in the parser above it.
class terms : public tokens {
public:
  using tokens::tokens;

  result path(std::string item) {
    expression x{.kind = expression_kind::path, .text = std::move(item)};
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
    std::string names;
    for (const auto& row : facts) {
      if (row.name == name)
        return expression{.kind = row.kind};
      names += std::format("{}@{}", names.empty() ? "" : ", ", row.name);
    }
    at_ = from;
    return fail("one of " + names);
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

  result header() {
    skip_space();
    expression x{.kind = expression_kind::header};
    if (at_ < text_.size() && text_[at_] == '\'') {
      auto text = take_text();
      if (!text)
        return fail("a closing quote");
      x.text = *text;
    } else if (take('1')) {
      x.kind = expression_kind::first_header;
    } else {
      return fail("a header's name in single quotes, or 1 for the first");
    }
    skip_space();
    if (!take(')'))
      return fail("a closing parenthesis");
    return x;
  }
};

} // namespace millrace::detail
