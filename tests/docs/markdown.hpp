#pragma once

// As much of Markdown as checking our own pages needs.

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::test {

/// A fenced block: what stands between its fences.
struct code_block {
  /// The word behind the opening fence, such as `toml`.
  std::string language;
  std::string text;

  /// Of its first line, from 1.
  std::size_t line = 0;
};

/// `[text](target)` outside of code.
struct link {
  std::string target;
  std::size_t line = 0;
};

struct page {
  std::vector<code_block> blocks;
  std::vector<link> links;

  /// What `#…` may name: one for each heading.
  std::set<std::string> anchors;
};

page parse_markdown(std::string_view text);

/// The anchor of a heading, as code hosts make it: lower case, spaces as
/// hyphens, without other punctuation.
std::string anchor_of(std::string_view heading);

} // namespace millrace::test
