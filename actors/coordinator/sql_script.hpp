#pragma once

// SQL files as statements and words. Pure: knows how PostgreSQL tells where a
// statement ends, and nothing of what it means.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

enum class sql_token_kind : uint8_t {
  /// A keyword or a name without quotes.
  word,
  /// `"name"`, with its quotes.
  quoted_name,
  number,
  /// Any kind of literal, with its quotes.
  text,
  /// One character of anything else.
  symbol,
};

struct sql_token {
  sql_token_kind kind = sql_token_kind::symbol;

  /// As it was written.
  std::string text;

  /// Where it begins in the statement's text, in bytes.
  std::size_t at = 0;

  /// Whether it is this keyword or symbol, in capitals.
  bool is(std::string_view upper) const;
};

struct sql_statement {
  /// From its first to its last word, comments between them included, without
  /// the semicolon.
  std::string text;

  /// Line of its first word in the script, from 1.
  std::size_t line = 1;

  std::vector<sql_token> tokens;

  /// The `--` comments before and within it, without the dashes, trimmed.
  std::vector<std::string> comments;
};

/// Takes a script apart: quotes of all kinds, dollar quotes, nested comments
/// and bodies in BEGIN ATOMIC … END hold semicolons that end nothing. Refused,
/// with the line: a quote or comment without an end, and commands of psql.
std::expected<std::vector<sql_statement>, std::string>
split_sql(std::string_view script);

/// The name that a word or quoted name stands for: folded to lower case, or
/// without its quotes.
std::string name_of(const sql_token& x);

} // namespace millrace
