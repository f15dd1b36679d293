#include "actors/coordinator/server_statement.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace millrace {

namespace {

using tokens = std::span<const sql_token>;

constexpr auto shared_kinds = std::to_array<std::string_view>(
  {"ROLE", "USER", "GROUP", "DATABASE", "TABLESPACE", "SUBSCRIPTION"});

bool is_at(tokens x, std::size_t i, std::string_view upper) {
  return i < x.size() && x[i].is(upper);
}

/// Which of these stands there; empty: none.
std::string_view one_of(tokens x, std::size_t i,
                        std::span<const std::string_view> words) {
  auto found = std::ranges::find_if(words, [&](std::string_view word) {
    return is_at(x, i, word);
  });
  return found == words.end() ? std::string_view{} : *found;
}

std::string both(std::string_view first, std::string_view second) {
  return second.empty() ? std::string{}
                        : std::string{first} + ' ' + std::string{second};
}

/// CREATE, ALTER, DROP. The mapping of a user is a database's own.
std::string of_object(tokens x, std::string_view verb) {
  if (verb == "ALTER" && is_at(x, 1, "SYSTEM"))
    return "ALTER SYSTEM";
  if (verb == "DROP" && is_at(x, 1, "OWNED"))
    return "DROP OWNED";
  if (is_at(x, 1, "USER") && is_at(x, 2, "MAPPING"))
    return {};
  return both(verb, one_of(x, 1, shared_kinds));
}

/// GRANT and REVOKE: of roles, which have no ON, and on what is shared.
std::string of_right(tokens x, std::string_view verb) {
  static constexpr auto shared
    = std::to_array<std::string_view>({"DATABASE", "TABLESPACE", "PARAMETER"});
  auto on = std::ranges::find_if(x, [](const auto& y) { return y.is("ON"); });
  if (on == x.end())
    return std::string{verb} + " of a role";
  auto i = static_cast<std::size_t>(on - x.begin()) + 1;
  return both(std::string{verb} + " ON", one_of(x, i, shared));
}

/// COMMENT and SECURITY LABEL.
std::string of_label(tokens x, std::string_view verb) {
  static constexpr auto shared
    = std::to_array<std::string_view>({"ROLE", "DATABASE", "TABLESPACE"});
  for (std::size_t i = 1; i < x.size(); ++i)
    if (x[i].is("ON"))
      return both(std::string{verb} + " ON", one_of(x, i + 1, shared));
  return {};
}

/// What is read from a file harms nobody.
std::string of_copy(tokens x) {
  auto depth = 0;
  for (std::size_t i = 1; i + 1 < x.size(); ++i) {
    depth += x[i].is("(") ? 1 : x[i].is(")") ? -1 : 0;
    if (depth > 0 || (!x[i].is("TO") && !x[i].is("FROM")))
      continue;
    if (x[i + 1].is("PROGRAM"))
      return "COPY … PROGRAM";
    if (x[i].is("TO") && x[i + 1].kind == sql_token_kind::text)
      return "COPY … TO a file";
  }
  return {};
}

} // namespace

std::string server_act_of(const sql_statement& statement) {
  tokens x{statement.tokens};
  for (std::string_view verb : {"CREATE", "ALTER", "DROP"})
    if (is_at(x, 0, verb))
      return of_object(x, verb);
  for (std::string_view verb : {"GRANT", "REVOKE"})
    if (is_at(x, 0, verb))
      return of_right(x, verb);
  if (is_at(x, 0, "REASSIGN") && is_at(x, 1, "OWNED"))
    return "REASSIGN OWNED";
  if (is_at(x, 0, "COMMENT"))
    return of_label(x, "COMMENT");
  if (is_at(x, 0, "SECURITY") && is_at(x, 1, "LABEL"))
    return of_label(x, "SECURITY LABEL");
  if (is_at(x, 0, "COPY"))
    return of_copy(x);
  return {};
}

} // namespace millrace
