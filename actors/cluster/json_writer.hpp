#pragma once

// Writes JSON text: enough for log lines and the admin pages. It escapes
// whatever it gets into valid JSON; it does not read.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8
/// become U+FFFD; what could steer a terminal or end a line is escaped.
void append_json_string(std::string& out, std::string_view text);

/// Builds one JSON document from front to back. Commas are its own business;
/// begin and end must match, and every member of an object needs its key.
class json_writer {
public:
  json_writer& begin_object();
  json_writer& end_object();
  json_writer& begin_array();
  json_writer& end_array();
  json_writer& key(std::string_view name);

  json_writer& string(std::string_view x);
  json_writer& boolean(bool x);
  json_writer& null();

  /// The shortest text that reads back as the same number; null for what JSON
  /// has no number for.
  json_writer& number(double x);

  json_writer& integer(int64_t x);
  json_writer& integer(uint64_t x);

  template <std::integral Int>
  json_writer& integer(Int x) {
    if constexpr (std::signed_integral<Int>)
      return integer(static_cast<int64_t>(x));
    else
      return integer(static_cast<uint64_t>(x));
  }

  const std::string& str() const& noexcept {
    return out_;
  }

  std::string str() && noexcept {
    return std::move(out_);
  }

private:
  void separate();
  json_writer& open(char x);
  json_writer& close(char x);

  std::string out_;

  /// Per open object or array: whether it has a member already.
  std::vector<bool> filled_;
  bool after_key_ = false;
};

} // namespace millrace
