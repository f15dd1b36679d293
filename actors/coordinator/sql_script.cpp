#include "actors/coordinator/sql_script.hpp"

#include <algorithm>
#include <optional>

namespace millrace {

namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// PostgreSQL takes every byte beyond ASCII for a letter.
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
         || static_cast<unsigned char>(c) >= 0x80;
}

bool continues_name(char c) {
  return begins_name(c) || is_digit(c) || c == '$';
}

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string trimmed(std::string_view x) {
  while (!x.empty() && is_space(x.front()))
    x.remove_prefix(1);
  while (!x.empty() && is_space(x.back()))
    x.remove_suffix(1);
  return std::string{x};
}

class splitter {
public:
  explicit splitter(std::string_view script) : script_{script} {
  }

  std::expected<std::vector<sql_statement>, std::string> run() {
    while (at_ < script_.size() && problem_.empty())
      step();
    if (!problem_.empty())
      return std::unexpected{problem_};
    finish();
    return std::move(all_);
  }

private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < script_.size() ? script_[at_ + ahead] : '\0';
  }

  std::size_t line_of(std::size_t at) const {
    return 1
           + static_cast<std::size_t>(
             std::ranges::count(script_.substr(0, at), '\n'));
  }

  void fail(const char* what, std::size_t at) {
    problem_ = "line " + std::to_string(line_of(at)) + ": " + what;
  }

  void step() {
    auto c = peek();
    if (is_space(c))
      ++at_;
    else if (c == '-' && peek(1) == '-')
      line_comment();
    else if (c == '/' && peek(1) == '*')
      block_comment();
    else if (c == '\'')
      quoted('\'', false, at_, sql_token_kind::text);
    else if (c == '"')
      quoted('"', false, at_, sql_token_kind::quoted_name);
    else if (c == '$' && !is_digit(peek(1)))
      dollar();
    else if (begins_name(c))
      word();
    else if (is_digit(c))
      number();
    else if (c == '\\')
      fail("a command of psql; only SQL can be used here", at_);
    else
      symbol(c);
  }

  void line_comment() {
    auto end = std::min(script_.find('\n', at_), script_.size());
    now_.comments.push_back(trimmed(script_.substr(at_ + 2, end - at_ - 2)));
    at_ = end;
  }

  void block_comment() {
    auto begin = at_;
    auto depth = 0;
    do {
      if (at_ >= script_.size())
        return fail("a comment without an end", begin);
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0);
  }

  /// `begin` lies before the quote where the literal has a prefix.
  void quoted(char quote, bool backslashes, std::size_t begin,
              sql_token_kind kind) {
    for (++at_; at_ < script_.size(); ++at_) {
      if (backslashes && peek() == '\\') {
        ++at_;
      } else if (peek() == quote && peek(1) == quote) {
        ++at_;
      } else if (peek() == quote) {
        ++at_;
        return add(kind, begin);
      }
    }
    fail("a quote without an end", begin);
  }

  void dollar() {
    auto begin = at_;
    auto end = at_ + 1;
    while (end < script_.size() && continues_name(script_[end])
           && script_[end] != '$')
      ++end;
    if (end >= script_.size() || script_[end] != '$')
      return symbol('$');
    auto tag = script_.substr(begin, end + 1 - begin);
    auto close = script_.find(tag, end + 1);
    if (close == script_.npos)
      return fail("a dollar quote without an end", begin);
    at_ = close + tag.size();
    add(sql_token_kind::text, begin);
  }

  void word() {
    auto begin = at_;
    while (at_ < script_.size() && continues_name(peek()))
      ++at_;
    if (at_ - begin == 1 && upper(script_[begin]) == 'E' && peek() == '\'')
      return quoted('\'', true, begin, sql_token_kind::text);
    add(sql_token_kind::word, begin);
    follow_body();
  }

  /// BEGIN ATOMIC … END of a function: CASE … END may stand in it.
  void follow_body() {
    const auto& all = now_.tokens;
    const auto& last = all.back();
    if (body_depth_ == 0) {
      if (last.is("ATOMIC") && all.size() > 1
          && all[all.size() - 2].is("BEGIN"))
        body_depth_ = 1;
    } else if (last.is("CASE")) {
      ++body_depth_;
    } else if (last.is("END")) {
      --body_depth_;
    }
  }

  void number() {
    auto begin = at_;
    while (at_ < script_.size() && (continues_name(peek()) || peek() == '.'))
      ++at_;
    add(sql_token_kind::number, begin);
  }

  void symbol(char c) {
    auto begin = at_++;
    if (c == ';' && parentheses_ == 0 && body_depth_ == 0)
      return finish();
    // More closed than opened is for PostgreSQL to refuse.
    if (c == '(')
      ++parentheses_;
    else if (c == ')')
      parentheses_ = std::max(0, parentheses_ - 1);
    add(sql_token_kind::symbol, begin);
  }

  void add(sql_token_kind kind, std::size_t begin) {
    if (now_.tokens.empty())
      begin_ = begin;
    now_.tokens.push_back(
      {kind, std::string{script_.substr(begin, at_ - begin)}, begin - begin_});
    end_ = at_;
  }

  void finish() {
    if (!now_.tokens.empty()) {
      now_.text = script_.substr(begin_, end_ - begin_);
      now_.line = line_of(begin_);
      all_.push_back(std::move(now_));
    }
    now_ = {};
    parentheses_ = 0;
    body_depth_ = 0;
  }

  std::string_view script_;
  std::size_t at_ = 0;
  std::string problem_;
  std::vector<sql_statement> all_;

  // The statement that is being read.
  sql_statement now_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  int parentheses_ = 0;
  int body_depth_ = 0;
};

} // namespace

bool sql_token::is(std::string_view upper_case) const {
  return (kind == sql_token_kind::word || kind == sql_token_kind::symbol)
         && std::ranges::equal(text, upper_case, {}, upper);
}

std::expected<std::vector<sql_statement>, std::string>
split_sql(std::string_view script) {
  return splitter{script}.run();
}

std::string name_of(const sql_token& x) {
  std::string result;
  if (x.kind != sql_token_kind::quoted_name) {
    std::ranges::transform(x.text, std::back_inserter(result), lower);
    return result;
  }
  for (std::size_t i = 1; i + 1 < x.text.size(); ++i) {
    result += x.text[i];
    if (x.text[i] == '"')
      ++i;
  }
  return result;
}

} // namespace millrace
