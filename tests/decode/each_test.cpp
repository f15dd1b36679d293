// Rows for the elements of arrays.

#include "tests/decode/rows.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

using rows = std::vector<std::string>;

pipeline_config exploding(std::string each, expressions columns) {
  auto write = write_into("t", columns);
  write.each = said(std::move(each));
  return pipeline_of({event_of("event", {write})});
}

struct exploded {
  outcome what = outcome::written;
  batch in;

  rows all() const {
    return text_rows(in.blocks.at(0));
  }

  std::string reason() const {
    return in.rejects.at(0).reason;
  }
};

exploded explode(const pipeline_config& config, std::string_view payload) {
  decoder decode{compiled(config, {text_table("t", {"a", "b", "c", "d"})})};
  memory_sink sink;
  auto what = decode.decode(record_with(payload), sink);
  return {what, sink.of("demo")};
}

} // namespace

TEST_CASE("each makes a row for each element, with the event's members at "
          "hand") {
  auto config = exploding("leg in .legs",
                          {{"a", ".nid"}, {"b", "leg.nid"}, {"c", "@index"}});
  auto x = explode(config, R"({"legs":[{"nid":"x"},{"n":1,"nid":2}],"nid":9})");
  CHECK(x.all() == rows{"9,x,0", "9,2,1"});
  CHECK(x.in.blocks[0].offsets == std::vector<int64_t>{7, 7});
  CHECK(x.in.events == 1);
}

TEST_CASE("arrays joined by and follow one another, null and missing ones are "
          "empty") {
  auto config = exploding("c in .Borrower and .Lender",
                          {{"a", "c.nid"}, {"b", "@index"}, {"c", "index(c)"}});
  CHECK(explode(config, R"({"Lender":[{"nid":1}],"Borrower":[{"nid":2},
                            {"nid":3}]})")
          .all()
        == rows{"2,0,0", "3,1,1", "1,2,0"});
  auto none = explode(config, R"({"Lender":null})");
  CHECK(none.what == outcome::filtered);
  CHECK(none.in.filtered == 1);
  CHECK(explode(config, R"({"Lender":[],"Borrower":[{}]})").all()
        == rows{"NULL,0,0"});
}

TEST_CASE("loops inside loops see all elements around them") {
  auto config = exploding("day in .days, slot in day.slots",
                          {{"a", ".id"},
                           {"b", "day.name"},
                           {"c", "slot"},
                           {"d", "concat(@index, '/', index(day), '/', "
                                 "index(slot))"}});
  CHECK(explode(config, R"({"id":1,"days":[{"name":"mo","slots":[9,"10"]},
                            {"name":"tu"},{"slots":[null,true],"name":"we"}]})")
          .all()
        == rows{"1,mo,9,0/0/0", "1,mo,10,1/0/1", "1,we,NULL,2/2/0",
                "1,we,true,3/2/1"});
}

TEST_CASE("elements are read whatever they hold") {
  auto config = exploding("x in .xs", {{"a", "x.s"}, {"b", "x.o.p"}});
  CHECK(explode(config, R"({"xs":[ {"s":"],[\"{","o":{"p":1}} ,)"
                        R"({"s":"a\\","o":null},{"o":{"p":2},"o":{}} ]})")
          .all()
        == rows{R"(],["{,1)", R"(a\,NULL)", "NULL,NULL"});
  CHECK(explode(config, R"({"xs":[{"s":1},null]})").all()
        == rows{"1,NULL", "NULL,NULL"});
}

TEST_CASE("a condition is asked for each element, and does not change the "
          "index") {
  auto config = exploding("x in .xs", {{"a", "x.n"}, {"b", "@index"}});
  config.events[0].writes[0].when = said("x.n > .least");
  CHECK(explode(config, R"({"least":1,"xs":[{"n":1},{"n":2},{"n":3}]})").all()
        == rows{"2,1", "3,2"});
}

TEST_CASE("what is no array, and elements that are no objects, are dead "
          "letters") {
  auto config = exploding("x in .xs", {{"a", "x.n"}});
  CHECK(explode(config, R"({"xs":{"n":1}})").reason()
        == "found the object {\"n\":1} for .xs, expected an array");
  CHECK(explode(config, R"({"xs":[{"n":1},5]})").reason().contains("found 5"));
  CHECK(explode(config, R"({"xs":[{"n":1},5]})").all().empty());
  CHECK(explode(config, R"({"xs":[{"n":01}]})").reason().contains("not JSON"));
}

TEST_CASE("an event with too many or too large rows is a dead letter") {
  auto config = exploding("x in .xs", {{"a", "x"}, {"b", "@payload"}});
  config.limits.max_event_rows = 3;
  CHECK(explode(config, R"({"xs":[1,2,3]})").all().size() == 3);
  CHECK(explode(config, R"({"xs":[1,2,3,4]})").reason()
        == "found an event with more than 3 rows (limits.max_event_rows)");
  config.limits.max_event_rows = 100;
  config.limits.max_event_bytes = 60;
  CHECK(explode(config, R"({"xs":[1]})").all().size() == 1);
  CHECK(explode(config, R"({"xs":[1,2,3,4]})").reason()
        == "found an event whose rows have more than 60 bytes "
           "(limits.max_event_bytes)");
}

TEST_CASE("the coordinates of a row of many need its index") {
  auto coordinates = [](expressions columns) {
    auto config = exploding("x in .xs", columns);
    auto program = compiled(config, {text_table("t", {"a", "b", "c", "d"})});
    return coordinate_columns(*program, 0);
  };
  CHECK(coordinates({{"a", "@partition"}, {"b", "@offset"}}).empty());
  CHECK(coordinates({{"a", "@partition"}, {"b", "@offset"}, {"c", "@index"}})
        == rows{"a", "b", "c"});
}

TEST_CASE("errors in loops point at the character") {
  auto problem = [](std::string each) {
    auto found = check_expressions(exploding(std::move(each), {{"a", ".x"}}));
    return found.empty() ? "" : to_string(found.front());
  };
  CHECK(problem("x in .xs, y in x.ys").empty());
  CHECK(problem(".xs").starts_with(
    "p.toml:7:9: pipeline.p.event[0].write[0].each: found \".xs\", expected a "
    "name for the element"));
  CHECK(problem("x of .xs").contains(":11: "));
  CHECK(problem("x in 'xs'").contains("an array of the payload"));
  CHECK(problem("x in .xs, x in .ys").contains("that no outer loop has"));
  CHECK(problem("x in .xs, y in z.ys").contains(":24: "));
  CHECK(problem("in in .xs").contains("a name for the element"));
  CHECK(problem("a in .a, b in a.b, c in b.c, d in c.d, e in d.e")
          .contains("at most 4 loops"));
}
