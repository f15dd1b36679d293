// `millrace generate pme`: the day of an exchange, and how it is written.

#include "nodes/base64.hpp"
#include "nodes/cli/generate_day.hpp"
#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

using namespace millrace;
using namespace millrace::cli;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

using words = std::vector<std::string>;

std::vector<exchange_record> day_of(const exchange_day_options& options) {
  exchange_day day{options};
  std::vector<exchange_record> result;
  while (auto x = day.next())
    result.push_back(std::move(*x));
  return result;
}

exchange_day_options options(int64_t events, uint64_t seed = 1) {
  exchange_day_options result;
  result.events = events;
  result.seed = seed;
  return result;
}

std::string type_of(const exchange_record& x) {
  return x.headers.at(0).second;
}

/// A body's members, by name.
class body {
public:
  explicit body(const std::string& text) {
    REQUIRE(parser_.parse(text).get(root_) == simdjson::SUCCESS);
  }

  int64_t integer(std::string_view pointer) const {
    int64_t result = 0;
    INFO(pointer);
    REQUIRE(root_.at_pointer(pointer).get(result) == simdjson::SUCCESS);
    return result;
  }

  double number(std::string_view pointer) const {
    double result = 0;
    INFO(pointer);
    REQUIRE(root_.at_pointer(pointer).get(result) == simdjson::SUCCESS);
    return result;
  }

  std::string text(std::string_view pointer) const {
    std::string_view result;
    INFO(pointer);
    REQUIRE(root_.at_pointer(pointer).get(result) == simdjson::SUCCESS);
    return std::string{result};
  }

private:
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

/// Orders, trades and codes that an event is about.
std::vector<std::string> subjects(const exchange_record& x) {
  auto type = type_of(x);
  body of{x.body};
  auto number = [&](std::string_view what, std::string_view pointer) {
    return std::string{what} + std::to_string(of.integer(pointer));
  };
  if (type == "Order")
    return {number("order ", "/nid")};
  if (type.starts_with("Order"))
    return {number("order ", "/order_nid")};
  if (type == "Trade")
    return {number("trade ", "/nid"), number("order ", "/Lender/0/order_nid"),
            number("order ", "/Borrower/0/order_nid")};
  if (type.starts_with("Trade") || type == "Contract")
    return {number("trade ", "/trade_nid")};
  if (type == "Participant" || type == "Instrument" || type == "Account"
      || type == "AccountLimit")
    return {type + of.text("/code")};
  return {type};
}

std::string text_of(const std::string& file) {
  std::ostringstream out;
  out << std::ifstream{file}.rdbuf();
  return out.str();
}

} // namespace

TEST_CASE("a generated day is the same for the same seed alone") {
  auto bodies = [](uint64_t seed) {
    std::string result;
    for (const auto& x : day_of(options(500, seed)))
      result += std::to_string(x.timestamp_ms) + std::to_string(x.partition)
                + x.body;
    return result;
  };
  CHECK(bodies(7) == bodies(7));
  CHECK(bodies(7) != bodies(8));
}

TEST_CASE("a day has as many records as were asked for, and its end is the "
          "last") {
  for (int64_t n : {45, 150, 3000}) {
    auto day = day_of(options(n));
    CHECK(std::ssize(day) == n);
    CHECK(type_of(day.back()) == "Eod");
  }
}

TEST_CASE("a small day has all 23 types of events, whatever the seed") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    std::set<std::string> types;
    for (const auto& x : day_of(options(200, seed)))
      types.insert(type_of(x));
    INFO(seed);
    CHECK(types.size() == 23);
  }
}

TEST_CASE("a day of orders ends when all is over that they led to") {
  exchange_day_options x = options(0);
  x.orders = 40;
  int64_t orders = 0;
  int64_t answered = 0;
  auto day = day_of(x);
  for (const auto& record : day) {
    auto type = type_of(record);
    // Not those that others led to, nor those that are sent twice.
    if (type == "Order")
      ++orders;
    if (type == "OrderAck" || type == "OrderNak")
      ++answered;
  }
  CHECK(orders >= 40);
  CHECK(answered >= 40);
  CHECK(type_of(day.back()) == "Eod");
}

TEST_CASE("of two events about one order, trade or code one is later by "
          "Kafka's time") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    std::map<std::string, int64_t> last;
    for (const auto& x : day_of(options(1000, seed)))
      for (const auto& about : subjects(x)) {
        INFO(seed << ' ' << about << ' ' << x.body);
        auto& before = last[about];
        CHECK(before < x.timestamp_ms);
        before = x.timestamp_ms;
      }
  }
}

TEST_CASE("a day's log goes back in time by a little now and then, and has "
          "records of one millisecond") {
  int64_t before = 0;
  int64_t back = 0;
  int64_t same = 0;
  for (const auto& x : day_of(options(5000))) {
    back += x.timestamp_ms < before ? 1 : 0;
    same += x.timestamp_ms == before ? 1 : 0;
    CHECK(x.timestamp_ms >= before - 3);
    before = x.timestamp_ms;
  }
  CHECK(back > 0);
  CHECK(same > 0);
}

TEST_CASE("a trade's contracts are its quantity each, and their fees follow "
          "from price, quantity and rate") {
  std::map<int64_t, double> prices;
  auto trades = 0;
  for (const auto& x : day_of(options(2000))) {
    auto type = type_of(x);
    if (type == "Order") {
      body of{x.body};
      prices[of.integer("/nid")] = of.number("/market_price");
    }
    if (type != "Trade")
      continue;
    ++trades;
    body of{x.body};
    auto quantity = of.number("/quantity");
    CHECK(quantity > 0);
    CHECK(of.number("/Lender/0/quantity") == quantity);
    CHECK(of.number("/Borrower/0/quantity") == quantity);
    CHECK(of.integer("/Borrower/0/nid") == of.integer("/nid") * 10 + 1);
    CHECK(of.integer("/Lender/0/nid") == of.integer("/nid") * 10 + 2);
    auto price = prices.at(of.integer("/Borrower/0/order_nid"));
    CHECK(of.number("/Borrower/0/fee_flat_val") == price * quantity * 0.0005);
    CHECK(of.number("/Borrower/0/fee_val_daily")
          == price * quantity * 0.18 / 365);
    CHECK(of.number("/Lender/0/fee_flat_val") == 0);
    CHECK(of.number("/Lender/0/fee_val_daily")
          == price * quantity * 0.15 / 365);
  }
  CHECK(trades > 100);
}

TEST_CASE("poison comes in the share that was asked for, and nobody can use "
          "it") {
  auto plain = options(4000);
  plain.poison = 0.05;
  auto bad = 0;
  simdjson::dom::parser parser;
  for (const auto& x : day_of(plain)) {
    simdjson::dom::element root;
    int64_t about = 0;
    auto type = type_of(x);
    auto name = type.starts_with("Trade") ? "/trade_nid" : "/order_nid";
    auto named = type != "Order" && type != "Trade"
                 && (type.starts_with("Order") || type.starts_with("Trade"));
    if (type == "OrderExpired" || parser.parse(x.body).get(root)
        || (named && root.at_pointer(name).get(about)))
      ++bad;
  }
  CHECK(bad > 150);
  CHECK(bad < 250);
}

TEST_CASE("bodies are written as the source's encoder writes them") {
  ledger_body out;
  out.text("a", "x < \"y\" & z>").number("b", 150000).number("c", 0.18);
  out.number("d", 304767.12328767125).number("e", 5e-7).number("f", 1e21);
  out.number("g", 0).integer("h", 254430383091757056).boolean("i", true);
  out.time("j", 1'764'728'130'417).time("k", 1'764'728'130'400);
  out.time("l", 1'764'728'130'000).time("m", std::nullopt);
  out.time_of_day("n", 13 * 60 + 30);
  CHECK(std::move(out).str()
        == R"({"timestamp":"0001-01-01T00:00:00Z",)"
           R"("a":"x \u003c \"y\" \u0026 z\u003e","b":150000,"c":0.18,)"
           R"("d":304767.12328767125,"e":5e-07,"f":1e+21,"g":0,)"
           R"("h":254430383091757056,"i":true,)"
           R"("j":"2025-12-03T09:15:30.417+07:00",)"
           R"("k":"2025-12-03T09:15:30.4+07:00",)"
           R"("l":"2025-12-03T09:15:30+07:00","m":"0001-01-01T00:00:00Z",)"
           R"("n":"0000-01-01T13:30:00Z"})");
}

TEST_CASE("dates are the exchange's, seven hours before UTC's") {
  // 2025-12-03 23:30 and 2025-12-04 00:30 at +07:00.
  CHECK(compact_date(1'764'779'400'000, true) == "20251203233000");
  CHECK(compact_date(1'764'783'000'000, false) == "20251204");
  CHECK(local_midnight(1'764'783'000'000) == 1'764'781'200'000);
  CHECK(local_midnight(1'764'783'000'000, 1) == 1'764'867'600'000);
}

TEST_CASE("generate writes lines that produce reads as records") {
  scratch_folder folder;
  auto file = folder.path() + "/day.ndjson";
  auto x = run({"generate", "pme", "--orders", "20", "--seed", "7", "--poison",
                "1%", "--accounts", "4", "--out", file, "--json"});
  CHECK(x.err.empty());
  CHECK(x.code == 0);
  json_document account{x.out};
  std::istringstream lines{text_of(file)};
  std::string line;
  int64_t count = 0;
  std::map<int64_t, int64_t> offsets;
  while (std::getline(lines, line)) {
    ++count;
    json_document record{line + '\n'};
    CHECK(record.integer("/offset") == offsets[record.integer("/partition")]++);
    CHECK(record.text("/headers/0/0") == "event-type");
    CHECK(from_base64(record.text("/key_b64")) == "ledgerpoint");
    CHECK(from_base64(record.text("/value_b64"))->starts_with("{\"timestamp"));
  }
  CHECK(count > 100);
  CHECK(account.integer("/records") == count);
  CHECK(account.integer("/types/Eod") == 1);
  CHECK(offsets.size() == 3);
  // The same on standard output, where there is no account.
  auto again = run({"generate", "pme", "--orders", "20", "--seed", "7",
                    "--poison", "1%", "--accounts", "4"});
  CHECK(again.out == text_of(file));
}

TEST_CASE("generate writes no faster than it was told, and the same records") {
  scratch_folder folder;
  auto slow = folder.path() + "/slow.ndjson";
  auto fast = folder.path() + "/fast.ndjson";
  words day{"generate", "pme", "--events", "200", "--out"};
  auto written = [](words args, const std::string& file) {
    args.push_back(file);
    return args;
  };
  REQUIRE(run(written(day, fast)).code == 0);
  auto limited = written(day, slow);
  limited.insert(limited.end(), {"--rate", "2"});
  process generate{limited};
  auto lines = [&] { return std::ranges::count(text_of(slow), '\n'); };
  // The first ones come at once, not in blocks; all would take 100 s.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (lines() < 3 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  generate.signal(SIGKILL);
  CHECK(generate.wait().code == 128 + SIGKILL);
  CHECK(lines() >= 3);
  CHECK(lines() < 150);
  CHECK(text_of(fast).starts_with(text_of(slow)));
}

TEST_CASE("generate names all that is wrong with its options") {
  auto x = run({"generate", "pme", "--events", "20", "--poison", "100%",
                "--partitions", "0", "--opens", "nine", "--orders", "-1",
                "--rate", "-1"});
  CHECK(x.code == 2);
  for (const auto* text :
       {"--events: found 20, expected at least 41", "--poison: found \"100%\"",
        "--partitions: found 0", "--opens: found \"nine\"",
        "--orders: found -1", "--rate: found -1"})
    CHECK_THAT(x.err, ContainsSubstring(text));
}

TEST_CASE("generate says why a file cannot be made") {
  auto x = run({"generate", "pme", "--out", "/proc/none/day.ndjson"});
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("/proc/none/day.ndjson: "));
}
