#include "tests/checker/json_scan.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include <simdjson.h>

namespace millrace_check {

namespace {

constexpr int max_depth = 64;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Walks over text that is known to be valid JSON.
class walker {
public:
  explicit walker(std::string_view text) : text_{text} {
  }

  void spaces() {
    while (at_ < text_.size() && is_space(text_[at_]))
      ++at_;
  }

  char peek() const {
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  void step() {
    ++at_;
  }

  std::string_view string() {
    auto from = at_++;
    while (text_[at_] != '"')
      at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    return text_.substr(from, at_ - from);
  }

  std::string_view value() {
    if (peek() == '"')
      return string();
    auto from = at_;
    int depth = 0;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '"') {
        string();
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']' || is_space(c)))
        break;
      depth += (c == '{' || c == '[') - (c == '}' || c == ']');
      deepest_ = std::max(deepest_, depth);
      ++at_;
      if (depth == 0 && (c == '}' || c == ']'))
        break;
    }
    return text_.substr(from, at_ - from);
  }

  int deepest() const {
    return deepest_;
  }

private:
  std::string_view text_;
  std::size_t at_ = 0;
  int deepest_ = 0;
};

unsigned hex4(std::string_view text) {
  unsigned value = 0;
  std::from_chars(text.data(), text.data() + 4, value, 16);
  return value;
}

void put_utf8(std::string& out, unsigned point) {
  auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6);
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3f));
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

} // namespace

std::string unescape(std::string_view raw) {
  raw = raw.substr(1, raw.size() - 2);
  if (!raw.contains('\\'))
    return std::string{raw};
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out += raw[i];
      continue;
    }
    char c = raw[++i];
    if (c == 'u') {
      auto point = hex4(raw.substr(i + 1));
      i += 4;
      if (point >= 0xd800 && point < 0xdc00) {
        auto low = hex4(raw.substr(i + 3));
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        i += 6;
      }
      put_utf8(out, point);
      continue;
    }
    constexpr std::string_view from = "bfnrt";
    constexpr std::string_view to = "\b\f\n\r\t";
    auto which = from.find(c);
    out += which == std::string_view::npos ? c : to[which];
  }
  return out;
}

std::expected<std::vector<json_member>, std::string>
scan_object(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf"))
    return std::unexpected{std::string{"begins with a byte order mark"}};
  // One parser per thread: it keeps its buffers.
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element document;
  auto code = parser.parse(text.data(), text.size()).get(document);
  if (code != simdjson::SUCCESS)
    return std::unexpected{std::string{"not valid JSON: "}
                           + simdjson::error_message(code)};
  if (!document.is_object())
    return std::unexpected{std::string{"not a JSON object"}};
  std::vector<json_member> members;
  walker in{text};
  in.spaces();
  in.step();
  for (;;) {
    in.spaces();
    if (in.peek() == '}')
      break;
    if (in.peek() == ',') {
      in.step();
      continue;
    }
    auto& member = members.emplace_back();
    member.name = unescape(in.string());
    in.spaces();
    in.step();
    in.spaces();
    member.raw = in.value();
  }
  if (in.deepest() + 1 > max_depth)
    return std::unexpected{std::string{"nested too deeply"}};
  return members;
}

} // namespace millrace_check
