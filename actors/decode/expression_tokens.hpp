#pragma once

#include "actors/decode/expression.hpp"
#include "actors/decode/expression_words.hpp"

#include <algorithm>
#include <cstdint>
#include <expected>
#include <format>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::detail {

/// What the parser reads by: a place in the text that moves on.
class tokens {
public:
  explicit tokens(std::string_view text) : text_{text} {
    // nop
  }

  void skip_space() {
    while (at_ < text_.size()
           && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n'
               || text_[at_] == '\r'))
      ++at_;
  }

  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }

  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c)
      return false;
    ++at_;
    return true;
  }

  /// A whole word, with spaces before it.
  bool keyword(std::string_view word) {
    skip_space();
    auto rest = text_.substr(at_);
    if (!rest.starts_with(word)
        || (rest.size() > word.size() && is_name(rest[word.size()])))
      return false;
    at_ += word.size();
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

protected:
  std::string_view text_;
  std::size_t at_ = 0;
};

} // namespace millrace::detail
