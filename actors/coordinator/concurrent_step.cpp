#include "actors/coordinator/concurrent_step.hpp"

#include "messages/sha256.hpp"

#include <algorithm>
#include <array>

namespace millrace {

namespace {

constexpr std::size_t max_name_bytes = 63;

/// Reads a statement word by word.
class cursor {
public:
  explicit cursor(const sql_statement& x) : x_{x} {
  }

  bool done() const {
    return at_ >= x_.tokens.size();
  }

  bool next_is(std::string_view upper) const {
    return !done() && x_.tokens[at_].is(upper);
  }

  bool take(std::string_view upper) {
    if (!next_is(upper))
      return false;
    ++at_;
    return true;
  }

  bool take_all(std::initializer_list<std::string_view> words) {
    auto before = at_;
    for (auto word : words)
      if (!take(word)) {
        at_ = before;
        return false;
      }
    return true;
  }

  bool at_name() const {
    return !done()
           && (x_.tokens[at_].kind == sql_token_kind::word
               || x_.tokens[at_].kind == sql_token_kind::quoted_name);
  }

  /// `name` or `schema.name` as written; its last part in `bare`.
  std::string take_name(std::string& bare) {
    std::string result;
    while (at_name()) {
      result += x_.tokens[at_].text;
      bare = name_of(x_.tokens[at_++]);
      if (!take("."))
        break;
      result += '.';
    }
    return result;
  }

  std::string rest() const {
    return done() ? std::string{} : x_.text.substr(x_.tokens[at_].at);
  }

  bool anywhere(std::string_view upper) const {
    return std::ranges::any_of(x_.tokens, [upper](const auto& token) {
      return token.is(upper);
    });
  }

private:
  const sql_statement& x_;
  std::size_t at_ = 0;
};

concurrent_step refuse(std::string why) {
  return {step_kind::refused, std::move(why)};
}

concurrent_step create_index(cursor& in, bool unique) {
  concurrent_step x{step_kind::create_index};
  x.unique = unique;
  x.lenient = in.take_all({"IF", "NOT", "EXISTS"});
  if (in.next_is("ON"))
    return refuse("an index that is made concurrently needs a name: without "
                  "one, what an interrupted run has left cannot be found");
  x.object = in.take_name(x.object_name);
  std::string bare;
  if (!in.take("ON") || (in.take("ONLY"), !in.at_name()))
    return {};
  x.table = in.take_name(bare);
  x.rest = in.rest();
  return x;
}

concurrent_step alter_table(cursor& in) {
  std::string bare;
  concurrent_step x{step_kind::detach_partition};
  x.lenient = in.take_all({"IF", "EXISTS"});
  in.take("ONLY");
  x.table = in.take_name(bare);
  if (!in.take_all({"DETACH", "PARTITION"}))
    return {};
  x.object = in.take_name(x.object_name);
  return in.take("CONCURRENTLY") ? x : concurrent_step{};
}

} // namespace

concurrent_step classify_step(const sql_statement& statement) {
  static constexpr auto ending = std::to_array<std::string_view>(
    {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT",
     "RELEASE", "PREPARE"});
  cursor in{statement};
  for (auto word : ending)
    if (in.next_is(word))
      return refuse("a file holds no " + std::string{word}
                    + ": each of its steps is a transaction already");
  for (auto words : {"DATABASE", "TABLESPACE", "SUBSCRIPTION"})
    for (auto verb : {"CREATE", "DROP"})
      if (cursor at{statement}; at.take_all({verb, words}))
        return refuse("a database, a tablespace or a subscription is no part "
                      "of a schema");
  if (in.take_all({"ALTER", "SYSTEM"}))
    return refuse("settings of the server are no part of a schema");
  if (in.take_all({"CREATE", "INDEX", "CONCURRENTLY"}))
    return create_index(in, false);
  if (in.take_all({"CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"}))
    return create_index(in, true);
  if (in.take_all({"DROP", "INDEX", "CONCURRENTLY"})) {
    concurrent_step x{step_kind::drop_index};
    x.lenient = in.take_all({"IF", "EXISTS"});
    x.object = in.take_name(x.object_name);
    return x;
  }
  if (in.take("REINDEX"))
    return in.anywhere("CONCURRENTLY") ? concurrent_step{step_kind::reindex}
                                       : concurrent_step{step_kind::repeatable};
  if (in.next_is("VACUUM") || in.next_is("CLUSTER"))
    return {step_kind::repeatable};
  if (in.take_all({"ALTER", "TABLE"}))
    return alter_table(in);
  return {};
}

bool names_schema(std::string_view written) {
  auto quoted = false;
  return std::ranges::any_of(written, [&quoted](char c) {
    quoted = quoted != (c == '"');
    return c == '.' && !quoted;
  });
}

std::string partition_index_name(const std::string& partition,
                                 const std::string& parent_index) {
  auto whole = partition + '_' + parent_index;
  if (whole.size() <= max_name_bytes)
    return whole;
  auto tail = '_' + sha256_hex(whole).substr(0, 8);
  auto keep = max_name_bytes - tail.size();
  // Never half a letter.
  while (keep > 0 && (static_cast<unsigned char>(whole[keep]) & 0xc0) == 0x80)
    --keep;
  return whole.substr(0, keep) + tail;
}

} // namespace millrace
