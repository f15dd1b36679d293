#include "actors/cluster/json_writer.hpp"
#include "actors/cluster/log.hpp"
#include "actors/cluster/unicode.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <iterator>

namespace millrace::log {

namespace {

template <class... Fs>
struct overload : Fs... {
  using Fs::operator()...;
};

/// Case matters to nobody who writes a key=value list by hand.
std::size_t find_no_case(std::string_view text, std::string_view what,
                         std::size_t from) {
  auto lower = [](char x) {
    return x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x;
  };
  auto same = [lower](char x, char y) { return lower(x) == lower(y); };
  auto begin = text.begin() + static_cast<std::ptrdiff_t>(from);
  auto hit = std::search(begin, text.end(), what.begin(), what.end(), same);
  return hit == text.end()
           ? std::string_view::npos
           : static_cast<std::size_t>(std::distance(text.begin(), hit));
}

/// Replaces the password in each `scheme://user:password@`.
void mask_urls(std::string& text) {
  constexpr std::string_view mark = "://";
  for (auto at = text.find(mark); at != text.npos; at = text.find(mark, at)) {
    at += mark.size();
    auto end = std::min(text.find_first_of("/? \t\r\n\"'", at), text.size());
    auto host = text.rfind('@', end);
    auto colon = text.find(':', at);
    if (host == text.npos || host < at || colon >= host)
      continue;
    text.replace(colon + 1, host - colon - 1, "***");
  }
}

/// Replaces what follows `password=`, as a bare word or in single quotes.
void mask_pairs(std::string& text) {
  constexpr std::string_view mark = "password=";
  for (auto at = find_no_case(text, mark, 0); at != text.npos;
       at = find_no_case(text, mark, at)) {
    at += mark.size();
    auto quoted = at < text.size() && text[at] == '\'';
    auto end = quoted ? text.find('\'', at + 1)
                      : text.find_first_of("&; \t\r\n\"',", at);
    if (end == text.npos)
      end = text.size();
    else if (quoted)
      ++end;
    text.replace(at, end - at, "***");
  }
}

/// Masked, and cut where a code point ends.
std::string tame(std::string_view text) {
  auto total = text.size();
  auto cut = total > max_value_bytes;
  if (cut) {
    auto keep = max_value_bytes;
    while (keep > 0 && (static_cast<uint8_t>(text[keep]) & 0xC0) == 0x80)
      --keep;
    text = text.substr(0, keep);
  }
  auto result = mask(text);
  if (cut)
    std::format_to(std::back_inserter(result), "... ({} bytes)", total);
  return result;
}

std::string double_text(double x) {
  std::array<char, 32> buffer{};
  auto done = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x);
  return {buffer.data(), done.ptr};
}

std::string_view level_word(format how, level x) {
  auto text = how == format::text;
  switch (x) {
    case level::debug:
      return text ? "DEBUG" : "debug";
    case level::info:
      return text ? "INFO" : "info";
    case level::warning:
      return text ? "WARN" : "warning";
    case level::error:
      return text ? "ERROR" : "error";
    case level::off:
      break;
  }
  return text ? "OFF" : "off";
}

std::string time_text(std::chrono::system_clock::time_point when) {
  auto ms = std::chrono::floor<std::chrono::milliseconds>(when);
  return std::format("{:%FT%T}Z", ms);
}

std::string text_line(std::string_view time, level x, std::string_view event,
                      std::span<const field> xs) {
  auto line = std::format("{} {} {}", time, level_word(format::text, x),
                          escape(event));
  for (const auto& [key, val] : xs) {
    line += ' ';
    line += escape(key);
    line += '=';
    std::visit(overload{
                 [&](std::string_view y) { line += escape(tame(y)); },
                 [&](bool y) { line += y ? "true" : "false"; },
                 [&](double y) { line += double_text(y); },
                 [&](auto y) { line += std::to_string(y); },
               },
               val.data());
  }
  return line;
}

std::string json_line(std::string_view time, level x, std::string_view event,
                      std::span<const field> xs) {
  json_writer out;
  out.begin_object();
  out.key("ts").string(time);
  out.key("level").string(level_word(format::json, x));
  out.key("event").string(event);
  for (const auto& [key, val] : xs) {
    out.key(key);
    std::visit(overload{
                 [&](std::string_view y) { out.string(tame(y)); },
                 [&](bool y) { out.boolean(y); },
                 [&](double y) { out.number(y); },
                 [&](auto y) { out.integer(y); },
               },
               val.data());
  }
  out.end_object();
  return std::move(out).str();
}

} // namespace

std::optional<level> parse_level(std::string_view text) {
  for (auto x :
       {level::debug, level::info, level::warning, level::error, level::off})
    if (text == level_word(format::json, x))
      return x;
  return std::nullopt;
}

std::string mask(std::string_view text) {
  std::string result{text};
  mask_urls(result);
  mask_pairs(result);
  return result;
}

std::string escape(std::string_view text) {
  auto plain = !text.empty() && text.find_first_of(" \"=\\") == text.npos;
  std::string result;
  auto to = std::back_inserter(result);
  for (auto rest = text; !rest.empty();) {
    auto cp = next_code_point(rest);
    if (!cp.valid) {
      std::format_to(to, "\\x{:02x}", static_cast<uint32_t>(cp.value));
    } else if (cp.value == '"' || cp.value == '\\') {
      result += '\\';
      result += static_cast<char>(cp.value);
    } else if (cp.value == '\n') {
      result += "\\n";
    } else if (cp.value == '\r') {
      result += "\\r";
    } else if (cp.value == '\t') {
      result += "\\t";
    } else if (is_hazardous(cp.value)) {
      std::format_to(to, "\\u{{{:x}}}", static_cast<uint32_t>(cp.value));
    } else {
      result += rest.substr(0, cp.bytes);
    }
    plain = plain && cp.valid && !is_hazardous(cp.value);
    rest.remove_prefix(cp.bytes);
  }
  return plain ? result : '"' + result + '"';
}

std::string render(format how, std::chrono::system_clock::time_point when,
                   level x, std::string_view event, std::span<const field> xs) {
  auto time = time_text(when);
  return how == format::text ? text_line(time, x, event, xs)
                             : json_line(time, x, event, xs);
}

} // namespace millrace::log
