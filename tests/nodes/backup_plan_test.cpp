// Backups and restores as far as they need no server.

#include "nodes/cli/log_loss.hpp"
#include "nodes/cli/restore_plan.hpp"
#include "tests/nodes/backup_sample.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::cli;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string replaced(std::string text, const std::string& what,
                     const std::string& by) {
  auto at = text.find(what);
  REQUIRE(at != text.npos);
  return text.replace(at, what.size(), by);
}

} // namespace

// -- the manifest -------------------------------------------------------------

TEST_CASE("a manifest is read as it was written") {
  auto json = to_json(sample_backup());
  auto read = parse_manifest(json);
  REQUIRE(read);
  CHECK(to_json(*read) == json);
  const auto& x = read->databases.at(0);
  CHECK(differences(sample_database().facts, x.facts).empty());
  CHECK(x.facts.properties == sample_database().facts.properties);
  CHECK(x.facts.pipelines == sample_database().facts.pipelines);
  CHECK(x.files == sample_database().files);
  CHECK(bytes_of(*read) == 12);
}

TEST_CASE("a manifest of another format, or one that lacks something, is "
          "refused with a reason") {
  auto json = to_json(sample_backup());
  auto newer = parse_manifest(replaced(json, "\"format\":1", "\"format\":2"));
  REQUIRE_FALSE(newer);
  CHECK_THAT(newer.error(), ContainsSubstring("format 2"));
  auto torn = parse_manifest(json.substr(0, json.size() / 2));
  REQUIRE_FALSE(torn);
  CHECK_THAT(torn.error(), ContainsSubstring("no JSON"));
  auto lacking = parse_manifest(replaced(json, "\"next_seq\"", "\"seq\""));
  REQUIRE_FALSE(lacking);
  CHECK_THAT(lacking.error(), ContainsSubstring("\"next_seq\""));
}

TEST_CASE("a backup of a newer program or a newer server is not restored") {
  auto x = sample_database();
  CHECK_FALSE(version_problem(x, 11, 170'001));
  CHECK_FALSE(version_problem(x, 12, 180'000));
  CHECK_THAT(version_problem(x, 10, 170'001).value(),
             ContainsSubstring("control migration 11"));
  CHECK_THAT(version_problem(x, 11, 160'009).value(),
             ContainsSubstring("PostgreSQL 17"));
}

TEST_CASE("what was restored is held against what was kept") {
  auto kept = sample_database().facts;
  auto found = kept;
  CHECK(differences(kept, found).empty());
  found.tables[1].rows = 1233;
  found.tables.erase(found.tables.begin());
  found.tables.push_back({"public", "extra", 0});
  found.lanes[0].offsets[1] = 49;
  found.partitions[0].floor = offset{91};
  found.pipelines[0].map_version = 4;
  auto all = differences(kept, found);
  REQUIRE(all.size() == 6);
  CHECK(all[0] == "pipeline notes: has another map than the backup");
  CHECK_THAT(all[1], ContainsSubstring("floor 90 in the backup, 91 restored"));
  CHECK_THAT(all[2], ContainsSubstring("lane notes/north/0: at 100, 50, 7"));
  CHECK(all[3] == "table millrace.lane is missing");
  CHECK(all[4]
        == "table tenant_north.notes: 1234 rows in the backup, 1233 restored");
  CHECK(all[5] == "table public.extra is not in the backup");
}

// -- Kafka --------------------------------------------------------------------

TEST_CASE("a lane lacks records where the log begins behind it, ends before "
          "it, is another topic's, or is gone") {
  auto facts = sample_database().facts;
  known_log log{topic_id, offset_range{offset{90}, offset{100}}};
  auto all = losses_of(facts, [&](const std::string& topic, partition p) {
    CHECK(topic == "orders");
    return p == partition{0}
             ? log
             : known_log{topic_id, offset_range{offset{55}, offset{60}}};
  });
  // 100 is the end of partition 0, and 60 that of 1: nothing is lacking there.
  REQUIRE(all.size() == 1);
  CHECK(all[0].lane == lane_id{"notes", "north", shard{0}});
  CHECK(all[0].source == partition_id{topic_id, partition{1}});
  CHECK(all[0].kind == loss_kind::expired);
  CHECK(all[0].wanted == offset{50});
  CHECK(all[0].log->from == offset{55});
  auto text = losses_text(all);
  CHECK_THAT(text, ContainsSubstring("orders  1          notes/north/0  50"));
  auto ranges = ranges_of(all);
  REQUIRE(ranges.size() == 1);
  CHECK(ranges[0].lowest == offset{55});
  CHECK(ranges[0].topic == "orders");

  auto kinds = [&](const known_log& x) {
    std::vector<loss_kind> result;
    for (const auto& one :
         losses_of(facts, [&](const auto&, partition) { return x; }))
      result.push_back(one.kind);
    return result;
  };
  using enum loss_kind;
  using list = std::vector<loss_kind>;
  CHECK(kinds({topic_id, offset_range{offset{0}, offset{99}}})
        == list{truncated});
  CHECK(kinds({other_id, offset_range{offset{0}, offset{500}}})
        == list{recreated, recreated, recreated, recreated});
  CHECK(kinds({std::nullopt, std::nullopt}) == list{gone, gone, gone, gone});
  CHECK(kinds({topic_id, std::nullopt}) == list{gone, gone, gone, gone});
  // Nobody may decide by a command that these go on.
  CHECK(ranges_of(losses_of(facts,
                            [](const auto&, partition) {
                              return known_log{
                                other_id, offset_range{offset{0}, offset{500}}};
                            }))
          .empty());
}

TEST_CASE("partitions of topics that are not read any more are not asked "
          "for") {
  auto asked = partitions_read(sample_database().facts);
  REQUIRE(asked.size() == 2);
  CHECK(asked[1].second == partition_id{topic_id, partition{1}});
}

TEST_CASE("a new incarnation has a map version that nobody remembers") {
  CHECK(next_map_version(3, 0, 0) == 5);
  CHECK(next_map_version(3, 7, 0) == 9);
  CHECK(next_map_version(8, 7, 5'000'041) == 51);
}

// -- how far a restore is -----------------------------------------------------

TEST_CASE("the mark of a restore is read as it was written, and others are "
          "nobody's") {
  restore_mark mark{
    restore_role::replaced, first_set,           "daily", std::string(64, 'b'),
    "2026-11-22T03:15:00Z", "a name with spaces"};
  CHECK(parse_comment(to_comment(mark)) == mark);
  mark.database.clear();
  mark.role = restore_role::verified;
  CHECK(parse_comment(to_comment(mark)) == mark);
  for (auto text : {"", "millrace restore", "millrace restore: x",
                    "millrace restore: verified nobody a b c",
                    "default administrative connection database"})
    CHECK_FALSE(parse_comment(text));
}

TEST_CASE("names of databases stay within what PostgreSQL keeps") {
  CHECK(restoring_name("shop") == "shop__restoring");
  CHECK(replaced_name("shop", "2026-11-22T03:15:00Z")
        == "shop_before_20261122T031500Z");
  std::string longest(62, 'x');
  CHECK(restoring_name(longest).size() == 63);
  CHECK(replaced_name(longest, "2026-11-22T03:15:00Z").size() == 63);
  for (std::string odd : {"", "x"}) {
    auto umlauts = odd;
    while (umlauts.size() < 61)
      umlauts += "\xc3\xa4";
    auto cut = restoring_name(umlauts);
    CHECK(cut.size() <= 63);
    CHECK(cut.find("\xc3_") == cut.npos);
  }
}

TEST_CASE("databases whose names begin alike never share the name of a copy, "
          "or of what was replaced") {
  for (auto size : {40, 52, 53, 60, 62}) {
    auto number = static_cast<std::size_t>(size);
    auto one = std::string(number, 'x') + '1';
    auto two = std::string(number, 'x') + '2';
    INFO(size);
    CHECK(restoring_name(one) != restoring_name(two));
    CHECK(replaced_name(one, "2026-11-22T03:15:00Z")
          != replaced_name(two, "2026-11-22T03:15:00Z"));
  }
  // 52 bytes are the longest name that is kept whole, of 39 where a time
  // follows.
  CHECK(restoring_name(std::string(52, 'x'))
        == std::string(52, 'x') + "__restoring");
  CHECK(replaced_name(std::string(39, 'x'), "2026-11-22T03:15:00Z")
        == std::string(39, 'x') + "_before_20261122T031500Z");
}

TEST_CASE("only where there are no maps PostgreSQL says so, and all else is an "
          "error") {
  CHECK(says_no_maps("3F000"));
  CHECK(says_no_maps("42P01"));
  // No right to read, no such column, a broken page, too many sessions, none.
  for (auto state : {"42501", "42703", "XX001", "53300", ""})
    CHECK_FALSE(says_no_maps(state));
}

TEST_CASE("the copy of a restore that has put another database in place "
          "stays") {
  restore_mark copy{restore_role::verified, first_set, "daily",
                    std::string(64, 'c'), "t"};
  auto live = copy;
  live.role = restore_role::restored;
  using states = std::vector<restore_state>;
  const states half{{"postgresql", live, false, {}}, {"west", {}, true, copy}};
  auto why = keep_reason(half, copy);
  REQUIRE(why);
  CHECK_THAT(*why, ContainsSubstring("'postgresql' is in place")
                     && ContainsSubstring("millrace db restore daily"));
  // Nothing is in place yet, or what is there is of another restore.
  CHECK_FALSE(keep_reason(states{{"postgresql", {}, true, copy}}, copy));
  auto other = live;
  other.set = second_set;
  CHECK_FALSE(keep_reason(states{{"postgresql", other, false, {}}}, copy));
  // What was replaced, or is not complete, belongs to nothing.
  for (auto role : {restore_role::replaced, restore_role::filling}) {
    auto old = copy;
    old.role = role;
    CHECK_FALSE(keep_reason(half, old));
  }
}

TEST_CASE("a restore goes on with what one before it has verified, and fills "
          "all else") {
  const std::string sum(64, 'c');
  restore_mark verified{restore_role::verified, first_set, "daily", sum, "t"};
  auto filling = verified;
  filling.role = restore_role::filling;
  auto live = verified;
  live.role = restore_role::restored;
  using enum restore_step;
  using steps = std::vector<restore_step>;
  auto plan = [&](std::vector<restore_state> states, bool again = false) {
    return plan_restore(states, sum, second_set, again);
  };
  restore_state nothing{"postgresql", {}, false, {}};
  auto begun = plan({nothing, {"west", {}, true, filling}});
  REQUIRE(begun);
  CHECK(begun->steps == steps{fill, fill});
  CHECK(begun->set == second_set);
  CHECK_FALSE(begun->resumed);

  auto kept = plan({{"postgresql", {}, true, verified}, nothing});
  REQUIRE(kept);
  CHECK(kept->steps == steps{keep, fill});
  CHECK(kept->set == first_set);
  CHECK(kept->resumed);

  auto half
    = plan({{"postgresql", live, false, {}}, {"west", {}, true, verified}});
  REQUIRE(half);
  CHECK(half->steps == steps{done, keep});
  CHECK(half->set == first_set);

  // One that ended is done, whoever asks without a word; and no beginning of
  // the next one.
  std::vector<restore_state> ended{{"postgresql", live, false, {}},
                                   {"west", live, false, {}}};
  auto over = plan(ended);
  REQUIRE(over);
  CHECK(over->complete);
  CHECK(over->steps == steps{done, done});
  CHECK(over->set == first_set);
  auto again = plan(ended, true);
  REQUIRE(again);
  CHECK_FALSE(again->complete);
  CHECK(again->steps == steps{fill, fill});
  CHECK(again->set == second_set);
  // One database alone, where the swap was the last that was done.
  CHECK(plan({{"west", live, true, filling}})->complete);
  // The second time was begun: it goes on without being asked for again.
  auto second = verified;
  second.set = second_set;
  auto gone_on = plan({{"west", live, true, second}});
  CHECK_FALSE(gone_on->complete);
  CHECK(gone_on->steps == steps{keep});
  CHECK_FALSE(plan({{"postgresql", live, false, {}}, nothing})->complete);

  auto another = verified;
  another.checksum = std::string(64, 'd');
  auto fresh = plan({{"postgresql", {}, true, another}});
  REQUIRE(fresh);
  CHECK(fresh->steps == steps{fill});
  auto other_live = another;
  other_live.role = restore_role::restored;
  auto refused = plan(
    {{"postgresql", other_live, false, {}}, {"west", {}, true, another}});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error(), ContainsSubstring("first complete it")
                                || ContainsSubstring("First complete it"));
}
