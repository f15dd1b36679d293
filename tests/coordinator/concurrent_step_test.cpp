#include "actors/coordinator/concurrent_step.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;

namespace {

concurrent_step step(std::string_view sql) {
  return classify_step(split_sql(sql).value().at(0));
}

} // namespace

TEST_CASE("an index that is made concurrently is taken apart") {
  auto x = step("create unique index concurrently if not exists \"My i\" on "
                "only public.\"T\" using gin (a, lower(b)) WHERE c");
  CHECK(x.kind == step_kind::create_index);
  CHECK(x.unique);
  CHECK(x.lenient);
  CHECK(x.object_name == "My i");
  CHECK(x.table == "public.\"T\"");
  CHECK(x.rest == "using gin (a, lower(b)) WHERE c");
  CHECK(step("CREATE INDEX CONCURRENTLY ON t (a)").kind == step_kind::refused);
}

TEST_CASE("a name says its schema where a dot stands outside of quotes") {
  CHECK(names_schema("a.t"));
  CHECK(names_schema("\"a\".t"));
  CHECK(names_schema("\"a\"\"\".\"t\""));
  CHECK_FALSE(names_schema("t"));
  CHECK_FALSE(names_schema("\"a.t\""));
  CHECK_FALSE(names_schema("\"a\"\".t\""));
}

TEST_CASE("what can be in a transaction is, and the rest is told apart") {
  using enum step_kind;
  CHECK(step("CREATE INDEX i ON t (a)").kind == transactional);
  CHECK(step("UPDATE t SET a = 1").kind == transactional);
  CHECK(step("ALTER TABLE t ADD COLUMN concurrently int").kind
        == transactional);
  CHECK(step("DROP INDEX CONCURRENTLY IF EXISTS a.i").kind == drop_index);
  CHECK(step("DROP INDEX CONCURRENTLY IF EXISTS a.i").object == "a.i");
  CHECK(step("REINDEX INDEX CONCURRENTLY i").kind == reindex);
  CHECK(step("REINDEX (CONCURRENTLY) TABLE t").kind == reindex);
  CHECK(step("VACUUM (ANALYZE) t").kind == repeatable);
  auto detach = step("ALTER TABLE IF EXISTS t DETACH PARTITION p CONCURRENTLY");
  CHECK(detach.kind == detach_partition);
  CHECK(detach.lenient);
  CHECK(detach.table == "t");
  CHECK(detach.object == "p");
  CHECK(step("ALTER TABLE t DETACH PARTITION p").kind == transactional);
  CHECK(step("COMMIT").kind == refused);
  CHECK(step("CREATE DATABASE d").kind == refused);
  CHECK(step("ALTER SYSTEM SET a = 1").kind == refused);
}

TEST_CASE("the name of a partition's index is unique and no longer than "
          "PostgreSQL keeps") {
  CHECK(partition_index_name("t_2026_01_19", "i") == "t_2026_01_19_i");
  std::string longest(60, 'p');
  auto a = partition_index_name(longest, "index_a");
  auto b = partition_index_name(longest, "index_b");
  CHECK(a.size() == 63);
  CHECK(a != b);
  std::string umlauts;
  while (umlauts.size() < 60)
    umlauts += "\xc3\xbc";
  auto cut = partition_index_name("x" + umlauts, "i_with_more");
  CHECK(cut.size() <= 63);
  CHECK(cut.substr(0, cut.size() - 9)
        == "x" + umlauts.substr(0, cut.size() - 10));
}
