#pragma once

#include <bitset>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// A regular expression for names of topics: what begins with `^` in a list of
/// topics. It covers the whole name, whether or not `$` stands at its end.
///
/// Knows literals, `.`, `[a-z]`, `[^a-z]`, `( )`, `|`, `*`, `+`, `?`, and `\`
/// before a sign that would mean something else; nothing that looks back. All
/// ways are followed at once, so that matching takes time and memory in
/// proportion to pattern and name, whoever wrote them.
class topic_pattern {
public:
  /// What is wrong, and at which byte of the text.
  struct fault {
    std::size_t at = 0;
    std::string what;
  };

  static constexpr std::size_t max_size = 256;

  /// Whether an entry of a list of topics is a pattern rather than a name.
  static bool is_pattern(std::string_view entry) noexcept {
    return entry.starts_with('^');
  }

  /// `text` with the `^` that it begins with.
  static std::expected<topic_pattern, fault> parse(std::string_view text);

  bool matches(std::string_view name) const;

  const std::string& text() const noexcept {
    return text_;
  }

private:
  using char_set = std::bitset<128>;

  class parser;

  /// Targets are relative to the step they stand in.
  struct step {
    enum class kind : uint8_t {
      /// Takes one character of the set.
      take,
      /// Goes on at both targets.
      fork,
      /// Goes on at the first target.
      jump,
    };
    kind what = kind::take;
    char_set set{};
    int32_t first = 1;
    int32_t second = 1;
  };

  using program = std::vector<step>;

  /// Adds a step and all that it leads to without taking a character.
  void reach(std::size_t at, std::vector<bool>& reached) const;

  std::string text_;
  program steps_;
};

} // namespace millrace
