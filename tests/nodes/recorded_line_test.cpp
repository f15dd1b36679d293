#include "nodes/line_source.hpp"
#include "nodes/recorded_line.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;

namespace {

/// A line with the bytes behind it that the reader wants.
class line {
public:
  explicit line(std::string text) : text_{std::move(text)} {
    size_ = text_.size();
    text_.append(line_source::padding, ' ');
  }

  std::string_view view() const {
    return std::string_view{text_}.substr(0, size_);
  }

private:
  std::string text_;
  std::size_t size_ = 0;
};

} // namespace

TEST_CASE("a recorded line gives a record as Kafka had it") {
  recorded_line_reader reader;
  line text{R"({"partition":2,"offset":7,"timestamp":1795234598860,)"
            R"("headers":[["event-type","Trade"],["n",""]],)"
            R"("key_b64":"bGVkZ2VycG9pbnQ=","value_b64":"AP8K"})"};
  auto x = reader.read(text.view());
  REQUIRE(x);
  CHECK((*x)->partition == 2);
  CHECK((*x)->timestamp_ms == 1795234598860);
  CHECK((*x)->headers
        == std::vector<std::pair<std::string, std::string>>{
          {"event-type", "Trade"}, {"n", ""}});
  CHECK((*x)->key == "ledgerpoint");
  CHECK((*x)->value == std::string{"\0\xff\n", 3});
}

TEST_CASE("what a recorded line does not have is null") {
  recorded_line_reader reader;
  line full{R"({"key_b64":"YQ==","headers":[["a","b"]],"partition":1})"};
  REQUIRE(reader.read(full.view()));
  line text{R"({"value_b64":null})"};
  auto x = reader.read(text.view());
  REQUIRE(x);
  CHECK_FALSE((*x)->key);
  CHECK_FALSE((*x)->value);
  CHECK_FALSE((*x)->timestamp_ms);
  CHECK_FALSE((*x)->partition);
  CHECK((*x)->headers.empty());
  line empty{R"({"value_b64":""})"};
  x = reader.read(empty.view());
  REQUIRE(x);
  CHECK((*x)->value == "");
}

TEST_CASE("a line that was not recorded so is refused with the reason") {
  recorded_line_reader reader;
  auto error_of = [&](const char* text) {
    line x{text};
    auto result = reader.read(x.view());
    return result ? std::string{} : result.error();
  };
  CHECK(error_of("[1]") == "expected a JSON object");
  CHECK(error_of(R"({"key_b64":1})")
        == "key_b64: expected text in base64, or null");
  CHECK(error_of(R"({"value_b64":"a"})")
        == "value_b64: expected base64 with its padding");
  CHECK(error_of(R"({"value_b64":"!!!!"})")
        == "value_b64: expected base64 with its padding");
  CHECK(error_of(R"({"partition":-1})")
        == "partition: expected a number from 0");
  CHECK(error_of(R"({"timestamp":"now"})")
        == "timestamp: expected a number from 0");
  CHECK(error_of(R"({"headers":[["a"]]})")
        == "headers: expected a list of [name, text]");
}
