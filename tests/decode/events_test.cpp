// Several kinds of events in a pipeline: which one takes a record, and what
// becomes of those that nobody takes.

#include "tests/decode/rows.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace millrace;
using namespace millrace::test;

namespace {

using rows = std::vector<std::string>;

/// Orders, their rejections, closed orders apart from open ones, and a log of
/// all.
pipeline_config shop() {
  auto order = event_of("Order", {write_into("orders", {{"a", ".nid"}})});
  auto closed = event_of("closed", {write_into("closed", {{"a", ".nid"}})});
  closed.types = {"Order", "Close"};
  closed.when = said(".state = 'C'");
  auto nak = event_of("OrderNak", {write_into("naks", {{"a", ".nid"}})});
  nak.writes[0].when = said(".message != null");
  auto log = event_of("log",
                      {write_into("log", {{"a", "@type"}, {"b", "@payload"}})});
  log.every = true;
  log.route = {};
  for (auto* x : {&order, &closed, &nak})
    x->route = said(".nid");
  auto result = pipeline_of({closed, order, nak, log});
  result.event_type = said("header('event-type')");
  return result;
}

std::vector<table_schema> tables() {
  return {text_table("orders", {"a"}), text_table("closed", {"a"}),
          text_table("naks", {"a"}), text_table("log", {"a", "b"})};
}

constexpr std::size_t closed = 0;
constexpr std::size_t orders = 1;
constexpr std::size_t naks = 2;
constexpr std::size_t in_log = 3;

struct decoded {
  outcome what;
  batch in;
  uint64_t hash;

  rows of(std::size_t block) const {
    return text_rows(in.blocks.at(block));
  }
};

decoded decode_one(const pipeline_config& config,
                   std::optional<std::string_view> type,
                   std::string_view payload) {
  decoder decode{compiled(config, tables())};
  memory_sink sink;
  header_view header{"event-type", type};
  std::span<const header_view> headers;
  if (type)
    headers = {&header, 1};
  auto what = decode.decode(record_with(payload, headers), sink);
  return {what, sink.of("demo"), sink.last_hash};
}

} // namespace

TEST_CASE("an event is what the first one of its type says whose when holds") {
  auto config = shop();
  auto open = decode_one(config, "Order", R"({"nid":1,"state":"S"})");
  CHECK(open.what == outcome::written);
  CHECK(open.of(orders) == rows{"1"});
  CHECK(open.of(closed).empty());
  auto done = decode_one(config, "Order", R"({"nid":2,"state":"C"})");
  CHECK(done.of(closed) == rows{"2"});
  CHECK(done.of(orders).empty());
  auto close = decode_one(config, "Close", R"({"nid":3,"state":"C"})");
  CHECK(close.of(closed) == rows{"3"});
  CHECK(close.in.events == 1);
}

TEST_CASE("what is for every event is made beside the event that takes it") {
  auto config = shop();
  auto open = decode_one(config, "Order", R"({"nid":1})");
  CHECK(open.of(in_log) == rows{R"(Order,{"nid":1})"});
  config.events[3].when = said("@type != 'Order'");
  CHECK(decode_one(config, "Order", R"({"nid":1})").of(in_log).empty());
}

TEST_CASE("the route is that of the event that takes the record") {
  auto config = shop();
  config.events[2].route = said(".order");
  auto a = decode_one(config, "Order", R"({"nid":5,"order":6})");
  auto b = decode_one(config, "OrderNak", R"({"nid":5,"order":6})");
  CHECK(a.hash == route_hash("5"));
  CHECK(b.hash == route_hash("6"));
}

TEST_CASE("an event that nobody takes is a dead letter, or counted") {
  auto config = shop();
  auto unknown = decode_one(config, "Nobody", R"({"nid":1})");
  CHECK(unknown.what == outcome::rejected);
  CHECK(unknown.in.rejects.at(0).stage == reject_stage::map);
  CHECK(unknown.in.rejects.at(0).reason
        == "found the event type \"Nobody\", expected one of the pipeline's "
           "events");
  CHECK(unknown.of(in_log).empty());
  CHECK(unknown.hash == route_hash("k"));
  auto none = decode_one(config, std::nullopt, R"({"nid":1})");
  CHECK(none.in.rejects.at(0).reason
        == "found no event type (header('event-type') is nothing)");
  auto undecided = decode_one(config, "Close", R"({"nid":1,"state":"S"})");
  CHECK(undecided.in.rejects.at(0).reason.contains("no when"));

  config.unmatched = unmatched_policy::ignore;
  auto logged = decode_one(config, "Nobody", R"({"nid":1})");
  CHECK(logged.what == outcome::written);
  CHECK(logged.of(in_log) == rows{R"(Nobody,{"nid":1})"});
  config.events.pop_back();
  auto ignored = decode_one(config, "Nobody", R"({"nid":1})");
  CHECK(ignored.what == outcome::filtered);
  CHECK(ignored.in.filtered == 1);
  CHECK(ignored.in.events == 1);
  CHECK(ignored.in.rejects.empty());
}

TEST_CASE("the lane of what nobody takes can be told by the event for all") {
  auto config = shop();
  config.unmatched = unmatched_policy::ignore;
  config.events[3].route = said("@offset");
  CHECK(decode_one(config, "Nobody", "{}").hash == route_hash("7"));
}

TEST_CASE("a write whose condition does not hold makes no row") {
  auto config = shop();
  config.events.pop_back();
  auto none = decode_one(config, "OrderNak", R"({"nid":1})");
  CHECK(none.what == outcome::filtered);
  CHECK(none.in.filtered == 1);
  auto some = decode_one(config, "OrderNak", R"({"nid":1,"message":"m"})");
  CHECK(some.of(naks) == rows{"1"});
  CHECK(some.in.filtered == 0);
}

TEST_CASE("a condition that cannot be computed is a dead letter") {
  auto config = shop();
  config.events[0].when = said(".state > 5");
  auto x = decode_one(config, "Order", R"({"nid":1,"state":"S"})");
  CHECK(x.what == outcome::rejected);
  CHECK(x.in.rejects.at(0).reason.contains("expected a number"));
}

TEST_CASE("a payload that is no JSON is one, whatever the type and the "
          "conditions") {
  auto config = shop();
  config.unmatched = unmatched_policy::ignore;
  // The number is read by no column of the event that takes the record.
  config.events[1].writes[0] = write_into("orders", {{"a", ".n"}});
  auto integers = tables();
  integers[0].columns[0] = column("a", "bigint", 20);
  decoder decode{compiled(config, integers)};
  for (auto type : {"OrderNak", "Nobody"}) {
    header_view header{"event-type", type};
    memory_sink sink;
    CHECK(decode.decode(record_with(R"({"nid":1,"n":01})", {&header, 1}), sink)
          == outcome::rejected);
    CHECK(sink.of("demo").rejects.at(0).stage == reject_stage::decode);
  }
}

TEST_CASE("types can come from a field, the topic or the first header") {
  auto config = shop();
  config.event_type = said(".kind");
  CHECK(decode_one(config, "x", R"({"nid":1,"kind":"Order"})").of(orders)
        == rows{"1"});
  config.event_type = said("header(1)");
  CHECK(decode_one(config, "Order", R"({"nid":1})").of(orders) == rows{"1"});
  config.event_type = said("capture(@topic, 't.{}.x')");
  config.events[1].types = {"north"};
  CHECK(decode_one(config, "x", R"({"nid":1})").of(orders) == rows{"1"});
}

TEST_CASE("a tombstone is taken by type, and refused where its event has no "
          "write for it") {
  auto config = shop();
  config.events[1].route = said("@key");
  config.events[2].route = said("@key");
  config.events.erase(config.events.begin());
  auto gone = write_into("orders", {{"a", "@key"}});
  gone.kind = write_kind::remove;
  gone.on = write_occasion::tombstone;
  gone.key = {"a"};
  config.events[0].writes[0].kind = write_kind::upsert;
  config.events[0].writes[0].key = {"a"};
  config.events[0].writes.push_back(gone);
  auto keyed = tables();
  keyed[0].unique_keys = {{"a"}};
  decoder decode{compiled(config, keyed)};
  auto run = [&](std::string_view type) {
    memory_sink sink;
    header_view header{"event-type", type};
    auto record = record_with("", {&header, 1});
    record.value = std::nullopt;
    decode.decode(record, sink);
    return sink.of("demo");
  };
  auto known = run("Order");
  CHECK(known.rejects.empty());
  CHECK(text_rows(known.blocks.at(1)) == rows{"k"});
  CHECK(run("OrderNak").rejects.at(0).reason.contains("no write of the"));
  // What chooses the event must be known without a payload.
  config.event_type = said(".kind");
  CHECK(all_problems(config, keyed)
          .contains("pipeline.p.event_type: found "
                    ".kind, expected what tombstones "
                    "have too"));
}

TEST_CASE("types, conditions, loops and the policy are part of the map") {
  auto base = shop();
  auto of = [](const pipeline_config& x) {
    return compiled(x, tables())->map_fingerprint();
  };
  std::vector<uint64_t> all{of(base)};
  auto differs = [&](auto change) {
    auto config = shop();
    change(config);
    auto mine = of(config);
    CHECK_FALSE(std::ranges::contains(all, mine));
    all.push_back(mine);
  };
  differs([](auto& x) { x.event_type = said("header('type')"); });
  differs([](auto& x) { x.events[0].types = {"Order"}; });
  differs([](auto& x) { x.events[1].name = "order"; });
  differs([](auto& x) { x.events[0].when = said(".state = 'D'"); });
  differs([](auto& x) { x.events[3].when = said(".a = 1"); });
  differs([](auto& x) { x.events[2].writes[0].when = said(".a = 1"); });
  differs([](auto& x) { x.events[2].writes[0].each = said("i in .is"); });
  differs([](auto& x) { x.events[2].writes[0].each = said("i in .us"); });
  differs([](auto& x) { x.unmatched = unmatched_policy::ignore; });
  differs([](auto& x) { x.member_names = name_case::any_case; });
  auto same = shop();
  same.events[0].when.text = " .state='C' ";
  same.events[1].writes[0].columns[0].value = said(".other");
  CHECK(of(same) == of(base));
}
