// What each SQLSTATE leads to: a case for each row of protocol rules 18 to 22.

#include "actors/store/error_text.hpp"
#include "actors/store/sqlstate.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <set>

using namespace millrace;

namespace {

using enum failure_action;

struct sample {
  const char* state;
  const char* constraint;
  failure_action action;
};

constexpr std::array samples{
  // Rule 19.
  sample{"22001", "", bisect},
  sample{"22003", "", bisect},
  sample{"22P02", "", bisect},
  sample{"23502", "", bisect},
  sample{"23503", "fk", bisect},
  sample{"23505", "pk", bisect},
  sample{"23514", "positive", bisect},
  sample{"23P01", "x", bisect},
  sample{"21000", "", bisect},
  sample{"54000", "", bisect},
  sample{"54001", "", bisect},
  sample{"P0001", "", bisect},
  sample{"22P03", "", halt},
  sample{"22P04", "", halt},
  sample{"08P01", "", halt},
  // Rule 20.
  sample{"40001", "", retry},
  sample{"40P01", "", retry},
  sample{"55P03", "", retry},
  sample{"57014", "", halve},
  sample{"57P01", "", reconnect},
  sample{"57P02", "", reconnect},
  sample{"57P03", "", reconnect},
  sample{"08000", "", reconnect},
  sample{"08006", "", reconnect},
  sample{"25006", "", reconnect},
  sample{"25P02", "", reconnect},
  sample{"25P03", "", reconnect},
  sample{"28000", "", reconnect},
  sample{"28P01", "", reconnect},
  sample{"3D000", "", reconnect},
  sample{"", "", reconnect},
  sample{"53100", "", back_off},
  sample{"53200", "", back_off},
  sample{"53300", "", back_off},
  sample{"58030", "", back_off},
  sample{"42P01", "", park},
  sample{"3F000", "", park},
  sample{"42501", "", park},
  sample{"42703", "", park},
  sample{"42804", "", park},
  sample{"42P10", "", park},
  sample{"42883", "", park},
  sample{"MR005", "", park},
  sample{"23514", "", wait_partition},
  sample{"XX000", "", halt},
  sample{"XX001", "", halt},
  // Anything else.
  sample{"0A000", "", park},
  sample{"2200", "", bisect},
  sample{"23000", "", park},
  sample{"23001", "", park},
  sample{"40002", "", park},
  sample{"40003", "", park},
  sample{"42601", "", park},
  sample{"58000", "", park},
  sample{"57000", "", park},
  sample{"57P", "", park},
  sample{"P0002", "", park},
  sample{"ZZZZZ", "", park},
};

} // namespace

TEST_CASE("every SQLSTATE has one consequence") {
  for (const auto& x : samples) {
    INFO(x.state << ' ' << x.constraint);
    CHECK(classify(x.state, x.constraint) == x.action);
  }
}

TEST_CASE("no row of the policy is without a sample, and none stands twice") {
  std::set<std::string_view> states;
  for (const auto& row : sqlstate_policies()) {
    INFO(row.state);
    CHECK(states.insert(row.state).second);
    CHECK(row.state.size() >= 2);
    CHECK(row.state.size() <= 5);
    CHECK_FALSE(row.meaning.empty());
    CHECK(std::ranges::any_of(samples, [&row](const sample& x) {
      return std::string_view{x.state}.starts_with(row.state)
             && x.action == row.action;
    }));
  }
}

TEST_CASE("statements that are not flushes follow the same policy") {
  CHECK(to_errc("40001") == store_errc::retry);
  CHECK(to_errc("57014") == store_errc::retry);
  CHECK(to_errc("57P01") == store_errc::unavailable);
  CHECK(to_errc("53300") == store_errc::back_off);
  CHECK(to_errc("42P01") == store_errc::misconfigured);
  CHECK(to_errc("42883") == store_errc::misconfigured);
  CHECK(to_errc("0A000") == store_errc::failed);
  CHECK(to_errc("22003") == store_errc::failed);
}

TEST_CASE("a message of several lines becomes one, with semicolons") {
  CHECK(one_line("one\n") == "one");
  CHECK(one_line("refused\n\tIs the server running?\n")
        == "refused; Is the server running?");
  CHECK(one_line("a;\nb\r\nc") == "a; b; c");
  CHECK(one_line("  two\t words ") == "two words");
  CHECK(one_line("\n\n").empty());
}

TEST_CASE("what a value brings into a message is escaped and bounded") {
  CHECK(harmless("plain text: \u00e4 \"x\"", 100)
        == "plain text: \u00e4 \"x\"");
  CHECK(harmless("\x1b[31m\u202ered\x7f", 100)
        == "\\u{1b}[31m\\u{202e}red\\u{7f}");
  CHECK(harmless("a\xff", 100) == "a\\xff");
  CHECK(harmless(std::string(1'000, 'x'), 1'000) == std::string(1'000, 'x'));
  CHECK(harmless(std::string(1'001, 'x'), 1'000)
        == std::string(997, 'x') + "\u2026");
  CHECK(harmless("", 0).empty());
}
