// What needs no server: SQL as text and COPY data.

#include "actors/store/copy_rows.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/write_plan.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <map>
#include <random>

using namespace millrace;

namespace {

/// A row of `size` bytes whose first two are a field count of 1.
void add_row(row_block& block, int64_t at, uint64_t key, char fill,
             std::size_t size) {
  block.bytes.push_back(std::byte{0});
  block.bytes.push_back(std::byte{1});
  for (std::size_t i = 2; i < size; ++i)
    block.bytes.push_back(static_cast<std::byte>(fill));
  block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
  block.offsets.push_back(at);
  block.keys.push_back({0, key});
}

std::string text_of(const copy_rows& x) {
  std::string result;
  for (const auto& piece : x.pieces)
    for (auto b : piece)
      result += std::to_integer<int>(b) < 32 ? '|' : static_cast<char>(b);
  return result;
}

flush flush_of(std::vector<std::pair<batch, int64_t>> xs) {
  flush result;
  for (auto& [data, trim] : xs)
    result.sources.push_back(
      {std::make_shared<const batch>(std::move(data)), offset{trim}});
  return result;
}

} // namespace

TEST_CASE("names are quoted whatever is in them, and refused where PostgreSQL "
          "would cut them") {
  CHECK(quote_identifier("ticks") == "\"ticks\"");
  CHECK(quote_identifier("a\"b") == "\"a\"\"b\"");
  CHECK(quote_identifier("s", "t") == "\"s\".\"t\"");
  CHECK(quote_identifier(std::string(63, 'x')).size() == 65);
  CHECK_THROWS_AS(quote_identifier(std::string(64, 'x')),
                  std::invalid_argument);
  CHECK_THROWS_AS(quote_identifier(""), std::invalid_argument);
  CHECK_THROWS_AS(quote_identifier(std::string_view{"a\0b", 3}),
                  std::invalid_argument);
}

TEST_CASE("texts are quoted so that no setting of the server matters") {
  CHECK(quote_literal("it's") == "'it''s'");
  CHECK(quote_literal("a\\'; DROP") == "E'a\\\\''; DROP'");
  CHECK_THROWS_AS(quote_literal(std::string_view{"\0", 1}),
                  std::invalid_argument);
}

TEST_CASE("arrays are written and read") {
  std::vector<std::optional<int64_t>> xs{1, {}, -3};
  CHECK(array_text(xs) == "{1,NULL,-3}");
  CHECK(array_text(std::vector<std::string>{"a", "b\"c\\", ""})
        == "{\"a\",\"b\\\"c\\\\\",\"\"}");
  CHECK(parse_array("{}") == std::vector<int64_t>{});
  CHECK(parse_array("{1,-2}") == std::vector<int64_t>{1, -2});
  for (auto bad : {"", "{", "1", "{1,}", "{,1}", "{NULL}", "{1 2}", "{1,x}"})
    CHECK_FALSE(parse_array(bad));
}

TEST_CASE("a claim's statement holds numbers, a uuid and quoted names only") {
  claim c;
  c.lane = {"p", "it's", shard{3}};
  c.epoch = epoch{4};
  c.next_seq = seq{5};
  c.seqs = 6;
  c.map_version = map_version{7};
  c.shape = shape{0xffffffffffffffff};
  c.ranges = {{slot{0}, offset{1}, {offset{1}, offset{9}}, offset{2}},
              {slot{2}, offset{3}, {offset{4}, offset{8}}, {}}};
  CHECK(claim_statement(c)
        == "SELECT millrace.claim('p','it''s',3,4,"
           "'00000000-0000-0000-0000-000000000000',5,6,7,-1,"
           "'{1,3}','{1,3}','{1,4}','{9,8}','{2,NULL}')");
}

TEST_CASE("writers of different lanes have different names that PostgreSQL "
          "keeps whole") {
  auto a = writer_name({"p", "a/b", shard{0}});
  auto b = writer_name({"p/a", "b", shard{0}});
  CHECK(a != b);
  auto longest = writer_name({std::string(200, 'p'), "\xc3\xa4 \n", shard{1}});
  CHECK(longest.size() == 63);
  CHECK(longest.starts_with("millrace writer "));
  for (auto c : writer_name({"\xc3\xa4", "\n", shard{1}}))
    CHECK((c >= ' ' && c < '\x7f'));
}

TEST_CASE("a plan goes through its tables in the order of their names") {
  std::vector<std::string> columns{"a"};
  auto plan
    = make_write_plan("p", "t", shape{1},
                      {{"s", "z", write_method::append, columns, {}, {}},
                       {"s", "b", write_method::append, columns, {}, {}},
                       {"r", "z", write_method::append, columns, {}, {}}});
  CHECK(plan->blocks == 3);
  REQUIRE(plan->writes.size() == 3);
  CHECK(plan->writes[0].block == 2);
  CHECK(plan->writes[1].block == 1);
  CHECK(plan->writes[2].block == 0);
  CHECK(plan->writes[2].copy
        == "COPY \"s\".\"z\" (\"a\") FROM STDIN (FORMAT binary)");
}

TEST_CASE("a plan that cannot work is refused") {
  auto bad = [](write_target x) {
    CHECK_THROWS_AS(make_write_plan("p", "t", shape{1}, {std::move(x)}),
                    std::invalid_argument);
  };
  bad({"s", "t", write_method::append, {}, {}, {}});
  bad({"s", "t", write_method::upsert, {"a"}, {}, {}});
  bad({"s", "t", write_method::upsert, {"a"}, {"b"}, {}});
  bad({"s", "t", write_method::upsert, {"a"}, {"a"}, "b"});
  bad({"s", std::string(64, 't'), write_method::append, {"a"}, {}, {}});
}

TEST_CASE("staging names tell pipelines, tenants, writes and shapes apart") {
  auto name = [](auto pipeline, auto tenant, uint64_t rows_of,
                 std::size_t write) {
    write_target x{"s", "t", write_method::upsert, {"a"}, {"a"}, {}};
    auto y = x;
    y.table = "u";
    auto plan = make_write_plan(pipeline, tenant, shape{rows_of}, {x, y});
    return plan->writes.at(write).staging;
  };
  auto base = name("p", "t", 1, 0);
  CHECK(base.size() <= 63);
  CHECK(base == name("p", "t", 1, 0));
  CHECK(base != name("q", "t", 1, 0));
  CHECK(base != name("p", "u", 1, 0));
  CHECK(base != name("p", "t", 2, 0));
  CHECK(base != name("p", "t", 1, 1));
}

TEST_CASE("appended rows are sent as they lie there, from the first that is "
          "kept") {
  batch a, b;
  a.blocks.resize(1);
  b.blocks.resize(1);
  add_row(a.blocks[0], 5, 1, 'a', 4);
  add_row(a.blocks[0], 6, 1, 'b', 4);
  add_row(a.blocks[0], 6, 1, 'c', 5);
  add_row(b.blocks[0], 7, 1, 'd', 3);
  planned_write write;
  auto work = flush_of({{a, 6}, {b, 7}});
  auto rows = kept_rows(work, write);
  CHECK(rows.rows == 3);
  CHECK(rows.pieces.size() == 2);
  CHECK(text_of(rows) == "||bb||ccc||d");
  CHECK(rows.bytes == 12);
  CHECK(kept_rows(flush_of({{a, 7}, {b, 8}}), write).rows == 0);
}

TEST_CASE("of rows with one key the last is kept, over batches too, and the "
          "order stays") {
  batch a, b;
  a.blocks.resize(1);
  b.blocks.resize(1);
  add_row(a.blocks[0], 1, 1, 'a', 3);
  add_row(a.blocks[0], 2, 2, 'b', 3);
  add_row(a.blocks[0], 3, 3, 'c', 3);
  add_row(a.blocks[0], 4, 2, 'd', 3);
  add_row(b.blocks[0], 5, 3, 'e', 3);
  add_row(b.blocks[0], 6, 4, 'f', 3);
  planned_write write;
  write.method = write_method::upsert;
  auto work = flush_of({{a, 0}, {b, 0}});
  auto rows = kept_rows(work, write);
  CHECK(text_of(rows) == "||a||d||e||f");
  CHECK(rows.rows == 4);
  CHECK(rows.pieces.size() == 3);
}

TEST_CASE("collapsing equals a fold by key, whatever the batches") {
  std::mt19937_64 chance{GENERATE(1u, 2u, 3u, 4u)};
  std::vector<std::pair<batch, int64_t>> batches;
  std::map<uint64_t, char> fold;
  std::vector<std::pair<uint64_t, char>> order;
  int64_t at = 0;
  for (int i = 0; i < 5; ++i) {
    batch data;
    data.blocks.resize(1);
    auto trim = at + static_cast<int64_t>(chance() % 20);
    for (int j = 0; j < 100; ++j, ++at) {
      auto key = chance() % 60;
      auto fill = static_cast<char>('A' + chance() % 50);
      add_row(data.blocks[0], at, key, fill, 3);
      if (at >= trim) {
        fold[key] = fill;
        order.emplace_back(key, fill);
      }
    }
    batches.emplace_back(std::move(data), trim);
  }
  planned_write write;
  write.method = write_method::upsert;
  auto work = flush_of(std::move(batches));
  auto rows = kept_rows(work, write);
  CHECK(rows.rows == static_cast<int64_t>(fold.size()));
  std::string expected;
  for (std::size_t i = 0; i < order.size(); ++i) {
    auto later = std::ranges::find(order.begin() + static_cast<long>(i) + 1,
                                   order.end(), order[i].first,
                                   &std::pair<uint64_t, char>::first);
    if (later == order.end())
      expected += std::string{"||"} + order[i].second;
  }
  CHECK(text_of(rows) == expected);
}

TEST_CASE("rows for a guarded write carry their position as one more field") {
  batch a;
  a.blocks.resize(1);
  add_row(a.blocks[0], 1, 1, 'a', 3);
  add_row(a.blocks[0], 2, 1, 'b', 3);
  planned_write write;
  write.method = write_method::upsert;
  write.numbered = true;
  auto work = flush_of({{a, 0}});
  auto rows = kept_rows(work, write);
  REQUIRE(rows.rows == 2);
  REQUIRE(rows.owned.size() == 2 * (3 + 12));
  CHECK(rows.owned[1] == std::byte{2});
  CHECK(rows.owned[2] == std::byte{'a'});
  CHECK(rows.owned[6] == std::byte{8});
  CHECK(rows.owned[14] == std::byte{0});
  CHECK(rows.owned[29] == std::byte{1});
}

TEST_CASE("a block that contradicts itself is refused") {
  batch a;
  a.blocks.resize(1);
  add_row(a.blocks[0], 1, 1, 'a', 3);
  planned_write write;
  SECTION("offsets") {
    a.blocks[0].offsets.clear();
  }
  SECTION("bytes") {
    a.blocks[0].bytes.pop_back();
  }
  SECTION("keys") {
    write.method = write_method::upsert;
    a.blocks[0].keys.clear();
  }
  CHECK_THROWS_AS(kept_rows(flush_of({{a, 0}}), write), std::invalid_argument);
}

TEST_CASE("the header of COPY is 19 bytes, the trailer two") {
  CHECK(copy_header().size() == 19);
  CHECK(copy_header()[7] == std::byte{0xff});
  CHECK(copy_trailer().size() == 2);
}

TEST_CASE("any bytes become text that PostgreSQL takes") {
  auto clean = [](std::string_view x) { return clean_text(x, 100); };
  CHECK(clean("plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80")
        == "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
  constexpr auto bad = "\xef\xbf\xbd";
  CHECK(clean({"\0", 1}) == bad);
  CHECK(clean("\xff") == bad);
  CHECK(clean("\xc0\xaf") == std::string{bad} + bad);
  CHECK(clean("\xed\xa0\x80") == std::string{bad} + bad + bad);
  CHECK(clean("\xf4\x90\x80\x80") == std::string{bad} + bad + bad + bad);
  CHECK(clean("\xe2\x82") == std::string{bad} + bad);
  CHECK(clean_text("aaa\xc3\xa4", 4) == "aaa");
  CHECK(clean_text("\xff", 2) == "");
}
