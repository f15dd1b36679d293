// Which tenants move between databases, and when that cannot be done at once.

#include "nodes/cli/tenant_sites.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace::cli;
using Catch::Matchers::ContainsSubstring;

namespace {

using names = std::set<std::string>;
using steps = std::vector<tenant_step>;

tenant_site control(names now, names then) {
  return {"postgresql", true, std::move(now), std::move(then), {}};
}

tenant_site west(names now, names then) {
  return {"west", true, std::move(now), std::move(then), {}};
}

std::string problem(const std::vector<tenant_site>& sites) {
  auto found = find_steps(sites);
  return found ? "none" : found.error();
}

} // namespace

TEST_CASE("a tenant that has lanes in one database and is configured for "
          "another one moves") {
  CHECK(find_steps({control({"a", "b"}, {"a"}), west({}, {"b"})})
        == steps{{"b", "postgresql", "west"}});
  CHECK(find_steps({control({}, {"b"}), west({"b"}, {})})
        == steps{{"b", "west", "postgresql"}});
  tenant_site east{"east", true, {"b"}, {}, {}};
  CHECK(find_steps({control({}, {}), west({}, {"b"}), east})
        == steps{{"b", "east", "west"}});
  CHECK(find_steps({control({"a"}, {"a"}), west({"b"}, {"b"})}) == steps{});
}

TEST_CASE("a tenant that is new in another database comes from the control "
          "database, which had its records for nobody's") {
  CHECK(find_steps({control({}, {}), west({}, {"b"})})
        == steps{{"b", "postgresql", "west"}});
  auto never = control({}, {});
  never.ran = false;
  CHECK(find_steps({never, west({}, {"b"})}) == steps{});
  // There it is for the control database alone to say where it begins.
  CHECK(find_steps({control({}, {"b"}), west({}, {})}) == steps{});
  CHECK(find_steps({control({"b"}, {}), west({}, {})}) == steps{});
}

TEST_CASE("what was begun is completed, with the configuration that it was "
          "begun with") {
  auto fenced = west({}, {"b"});
  fenced.arrivals = {{"b", "east"}};
  tenant_site east{"east", true, {}, {}, {}};
  CHECK(find_steps({control({}, {}), fenced, east})
        == steps{{"b", "east", "west"}});
  CHECK_THAT(problem({control({}, {}), fenced}),
             ContainsSubstring("which the configuration does not have"));
  fenced.then.clear();
  CHECK_THAT(problem({control({}, {"b"}), fenced, east}),
             ContainsSubstring("is on its way to database \"west\""));
  // Nothing has happened yet: it may stay where it is.
  east.now = east.then = {"b"};
  CHECK(find_steps({control({}, {}), fenced, east}) == steps{});
}

TEST_CASE("moves that cannot be made at once are refused") {
  CHECK_THAT(problem({control({"a"}, {"b"}), west({"b"}, {"a"})}),
             ContainsSubstring("two changes"));
  CHECK_THAT(problem({control({}, {}), west({"b"}, {})}),
             ContainsSubstring("to the control database first"));
  CHECK_THAT(problem({control({"b"}, {"b"}), west({"b"}, {})}),
             ContainsSubstring("has lanes in database"));
  tenant_site east{"east", false, {}, {"b"}, {}};
  CHECK_THAT(problem({control({}, {}), west({"b"}, {}), east}),
             ContainsSubstring("has never run on database \"east\""));
  CHECK(find_steps({control({"b"}, {}), east})
        == steps{{"b", "postgresql", "east"}});
}
