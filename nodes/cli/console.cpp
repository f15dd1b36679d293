#include "nodes/cli/console.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <cstdio>
#include <ranges>
#include <utility>

namespace millrace::cli {

namespace {

/// Characters rather than bytes, as a terminal counts most of them.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

void member(json_writer& out, std::string_view key, const std::string& value) {
  if (!value.empty())
    out.key(key).string(value);
}

} // namespace

std::string to_string(severity x) {
  return x == severity::error ? "error" : "warning";
}

finding make_error(std::string text) {
  return {severity::error, std::move(text)};
}

finding make_warning(std::string text) {
  return {severity::warning, std::move(text)};
}

finding make_finding(const problem& x) {
  return {severity::error, to_string(x), x.at,  x.path,
          x.found,         x.expected,   x.hint};
}

std::string to_json(const findings& xs) {
  json_writer out;
  out.begin_array();
  for (const auto& x : xs) {
    out.begin_object();
    out.key("severity").string(to_string(x.level));
    out.key("message").string(x.text);
    member(out, "file", x.at.file);
    if (x.at.line > 0)
      out.key("line").integer(x.at.line);
    if (x.at.column > 0)
      out.key("column").integer(x.at.column);
    member(out, "path", x.path);
    member(out, "found", x.found);
    member(out, "expected", x.expected);
    member(out, "hint", x.hint);
    out.end_object();
  }
  out.end_array();
  return std::move(out).str() + '\n';
}

std::string table_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    auto& line = cells.emplace_back();
    for (const auto& cell : row) {
      line.push_back(printable(cell));
      widths.resize(std::max(widths.size(), line.size()));
      auto& widest = widths[line.size() - 1];
      widest = std::max(widest, width(line.back()));
    }
  }
  std::string result;
  for (const auto& line : cells) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      text += line[i];
      text.append(widths[i] - width(line[i]) + 2, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    result += text + '\n';
  }
  return result;
}

void console::out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void console::note(std::string_view text) const {
  while (text.ends_with('\n'))
    text.remove_suffix(1);
  std::string lines;
  for (auto line : std::views::split(text, '\n'))
    lines += printable(std::string_view{line}) + '\n';
  std::fwrite(lines.data(), 1, lines.size(), stderr);
}

void console::tell(const findings& xs) {
  if (json_) {
    out(to_json(xs));
    return;
  }
  for (const auto& x : xs)
    note(x.level == severity::warning ? "warning: " + x.text : x.text);
}

exit_code console::fail(exit_code code, std::string text) {
  tell({make_error(std::move(text))});
  return code;
}

bool console::flush() {
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

} // namespace millrace::cli
