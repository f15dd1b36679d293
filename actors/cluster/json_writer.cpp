#include "actors/cluster/json_writer.hpp"

#include "actors/cluster/unicode.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <format>
#include <iterator>

namespace millrace {

namespace {

void append_escaped(std::string& out, char32_t x) {
  auto to = std::back_inserter(out);
  if (x < 0x10000) {
    std::format_to(to, "\\u{:04x}", static_cast<uint32_t>(x));
    return;
  }
  // Beyond the first plane JSON wants a surrogate pair.
  auto rest = static_cast<uint32_t>(x) - 0x10000;
  std::format_to(to, "\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10),
                 0xDC00 + (rest & 0x3FF));
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    auto cp = next_code_point(text);
    if (!cp.valid) {
      out += "\\ufffd";
    } else if (cp.value == '"' || cp.value == '\\') {
      out += '\\';
      out += static_cast<char>(cp.value);
    } else if (cp.value == '\n') {
      out += "\\n";
    } else if (is_hazardous(cp.value)) {
      append_escaped(out, cp.value);
    } else {
      out += text.substr(0, cp.bytes);
    }
    text.remove_prefix(cp.bytes);
  }
  out += '"';
}

void json_writer::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (filled_.empty())
    return;
  if (filled_.back())
    out_ += ',';
  filled_.back() = true;
}

json_writer& json_writer::open(char x) {
  separate();
  out_ += x;
  filled_.push_back(false);
  return *this;
}

json_writer& json_writer::close(char x) {
  out_ += x;
  filled_.pop_back();
  return *this;
}

json_writer& json_writer::begin_object() {
  return open('{');
}

json_writer& json_writer::end_object() {
  return close('}');
}

json_writer& json_writer::begin_array() {
  return open('[');
}

json_writer& json_writer::end_array() {
  return close(']');
}

json_writer& json_writer::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_ += ':';
  after_key_ = true;
  return *this;
}

json_writer& json_writer::string(std::string_view x) {
  separate();
  append_json_string(out_, x);
  return *this;
}

json_writer& json_writer::boolean(bool x) {
  separate();
  out_ += x ? "true" : "false";
  return *this;
}

json_writer& json_writer::null() {
  separate();
  out_ += "null";
  return *this;
}

json_writer& json_writer::number(double x) {
  if (!std::isfinite(x))
    return null();
  separate();
  std::array<char, 32> buffer{};
  auto done = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x);
  out_.append(buffer.data(), done.ptr);
  return *this;
}

json_writer& json_writer::integer(int64_t x) {
  separate();
  out_ += std::to_string(x);
  return *this;
}

json_writer& json_writer::integer(uint64_t x) {
  separate();
  out_ += std::to_string(x);
  return *this;
}

} // namespace millrace
