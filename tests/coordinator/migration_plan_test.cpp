#include "actors/coordinator/migration_plan.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <format>

using namespace millrace;
using Catch::Matchers::ContainsSubstring;

namespace {

migration file(int32_t version) {
  return parse_migration(std::format("{:03}_f.sql", version),
                         "-- description: d\n-- millrace:up\nup\n"
                         "-- millrace:down\ndown\n")
    .value();
}

migration repeatable(std::string_view text) {
  return parse_migration("R_views.sql", "-- description: d\n-- millrace:up\n"
                                          + std::string{text})
    .value();
}

migration_set files(int32_t count) {
  migration_set result{"test", {}};
  for (int32_t i = 1; i <= count; ++i)
    result.files.push_back(file(i));
  return result;
}

applied_migration row(const migration& x) {
  applied_migration result;
  result.version = x.version;
  result.name = x.name;
  result.checksum = x.checksum;
  return result;
}

migration_history applied(std::initializer_list<int32_t> versions) {
  migration_history result;
  for (auto x : versions)
    result.versions.push_back(row(file(x)));
  return result;
}

/// "+1 +2 -3 +views", or what is wrong.
std::string planned(const migration_set& set, const migration_history& history,
                    const migration_goal& goal) {
  auto plan = make_plan(set, history, goal);
  std::string result;
  if (!plan) {
    for (const auto& x : plan.error())
      result += x + '\n';
    return result;
  }
  for (const auto& x : *plan) {
    result += result.empty() ? "" : " ";
    result += x.direction == migration_direction::up ? '+' : '-';
    result += x.file.repeatable() ? x.file.name
                                  : std::to_string(x.file.version);
  }
  return result;
}

} // namespace

TEST_CASE("up runs what is pending, in order") {
  CHECK(planned(files(3), {}, migrate_up{}) == "+1 +2 +3");
  CHECK(planned(files(3), applied({1}), migrate_up{}) == "+2 +3");
  CHECK(planned(files(3), applied({1, 2, 3}), migrate_up{}) == "");
}

TEST_CASE("down takes back the newest, as many as told") {
  CHECK(planned(files(3), applied({1, 2}), migrate_down{}) == "-2");
  CHECK(planned(files(3), applied({1, 2}), migrate_down{5}) == "-2 -1");
  CHECK(planned(files(3), {}, migrate_down{}) == "");
}

TEST_CASE("redo takes the newest back and applies it again") {
  CHECK(planned(files(3), applied({1, 2}), migrate_redo{}) == "-2 +2");
  CHECK(planned(files(3), {}, migrate_redo{}) == "");
}

TEST_CASE("to goes up or back to a version that there is") {
  CHECK(planned(files(3), applied({1}), migrate_to{2}) == "+2");
  CHECK(planned(files(3), applied({1, 2, 3}), migrate_to{1}) == "-3 -2");
  CHECK(planned(files(3), applied({1, 2}), migrate_to{0}) == "-2 -1");
  CHECK(planned(files(3), applied({1, 2}), migrate_to{2}) == "");
  CHECK_THAT(planned(files(3), {}, migrate_to{4}),
             ContainsSubstring("found 4, expected 0 to 3"));
}

TEST_CASE("to goes no other way than the one that it is told") {
  using enum migration_direction;
  CHECK(planned(files(3), applied({1}), migrate_to{2, up}) == "+2");
  CHECK(planned(files(3), applied({1, 2, 3}), migrate_to{1, down}) == "-3 -2");
  CHECK(planned(files(3), applied({1, 2}), migrate_to{2, up}) == "");
  CHECK(planned(files(3), applied({1, 2}), migrate_to{2, down}) == "");
  CHECK_THAT(planned(files(3), applied({1, 2, 3}), migrate_to{1, up}),
             ContainsSubstring("1 is below 3, the newest that is applied: up "
                               "takes nothing back, 'millrace migrate to 1' "
                               "does"));
  CHECK_THAT(planned(files(3), applied({1}), migrate_to{3, down}),
             ContainsSubstring("3 is above 1, the newest that is applied: down "
                               "applies nothing, 'millrace migrate to 3' "
                               "does"));
}

TEST_CASE("a file without a down part cannot be taken back") {
  auto set = files(2);
  set.files[1].down = " \n";
  CHECK_THAT(planned(set, applied({1, 2}), migrate_to{0}),
             ContainsSubstring("test/002_f.sql has nothing under"));
  CHECK(planned(set, applied({1, 2}), migrate_up{}) == "");
}

TEST_CASE("repeatable files come last, when they are new or have changed") {
  auto set = files(2);
  set.repeatables.push_back(repeatable("one"));
  CHECK(planned(set, applied({1}), migrate_up{}) == "+2 +views");
  CHECK(planned(set, {}, migrate_to{1}) == "+1");
  auto history = applied({1, 2});
  history.repeatables.push_back(row(repeatable("one")));
  CHECK(planned(set, history, migrate_up{}) == "");
  history.repeatables[0].checksum = "another";
  CHECK(planned(set, history, migrate_up{}) == "+views");
  CHECK(compare(set, history).back().state == migration_state::pending);
  set.repeatables.clear();
  CHECK(planned(set, history, migrate_up{}) == "");
  CHECK(compare(set, history).back().state == migration_state::unknown);
}

TEST_CASE("seed writes reference rows again, whether they have changed or not, "
          "and of other files what is pending") {
  auto rows = parse_migration("R_rows_fees.sql", "-- description: d\n"
                                                 "-- millrace:up\nSELECT 1;")
                .value();
  CHECK(rows.holds_rows());
  CHECK_FALSE(repeatable("one").holds_rows());
  auto set = files(2);
  set.repeatables = {rows, repeatable("one")};
  CHECK(planned(set, applied({1}), migrate_seed{}) == "+2 +rows_fees +views");
  auto history = applied({1, 2});
  history.repeatables = {row(rows), row(repeatable("one"))};
  CHECK(planned(set, history, migrate_up{}) == "");
  CHECK(planned(set, history, migrate_seed{}) == "+rows_fees");
}

TEST_CASE("everything that is wrong is reported at once, with what to do") {
  auto set = files(4);
  set.files.erase(set.files.begin() + 1);
  set.problems = {"a file is bad"};
  auto history = applied({1, 2, 4});
  history.versions[0].checksum = "another";
  auto text = planned(set, history, migrate_up{});
  CHECK_THAT(text, ContainsSubstring("a file is bad\n"));
  CHECK_THAT(text, ContainsSubstring("test/001_f.sql was changed")
                     && ContainsSubstring("next number"));
  CHECK_THAT(text, ContainsSubstring("version 2 (f) is applied, but there is "
                                     "no such file"));
  CHECK_THAT(text, ContainsSubstring("test/003_f.sql is not applied, though 4 "
                                     "is")
                     && ContainsSubstring("baseline --version 3"));
}

TEST_CASE("an applied file that is gone does not hide one that is pending") {
  auto set = files(2);
  auto history = applied({1});
  history.versions.push_back(row(file(7)));
  auto all = compare(set, history);
  REQUIRE(all.size() == 3);
  CHECK(all[0].state == migration_state::applied);
  CHECK(all[1].state == migration_state::pending);
  CHECK(all[2].state == migration_state::unknown);
}

TEST_CASE("a file that stands half-way is ended before anything else") {
  auto set = files(3);
  auto history = applied({1});
  history.interrupted.push_back({2, "f", migration_direction::up});
  CHECK(compare(set, history)[1].state == migration_state::interrupted);
  CHECK(planned(set, history, migrate_up{}) == "+2 +3");
  CHECK_THAT(planned(set, history, migrate_down{}),
             ContainsSubstring("test/002_f stands half-way up: end that first "
                               "with 'millrace migrate up'"));
  history.interrupted[0] = {1, "f", migration_direction::down};
  CHECK(planned(set, history, migrate_down{}) == "-1");
  CHECK_THAT(planned(set, history, migrate_up{}),
             ContainsSubstring("'millrace migrate down'"));
}

TEST_CASE("baseline writes down what has no row yet") {
  auto versions = [](const auto& all) {
    std::vector<int32_t> result;
    for (const auto& x : all)
      result.push_back(x.version);
    return result;
  };
  auto set = files(3);
  CHECK(versions(plan_baseline(set, {}, 2).value())
        == std::vector<int32_t>{1, 2});
  CHECK(versions(plan_baseline(set, applied({1, 3}), 3).value())
        == std::vector<int32_t>{2});
  CHECK_FALSE(plan_baseline(set, {}, 0));
  CHECK_FALSE(plan_baseline(set, {}, 4));
}
