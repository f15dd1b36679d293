#include "nodes/migrated_sets.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;

TEST_CASE("what was brought up is that of a database, not of its section") {
  const std::vector<migration_job> ticks{
    {"ticks", {"tenant_demo", "demo"}, "/folder"}};
  postgresql_config here;
  here.host = "one";
  here.database = "shop";
  migrated_sets brought;
  CHECK(brought.of(here).empty());
  brought.note(here, ticks);
  CHECK(brought.of(here) == ticks);
  // Settings that do not say which database it is.
  auto same = here;
  same.sessions = 9;
  same.at.line = 7;
  CHECK(brought.of(same) == ticks);
  auto another = here;
  another.host = "two";
  CHECK(brought.of(another).empty());
  another = here;
  another.database = "shop_2";
  CHECK(brought.of(another).empty());
  another = {};
  another.url = secret{"postgresql://one/shop"};
  CHECK(brought.of(another).empty());
  // It may go there and back.
  brought.note(another, {});
  CHECK(brought.of(another).empty());
  CHECK(brought.of(here) == ticks);
  // Another section of the same name's address.
  here.name = "west";
  CHECK(brought.of(here) == ticks);
}
