#include "tests/docs/markdown.hpp"

#include <algorithm>
#include <cctype>

namespace millrace::test {

namespace {

std::string_view trim(std::string_view x) {
  while (x.starts_with(' '))
    x.remove_prefix(1);
  while (x.ends_with(' '))
    x.remove_suffix(1);
  return x;
}

/// The line without what stands in `…`.
std::string without_code(std::string_view line) {
  std::string result;
  auto inside = false;
  for (auto c : line) {
    if (c == '`')
      inside = !inside;
    else if (!inside)
      result += c;
  }
  return result;
}

void add_links(page& to, std::string_view line, std::size_t number) {
  auto text = without_code(line);
  for (std::size_t at = 0;;) {
    at = text.find("](", at);
    if (at == text.npos)
      return;
    at += 2;
    auto end = text.find(')', at);
    if (end == text.npos)
      return;
    to.links.push_back({text.substr(at, end - at), number});
    at = end;
  }
}

} // namespace

std::string anchor_of(std::string_view heading) {
  std::string result;
  for (auto c : heading) {
    auto x = static_cast<unsigned char>(c);
    if (c == ' ')
      result += '-';
    else if (std::isalnum(x) != 0 || c == '-' || c == '_' || x >= 0x80)
      result += static_cast<char>(x < 0x80 ? std::tolower(x) : x);
  }
  return result;
}

page parse_markdown(std::string_view text) {
  page result;
  auto in_block = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto bare = trim(line);
    if (bare.starts_with("```")) {
      in_block = !in_block;
      if (in_block)
        result.blocks.push_back(
          {std::string{trim(bare.substr(3))}, {}, number + 1});
    } else if (in_block) {
      (result.blocks.back().text += line) += '\n';
    } else if (auto marks = line.find_first_not_of('#');
               marks != line.npos && marks > 0 && line[marks] == ' ') {
      result.anchors.insert(anchor_of(trim(line.substr(marks))));
      add_links(result, line, number);
    } else {
      add_links(result, line, number);
    }
  }
  return result;
}

} // namespace millrace::test
