#include "nodes/line_source.hpp"
#include "nodes/produce.hpp"
#include "tests/source/kafka_fixture.hpp"
#include "tests/support/scratch_folder.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <set>

using namespace millrace;
using namespace millrace::test;

namespace {

/// `xz -9` of "a\nbb\n" twice, as one file of two streams.
std::string two_xz_streams() {
  constexpr auto hex
    = "fd377a585a000004e6d6b44604c0090521011c00000000000000000076e9077001000461"
      "0a62620a000000003b8dae7fe510f9d20001250543911fb81fb6f37d010000000004595"
      "a";
  std::string one;
  for (std::string_view rest{hex}; !rest.empty(); rest.remove_prefix(2))
    one += static_cast<char>(
      std::stoi(std::string{rest.substr(0, 2)}, nullptr, 16));
  return one + one;
}

std::vector<std::string> lines_of(const std::string& path, bool keep = false) {
  auto source = line_source::open(path, keep);
  REQUIRE(source);
  std::vector<std::string> result;
  for (;;) {
    auto line = source->next();
    REQUIRE(line);
    if (!*line)
      return result;
    result.emplace_back(**line);
  }
}

struct produce_fixture : mock_fixture {
  scratch_folder files;

  produce_config config(std::string_view text) {
    produce_config result;
    result.properties = properties;
    result.topic = "t";
    result.input = files.write("in.ndjson", text);
    return result;
  }

  /// Everything that is in both partitions.
  std::vector<seen_record> sent() {
    auto consumer = open_consumer();
    collector seen;
    for (int32_t number : {0, 1}) {
      auto queue = must(consumer.assign(from(0, number)));
      drain_until(consumer, *queue, seen, at_end);
    }
    return seen.records;
  }
};

std::string text_of(const std::expected<produce_stats, std::string>& x) {
  return x ? "" : x.error();
}

} // namespace

TEST_CASE("lines end with LF, CR LF or the text; empty ones do not count") {
  scratch_folder files;
  auto path = files.write("x", "a\n\nb\r\n\r\n{\"c\": 1}");
  CHECK(lines_of(path) == std::vector<std::string>{"a", "b", "{\"c\": 1}"});
  CHECK(lines_of(files.write("empty", "")).empty());
}

TEST_CASE("lines longer than the read buffer stay whole") {
  scratch_folder files;
  std::string big(3'000'000, 'x');
  auto path = files.write("x", "a\n" + big + "\nb\n" + big);
  CHECK(lines_of(path) == std::vector<std::string>{"a", big, "b", big});
}

TEST_CASE("an xz file may hold several streams") {
  scratch_folder files;
  auto path = files.write("x.xz", two_xz_streams());
  CHECK(lines_of(path) == std::vector<std::string>{"a", "bb", "a", "bb"});
}

TEST_CASE("an xz file that is cut off is an error that names it") {
  scratch_folder files;
  auto path = files.write("x.xz", two_xz_streams().substr(0, 90));
  auto source = line_source::open(path, false);
  REQUIRE(source);
  std::expected<std::optional<std::string_view>, std::string> line;
  do
    line = source->next();
  while (line && *line);
  REQUIRE_FALSE(line);
  CHECK(line.error() == path + ": is not a whole .xz file");
}

TEST_CASE("a file that is not there is an error that names it") {
  auto source = line_source::open("/nonexistent/x", false);
  REQUIRE_FALSE(source);
  CHECK(source.error().starts_with("/nonexistent/x: cannot be opened: "));
}

TEST_CASE_METHOD(produce_fixture,
                 "a record's key is the member, whatever stands before it") {
  auto job = config(R"({"other": "\"symbol\":\"NO\"", "symbol": "EUR\u0055SD"}
{"symbol": 41}
{"symbol": null}
{"x": {"symbol": "inner"}}
not json
)");
  job.key = "symbol";
  auto stats = produce(job);
  INFO(text_of(stats));
  REQUIRE(stats);
  CHECK(stats->records == 5);
  CHECK(stats->delivered == 5);
  CHECK(stats->without_key == 3);
  CHECK(stats->partitions == 2);
  std::multiset<std::string> keys;
  int without = 0;
  for (const auto& x : sent())
    if (x.key)
      keys.insert(*x.key);
    else
      ++without;
  CHECK(keys == std::multiset<std::string>{"41", "EURUSD"});
  CHECK(without == 3);
}

TEST_CASE_METHOD(produce_fixture, "equal keys go to one partition") {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += std::format("{{\"k\": \"{}\"}}\n", i % 20);
  auto job = config(text);
  job.key = "k";
  REQUIRE(produce(job));
  auto consumer = open_consumer();
  std::set<std::string> keys[2];
  for (int32_t number : {0, 1}) {
    auto queue = must(consumer.assign(from(0, number)));
    collector seen;
    drain_until(consumer, *queue, seen, at_end);
    for (const auto& x : seen.records)
      keys[number].insert(*x.key);
  }
  CHECK(keys[0].size() + keys[1].size() == 20);
  CHECK_FALSE(keys[0].empty());
  CHECK_FALSE(keys[1].empty());
}

TEST_CASE_METHOD(produce_fixture,
                 "a record's timestamp can come from the payload") {
  auto job = config(R"({"at": "2026-01-19T17:21:51.8949576+05:30"}
{"at": 1234}
{"at": "tomorrow"}
)");
  job.timestamp_field = "at";
  job.headers = {{"event-type", "Tick"}};
  auto stats = produce(job);
  REQUIRE(stats);
  CHECK(stats->without_timestamp == 1);
  std::map<std::string, int64_t> times;
  for (const auto& x : sent()) {
    times[*x.value] = x.timestamp_ms;
    REQUIRE(x.headers.size() == 1);
    CHECK(x.headers[0].first == "event-type");
    CHECK(x.headers[0].second == "Tick");
  }
  CHECK(times[R"({"at": "2026-01-19T17:21:51.8949576+05:30"})"]
        == 1'768'823'511'894);
  CHECK(times[R"({"at": 1234})"] == 1234);
  CHECK(times[R"({"at": "tomorrow"})"] > 1'700'000'000'000);
}

TEST_CASE_METHOD(produce_fixture, "the input is repeated up to the limit") {
  auto job = config("a\nb\nc\n");
  SECTION("passes") {
    job.repeat = 3;
    CHECK(produce(job)->records == 9);
  }
  SECTION("limit within a pass") {
    job.repeat = 0;
    job.limit = 7;
    auto stats = produce(job);
    REQUIRE(stats);
    CHECK(stats->records == 7);
    CHECK(stats->passes == 2);
  }
  CHECK(sent().size() >= 7);
}

TEST_CASE_METHOD(produce_fixture, "a rate is held and progress is told") {
  std::string text;
  for (int i = 0; i < 300; ++i)
    text += "x\n";
  auto job = config(text);
  job.rate = 1000;
  job.progress_interval = 50ms;
  int calls = 0;
  job.on_progress = [&](const produce_stats&) { ++calls; };
  auto stats = produce(job);
  REQUIRE(stats);
  // The last of 300 records is due after 299 ms.
  CHECK(stats->elapsed.count() >= 0.299);
  CHECK(calls >= 3);
}

TEST_CASE_METHOD(produce_fixture, "a request to stop ends an endless replay") {
  auto job = config("a\n");
  job.repeat = 0;
  job.rate = 1000;
  job.progress_interval = 1ms;
  std::stop_source stop;
  job.on_progress = [&](const produce_stats& x) {
    if (x.records >= 20)
      stop.request_stop();
  };
  auto stats = produce(job, stop.get_token());
  REQUIRE(stats);
  CHECK(stats->delivered == stats->records);
}

TEST_CASE_METHOD(produce_fixture, "an endless replay of nothing is refused") {
  auto job = config("\n\n");
  job.repeat = 0;
  auto stats = produce(job);
  REQUIRE_FALSE(stats);
  CHECK(stats.error().ends_with("there is nothing to send"));
}

TEST_CASE("settings of a replay that make no sense are named") {
  produce_config good;
  good.topic = "t";
  good.input = "-";
  CHECK_FALSE(validate(good));
  auto bad = [&](auto change) {
    auto config = good;
    change(config);
    return validate(config).value_or("");
  };
  CHECK(bad([](auto& x) { x.topic = ""; }) == "the topic must have a name");
  CHECK(bad([](auto& x) { x.rate = -1; }).contains("rate"));
  CHECK(bad([](auto& x) { x.rate = std::stod("nan"); }).contains("rate"));
  CHECK(bad([](auto& x) { x.repeat = -1; }).contains("repeat"));
  CHECK(bad([](auto& x) { x.limit = -1; }).contains("limit"));
}

TEST_CASE("a progress line shows the rate since the last one") {
  produce_stats before;
  produce_stats now;
  before.records = 1'234'567;
  now.records = 1'244'567;
  now.delivered = 1'240'000;
  now.elapsed = std::chrono::duration<double>{2};
  CHECK(progress_line(now, before)
        == "1,244,567 records, 5,000/s, 1,240,000 acknowledged");
}
