#include "tests/config/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace millrace;
using std::chrono::days;

namespace {

using texts = std::vector<std::string>;

load_result parsed(const std::string& text) {
  return parse_config("[postgresql]\nurl = \"postgresql://u@h/d\"\n"
                      "[kafka]\nbootstrap = \"h:9092\"\n[[tenant]]\n"
                      "name = \"demo\"\n[pipeline.ticks]\npack = \"ticks\"\n"
                      "tenant = \"'demo'\"\n"
                        + text,
                      "x.toml", test::outside());
}

const pipeline_config& ticks(const load_result& x) {
  REQUIRE(test::messages(x) == "");
  return x->pipelines.at(0);
}

} // namespace

TEST_CASE("the packs of ticks have a partition a day, kept for ever") {
  auto all = parsed("");
  const auto& x = ticks(all);
  REQUIRE(x.partitions.size() == 1);
  CHECK(x.partitions[0].tables == texts{"ticks"});
  CHECK(x.partitions[0].every == partition_every::day);
  CHECK(x.partitions[0].timezone == "UTC");
  CHECK(x.partitions[0].ahead == days{14});
  CHECK(x.partitions[0].keep.count() == 0);
  CHECK(x.partitions[0].late == late_rows::wait);
}

TEST_CASE("the ledger's pack has a partition a month, kept until one says") {
  auto all = parse_config("[postgresql]\nurl = \"postgresql://u@h/d\"\n"
                          "[kafka]\nbootstrap = \"h:9092\"\n[[tenant]]\n"
                          "name = \"demo\"\n[pipeline.pme]\npack = "
                          "\"pme-online\"\ntenant = \"'demo'\"\n",
                          "x.toml", test::outside());
  const auto& x = ticks(all);
  REQUIRE(x.partitions.size() == 1);
  CHECK(x.partitions[0].tables == texts{"event_log"});
  CHECK(x.partitions[0].every == partition_every::month);
  CHECK(x.partitions[0].key == partition_key::milliseconds);
  CHECK(x.partitions[0].ahead == days{62});
  CHECK(x.partitions[0].keep.count() == 0);
  CHECK(x.partitions[0].late == late_rows::catch_all);
}

TEST_CASE(
  "what stands beside a pack takes the place of what it says of the same "
  "table, and other tables come along") {
  auto all = parsed(
    "[[pipeline.ticks.partition]]\ntables = [\"ticks\", "
    "\"own\"]\nevery = \"month\"\nkeep = \"365d\"\nlate = "
    "\"default\"\ntimezone = \"Europe/Berlin\"\n"
    "[[pipeline.ticks.partition]]\ntables = [\"log\"]\nkey = "
    "\"milliseconds\"\nname = \"p{YYYY}{MM}{DD}_of_{table}\"\n");
  const auto& x = ticks(all);
  REQUIRE(x.partitions.size() == 2);
  CHECK(x.partitions[0].tables == texts{"ticks", "own"});
  CHECK(x.partitions[0].every == partition_every::month);
  CHECK(x.partitions[0].late == late_rows::catch_all);
  CHECK(x.partitions[1].key == partition_key::milliseconds);
}

TEST_CASE("late rows can be rejected where it is said how long rows are kept") {
  std::string text = "[[pipeline.ticks.partition]]\ntables = [\"ticks\"]\n"
                     "late = \"reject\"\n";
  auto kept = parsed(text + "keep = \"30d\"\n");
  CHECK(ticks(kept).partitions[0].late == late_rows::reject);
  CHECK(test::messages(parsed(text))
        == "x.toml:12:8: pipeline.ticks.partition[0].late: found \"reject\" "
           "without `keep`, expected `keep` beside it: only what is older is "
           "rejected\n");
}

TEST_CASE(
  "an archive is a folder that is there, from the file's own on, beside "
  "how long rows are kept") {
  auto with = [](const std::string& archive, const std::string& more) {
    return parsed("[[pipeline.ticks.partition]]\ntables = [\"ticks\"]\n"
                  "archive = \""
                  + archive + "\"\n" + more);
  };
  const std::string keep = "keep = \"30d\"\n";
  test::scratch_folder folder;
  auto absolute = with(folder.path(), keep);
  CHECK(ticks(absolute).partitions[0].archive == folder.path());
  // The file is x.toml where the test runs.
  auto relative = with(".", keep);
  CHECK(std::filesystem::equivalent(ticks(relative).partitions[0].archive,
                                    std::filesystem::current_path()));
  CHECK(
    std::filesystem::path{ticks(relative).partitions[0].archive}.is_absolute());
  auto none = folder / "none";
  CHECK(test::messages(with(none.string(), keep))
        == "x.toml:12:11: pipeline.ticks.partition[0].archive: found \""
             + none.string() + "\", expected a folder that is there; make "
             + none.string() + ", writable for this program\n");
  CHECK(test::messages(with(".", {})).contains("found \".\" without `keep`"));
}

TEST_CASE("partitions that cannot be are refused, each with its place") {
  auto all = parsed("[[pipeline.ticks.partition]]\ntables = [\"a\"]\n"
                    "timezone = \"Europe/Atlantis\"\nevery = \"year\"\n"
                    "[[pipeline.ticks.partition]]\ntables = [\"b\", \"a\"]\n"
                    "every = \"hour\"\ntimezone = \"Europe/Berlin\"\n"
                    "ahead = \"3650d\"\nname = \"{table}_{YYYY}\"\n"
                    "[[pipeline.ticks.partition]]\nkeep = \"1m\"\n");
  CHECK(
    test::messages(all)
    == "x.toml:12:12: pipeline.ticks.partition[0].timezone: found "
       "\"Europe/Atlantis\", expected the name of a time zone that this "
       "machine knows; "
       "such as Europe/Berlin\n"
       "x.toml:13:9: pipeline.ticks.partition[0].every: found \"year\", "
       "expected \"hour\", \"day\", \"week\" or \"month\"\n"
       "x.toml:15:10: pipeline.ticks.partition[1].tables: found \"a\" a "
       "second time, expected each table once\n"
       "x.toml:17:12: pipeline.ticks.partition[1].timezone: found "
       "\"Europe/Berlin\", expected \"UTC\" for hours\n"
       "x.toml:18:9: pipeline.ticks.partition[1].ahead: found 87600h, "
       "expected at most 1000 partitions ahead\n"
       "x.toml:19:8: pipeline.ticks.partition[1].name: found "
       "\"{table}_{YYYY}\", expected a text with {table} and what tells the "
       "periods apart: {YYYY}, {MM}, {DD}, {HH}\n"
       "x.toml:20:1: pipeline.ticks.partition[2].tables: found nothing, "
       "expected a list of strings, each the name of a table without "
       "schema, at most 63 bytes\n"
       "x.toml:21:8: pipeline.ticks.partition[2].keep: found \"1m\", "
       "expected a duration such as \"1h\", from 1h to 876000h\n");
}

TEST_CASE("partitions of tables that no pipeline speaks of are declared by "
          "themselves, for all tenants or some") {
  auto all = parsed("[[tenant]]\nname = \"north\"\n"
                    "[[partition]]\ntables = [\"audit_log\"]\nevery = "
                    "\"month\"\nlate = \"default\"\n"
                    "[[partition]]\ntables = [\"notes\"]\nkeep = \"30d\"\n"
                    "tenants = [\"north\"]\n"
                    "[[partition]]\ntables = [\"notes\"]\n"
                    "tenants = [\"demo\"]\n");
  REQUIRE(test::messages(all) == "");
  REQUIRE(all->partitions.size() == 3);
  const auto& x = all->partitions[0];
  CHECK(x.tables == texts{"audit_log"});
  CHECK(x.every == partition_every::month);
  CHECK(x.ahead == days{14});
  CHECK(x.late == late_rows::catch_all);
  CHECK(x.tenants.empty());
  CHECK(all->partitions[1].tenants == texts{"north"});
  CHECK(all->partitions[1].keep == days{30});
  CHECK(all->pipelines[0].partitions.size() == 1);
  auto names = [&](const texts& wanted) {
    texts result;
    for (const auto* tenant : chosen_tenants(*all, wanted, "postgresql"))
      result.push_back(tenant->name);
    return result;
  };
  CHECK(names({}) == texts{"demo", "north"});
  CHECK(names({"north"}) == texts{"north"});
  CHECK(chosen_tenants(*all, {}, "west").empty());
}

TEST_CASE("sets of migrations are named with the folder they are in") {
  test::scratch_folder folder;
  auto text = std::string{"[[migrations]]\nset = \"orders\"\nfolder = \""}
              + folder.path()
              + "\"\n[[migrations]]\nset = \"trading-engine-payments\"\n"
                "tenants = [\"demo\"]\n";
  auto all = parsed(text);
  REQUIRE(test::messages(all) == "");
  REQUIRE(all->migrations.size() == 2);
  CHECK(all->migrations[0].set == "orders");
  CHECK(all->migrations[0].folder == folder.path());
  CHECK(all->migrations[0].tenants.empty());
  CHECK(all->migrations[1].folder.empty());
  CHECK(all->migrations[1].tenants == texts{"demo"});
  // Relative to the file, x.toml, which is where the test runs.
  auto relative = parsed("[[migrations]]\nset = \"own\"\nfolder = \".\"\n");
  REQUIRE(test::messages(relative) == "");
  std::filesystem::path own{relative->migrations[0].folder};
  CHECK(own.is_absolute());
  CHECK(std::filesystem::equivalent(own, std::filesystem::current_path()));
}

TEST_CASE("what grows with time is declared beside a pack or in it") {
  auto of_pack = parsed("");
  const auto& x = ticks(of_pack);
  REQUIRE(x.series.size() == 1);
  CHECK(x.series[0].tables == texts{"ticks"});
  CHECK(x.series[0].time == "tick_time");
  CHECK(x.series[0].symbol == "symbol_name");
  auto own = parsed("[[pipeline.ticks.series]]\ntables = [\"ticks\", \"log\"]\n"
                    "exchange = \"exchange_id\"\nexchange_name = \"name\"\n");
  const auto& y = ticks(own);
  REQUIRE(y.series.size() == 1);
  CHECK(y.series[0].time.empty());
  CHECK(y.series[0].exchange == "exchange_id");
  CHECK(y.series[0].exchange_name == "name");
}

TEST_CASE("a series that cannot be is refused, with its place") {
  auto all = parsed("[[pipeline.ticks.series]]\ntables = [\"a\"]\n"
                    "exchange_name = \"name\"\n"
                    "[[pipeline.ticks.series]]\ntables = [\"a\"]\n"
                    "[[pipeline.ticks.series]]\n");
  CHECK(test::messages(all)
        == "x.toml:12:17: pipeline.ticks.series[0].exchange_name: found no "
           "`exchange`, expected `exchange` beside it: whose name it is\n"
           "x.toml:14:10: pipeline.ticks.series[1].tables: found \"a\" a "
           "second time, expected each table once\n"
           "x.toml:15:1: pipeline.ticks.series[2].tables: found nothing, "
           "expected a list of strings, each the name of a table without "
           "schema, at most 63 bytes\n");
}
