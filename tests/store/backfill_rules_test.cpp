#include "actors/store/backfill_rules.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using Catch::Matchers::ContainsSubstring;
using names = std::vector<std::string>;

namespace {

struct fixture {
  backfill_wish wish{"past", "orders", {"fees"}, false};

  /// What it wrote from its first record on.
  std::vector<written_span> spans{{"orders", std::nullopt, false}};

  std::string why() const {
    auto x = end_of_backfill(wish, spans);
    return x ? "sound" : x.error();
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a backfill of a table that is new to the other "
                          "pipeline follows it") {
  CHECK(end_of_backfill(wish, spans).value() == std::nullopt);
  wish.order_matters = true;
  CHECK(end_of_backfill(wish, spans).value() == std::nullopt);
}

TEST_CASE_METHOD(fixture, "a backfill that comes later ends with the map that "
                          "began to write the table") {
  spans.push_back({"fees", "c1", false});
  CHECK(end_of_backfill(wish, spans).value() == "c1");
  wish.tables = {"fees", "taxes"};
  spans.push_back({"taxes", "c1", false});
  CHECK(end_of_backfill(wish, spans).value() == "c1");
}

TEST_CASE_METHOD(fixture, "rows that would be there twice are refused with the "
                          "way out") {
  SECTION("of a table that was always written") {
    wish.tables = {"orders"};
    CHECK_THAT(why(), ContainsSubstring("has written orders since it began")
                        && ContainsSubstring("nothing to make up for"));
  }
  SECTION("of one that was written before") {
    spans.push_back({"fees", "c1", true});
    CHECK_THAT(why(), ContainsSubstring("has written fees before, and stopped")
                        && ContainsSubstring("write a new table"));
  }
  SECTION("of one that was written before and is again") {
    spans.push_back({"fees", "c1", true});
    spans.push_back({"fees", "c2", false});
    CHECK_THAT(why(), ContainsSubstring("has written fees before"));
  }
  SECTION("of tables that came with different maps") {
    wish.tables = {"fees", "taxes"};
    spans.push_back({"fees", "c1", false});
    spans.push_back({"taxes", "c2", false});
    CHECK_THAT(why(), ContainsSubstring("fees and taxes with different maps"));
  }
  SECTION("of tables of which some are written") {
    wish.tables = {"fees", "taxes"};
    spans.push_back({"fees", "c1", false});
    CHECK_THAT(why(), ContainsSubstring("writes fees and not all of fees and "
                                        "taxes"));
  }
  SECTION("of a pipeline of which nothing is known") {
    spans.clear();
    CHECK_THAT(why(), ContainsSubstring("it is not known which tables"));
  }
}

TEST_CASE_METHOD(fixture, "where order matters a backfill cannot come later") {
  spans.push_back({"fees", "c1", false});
  wish.order_matters = true;
  CHECK_THAT(why(), ContainsSubstring("an older event would replace a newer "
                                      "row")
                      && ContainsSubstring("only_if_newer"));
}

TEST_CASE_METHOD(fixture, "tenants that came after the table had begun are "
                          "refused, others are not") {
  spans.push_back({"fees", "c1", false, 4});
  auto with = [&](std::vector<tenant_arrival> arrivals) {
    auto x = end_of_backfill(wish, spans, arrivals);
    return x ? "sound" : x.error();
  };
  CHECK(with({{"north", 3}}) == "sound");
  // The fence for one that comes with the map that begins is a version before.
  CHECK(with({{"north", 4}}) == "sound");
  CHECK_THAT(with({{"north", 3}, {"south", 5}, {"south", 9}, {"west", 7}}),
             ContainsSubstring("tenant south and west came from another "
                               "database after that one had begun to write "
                               "fees here"));
  // Where the other one does not write it yet nobody has rows of it.
  spans.pop_back();
  CHECK(with({{"south", 5}}) == "sound");
}

TEST_CASE("a backfill ends with a map that writes all of its tables") {
  CHECK(judge_hand_over(names{"a", "b"}, names{"c"}) == hand_over::stays);
  CHECK(judge_hand_over(names{"a", "b"}, names{}) == hand_over::stays);
  CHECK(judge_hand_over(names{"a", "b"}, names{"b", "c", "a"})
        == hand_over::ends);
  CHECK(judge_hand_over(names{"a", "b"}, names{"b"}) == hand_over::in_part);
}

TEST_CASE("names are listed as a person would") {
  CHECK(listed(names{}).empty());
  CHECK(listed(names{"a"}) == "a");
  CHECK(listed(names{"a", "b"}) == "a and b");
  CHECK(listed(names{"a", "b", "c"}) == "a, b and c");
}
