#include "actors/coordinator/schema_drift.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace millrace;

namespace {

using objects = std::vector<schema_object>;

const schema_object orders{"table", "", "orders", ""};
const schema_object id{"column", "orders", "id", "bigint NOT NULL"};
const schema_object key{"constraint", "orders", "orders_pkey",
                        "PRIMARY KEY (id)"};
const schema_object total{"function", "", "total(integer)", "() RETURNS int"};

schema_object defined(schema_object x, const std::string& definition) {
  x.definition = definition;
  return x;
}

std::vector<std::string> lines(const std::vector<schema_difference>& all) {
  std::vector<std::string> result;
  for (const auto& x : all)
    result.push_back(to_string(x.kind) + ' ' + x.object);
  return result;
}

} // namespace

TEST_CASE("schemas of the same objects do not differ, in whatever order they "
          "are told") {
  objects all{orders, id, key, total};
  auto other = all;
  std::ranges::reverse(other);
  CHECK(compare_schemas(all, other).empty());
  CHECK(compare_schemas({}, {}).empty());
}

TEST_CASE("an object of another definition is told with both") {
  objects wanted{orders, id, key};
  objects found{orders, defined(id, "integer NOT NULL"), key};
  auto x = compare_schemas(wanted, found);
  REQUIRE(x.size() == 1);
  CHECK(x[0]
        == schema_difference{drift_kind::different, "column orders.id",
                             "bigint NOT NULL", "integer NOT NULL"});
}

TEST_CASE("what is missing and what is foreign is told with what it is") {
  objects wanted{orders, id, key};
  objects found{orders, id, total};
  auto x = compare_schemas(wanted, found);
  CHECK(lines(x)
        == std::vector<std::string>{"foreign function total(integer)",
                                    "missing constraint orders.orders_pkey"});
  REQUIRE(x.size() == 2);
  CHECK(x[0].expected.empty());
  CHECK(x[0].found == "() RETURNS int");
  CHECK(x[1].expected == "PRIMARY KEY (id)");
  CHECK(x[1].found.empty());
}

TEST_CASE("of a table that is not there, or nobody's, only the table is told") {
  objects all{orders, id, key};
  CHECK(lines(compare_schemas(all, {}))
        == std::vector<std::string>{"missing table orders"});
  CHECK(lines(compare_schemas({}, all))
        == std::vector<std::string>{"foreign table orders"});
}

TEST_CASE("names count with their table and their kind") {
  schema_object other_id{"column", "trades", "id", "text"};
  schema_object trades{"table", "", "trades", ""};
  schema_object index{"index", "orders", "id", "text"};
  objects wanted{orders, id, trades, other_id};
  CHECK(compare_schemas(wanted, wanted).empty());
  objects found{orders, id, index, trades};
  CHECK(lines(compare_schemas(wanted, found))
        == std::vector<std::string>{"foreign index orders.id",
                                    "missing column trades.id"});
}
