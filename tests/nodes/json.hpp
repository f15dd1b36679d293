#pragma once

#include <catch2/catch_test_macros.hpp>

#include <string>

#include <simdjson.h>

namespace millrace::test {

/// A document that a command printed. Fails the test where it is none.
class json_document {
public:
  explicit json_document(const std::string& text) {
    INFO(text);
    REQUIRE(text.ends_with('\n'));
    REQUIRE(parser_.parse(text).get(root_) == simdjson::SUCCESS);
  }

  const simdjson::dom::element& operator*() const noexcept {
    return root_;
  }

  /// The text at a JSON pointer such as `/0/message`.
  std::string text(std::string_view pointer) const {
    std::string_view result;
    INFO(pointer);
    REQUIRE(root_.at_pointer(pointer).get(result) == simdjson::SUCCESS);
    return std::string{result};
  }

  int64_t integer(std::string_view pointer) const {
    int64_t result = 0;
    INFO(pointer);
    REQUIRE(root_.at_pointer(pointer).get(result) == simdjson::SUCCESS);
    return result;
  }

  bool boolean(std::string_view pointer) const {
    bool result = false;
    INFO(pointer);
    REQUIRE(root_.at_pointer(pointer).get(result) == simdjson::SUCCESS);
    return result;
  }

  /// Elements of the document, which must be an array.
  std::size_t size() const {
    simdjson::dom::array all;
    REQUIRE(root_.get(all) == simdjson::SUCCESS);
    return all.size();
  }

private:
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

} // namespace millrace::test
