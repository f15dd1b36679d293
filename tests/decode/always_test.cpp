// Writes that are made whatever becomes of the event, beside rejects.

#include "tests/decode/rows.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

using rows = std::vector<std::string>;

constexpr auto if_read = "if(@readable, @payload, null)";
constexpr auto if_not = "if(@readable, null, @raw)";

std::vector<table_schema> tables() {
  table_schema log{"s",
                   "log",
                   {column("type", "text", 25), column("at", "text", 25),
                    column("data", "jsonb", 3802), column("raw", "bytea", 17)},
                   {}};
  return {{"s", "orders", {column("n", "bigint", 20)}, {}}, log};
}

/// Orders by their number, and a log.
pipeline_config shop() {
  auto order = event_of("Order", {write_into("orders", {{"n", ".n"}})});
  order.route = said(".n");
  auto log = event_of("log", {write_into("log", {{"type", "@type"},
                                                 {"at", "@offset"},
                                                 {"data", if_read},
                                                 {"raw", if_not}})});
  log.every = true;
  log.route = {};
  log.writes[0].always = true;
  auto result = pipeline_of({order, log});
  result.event_type = said("header('event-type')");
  return result;
}

constexpr std::size_t orders = 0;
constexpr std::size_t in_log = 1;

struct decoded {
  outcome what;
  batch in;
  batch stray;

  /// A jsonb field begins with its version.
  rows logged() const {
    return text_rows(in.blocks.at(in_log));
  }

  std::string why() const {
    return in.rejects.size() == 1 ? in.rejects[0].reason : "";
  }
};

decoded decode_one(const pipeline_config& config,
                   std::optional<std::string_view> payload,
                   std::string_view type = "Order") {
  decoder decode{compiled(config, tables())};
  memory_sink sink;
  header_view header{"event-type", type};
  auto record = record_with("", {&header, 1});
  record.value = payload;
  auto what = decode.decode(record, sink);
  return {what, sink.of("demo"), sink.stray};
}

} // namespace

TEST_CASE("a payload whose unread part is no JSON is not readable") {
  // The last one has a string that does not end.
  for (std::string_view wrong :
       {R"({"n":1,"x":tru})", R"({"n":1,"x":-})",
        R"({"n":1,"i":"8DDE8":90719925":["","\""x"},"legs":[{"price":2}]})"}) {
    auto log = decode_one(shop(), wrong);
    CAPTURE(wrong, log.why());
    CHECK(log.logged() == rows{"Order,7,NULL," + std::string{wrong}});
  }
}

TEST_CASE("a payload whose unread part is no JSON does not become jsonb") {
  auto config = shop();
  config.events[1].writes[0].columns[2].value = said("@payload");
  for (std::string_view wrong :
       {R"({"n":1,"x":tru})",
        R"({"n":1,"i":"8DDE8":90719925":["","\""x"},"legs":[{"price":2}]})"}) {
    auto log = decode_one(config, wrong);
    CAPTURE(wrong);
    CHECK(log.what == outcome::rejected);
    CHECK(log.why().starts_with("not JSON: "));
  }
}

TEST_CASE("a payload that is no JSON is a reject, and logged as it came") {
  auto bad = decode_one(shop(), R"({"n":1)");
  CHECK(bad.what == outcome::rejected);
  CHECK(bad.in.rejects.at(0).stage == reject_stage::decode);
  CHECK(bad.logged() == rows{R"(Order,7,NULL,{"n":1)"});
  CHECK(bad.in.blocks.at(in_log).offsets == std::vector<int64_t>{7});
  CHECK(bad.in.blocks.at(orders).rows() == 0);
  CHECK(bad.in.events == 1);
  CHECK(decode_one(shop(), "").logged() == rows{"Order,7,NULL,"});
}

TEST_CASE("an event that cannot be mapped is a reject, and logged") {
  auto bad = decode_one(shop(), R"({"n":"x"})");
  CHECK(bad.in.rejects.at(0).stage == reject_stage::map);
  CHECK(bad.logged() == rows{"Order,7,\x01{\"n\":\"x\"},NULL"});
  auto unknown = decode_one(shop(), "{}", "Nobody");
  CHECK(unknown.why().contains("Nobody"));
  CHECK(unknown.logged() == rows{"Nobody,7,\x01{},NULL"});
}

TEST_CASE("JSON that jsonb cannot hold is logged as it came") {
  for (auto text : {R"({"n":1,"s":"\u0000"})", R"({"n":1,"x":1e200000})"}) {
    CAPTURE(text);
    auto odd = decode_one(shop(), text);
    CHECK(odd.what == outcome::written);
    CHECK(odd.logged() == rows{std::string{"Order,7,NULL,"} + text});
  }
}

TEST_CASE("a tombstone that nobody expects is logged") {
  auto gone = decode_one(shop(), std::nullopt);
  CHECK(gone.what == outcome::rejected);
  CHECK(gone.logged() == rows{"Order,7,NULL,NULL"});
}

TEST_CASE("an event that is good is logged once") {
  auto good = decode_one(shop(), R"({"n":1})");
  CHECK(good.what == outcome::written);
  CHECK(good.logged() == rows{"Order,7,\x01{\"n\":1},NULL"});
  CHECK(good.in.rejects.empty());
}

TEST_CASE("beside a reject all rows are made that always are, or none") {
  auto config = shop();
  auto also = write_into("orders", {{"n", ".n"}});
  also.always = true;
  config.events[0].writes[0].when = said(".kind = 5 and .kind < 'x'");
  config.events[0].writes.push_back(also);
  auto both = decode_one(config, R"({"n":1,"kind":5})");
  CHECK(both.what == outcome::rejected);
  CHECK(both.in.blocks.at(1).rows() == 1);
  CHECK(both.in.blocks.at(2).rows() == 1);
  auto none = decode_one(config, R"({"n":"x","kind":6})");
  CHECK(none.what == outcome::rejected);
  CHECK(none.in.blocks.at(1).rows() == 0);
  CHECK(none.in.blocks.at(2).rows() == 0);
  CHECK(none.why().contains("\"x\""));
}

TEST_CASE("a write that is not made always is not made for a reject") {
  auto config = shop();
  config.events[1].writes[0].always = false;
  CHECK(decode_one(config, "no").logged().empty());
}

TEST_CASE("a record without a lane of its own is logged by nobody") {
  auto config = shop();
  config.tenant = said("header('event-type')");
  auto stray = decode_one(config, R"({"n":1})");
  CHECK(stray.what == outcome::unrouted);
  CHECK(stray.stray.rejects.size() == 1);
  CHECK(stray.stray.blocks.at(in_log).rows() == 0);
}

TEST_CASE("@raw is for bytea alone") {
  auto config = shop();
  config.events[1].writes[0].columns[0].value = said("@raw");
  CHECK(all_problems(config, tables()).contains("expected what fits type"));
}
