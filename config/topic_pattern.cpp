#include "config/topic_pattern.hpp"

#include <format>
#include <iterator>
#include <utility>

namespace millrace {

namespace {

constexpr std::string_view special = "^$.[](){}|*+?\\";

bool plain(char c) {
  return c > ' ' && c < 0x7F && !special.contains(c);
}

std::size_t index(char c) {
  return static_cast<unsigned char>(c);
}

/// Nested groups beyond this are refused: each is a call deeper.
constexpr int max_depth = 32;

} // namespace

/// Descends through the text. Every fragment it returns is entered at its
/// first step and left behind its last one.
class topic_pattern::parser {
public:
  explicit parser(std::string_view text) : text_{text} {
  }

  std::expected<program, fault> run() {
    if (!topic_pattern::is_pattern(text_))
      return fail("a pattern that does not begin with ^");
    if (text_.size() > max_size)
      return fail(std::format("more than {} characters", max_size));
    at_ = 1;
    auto result = alternatives();
    if (result && at_ < text_.size())
      return fail(peek() == ')' ? "a ) without its (" : "text behind $");
    return result;
  }

private:
  std::unexpected<fault> fail(std::string what) const {
    return std::unexpected{fault{at_, std::move(what)}};
  }

  bool done() const {
    return at_ >= text_.size() || peek() == ')'
           || (depth_ == 0 && peek() == '$');
  }

  char peek() const {
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  static void append(program& to, const program& what) {
    to.insert(to.end(), what.begin(), what.end());
  }

  static int32_t length(const program& x) {
    return static_cast<int32_t>(x.size());
  }

  static step fork(int32_t first, int32_t second) {
    return {step::kind::fork, {}, first, second};
  }

  static step jump(int32_t to) {
    return {step::kind::jump, {}, to, 1};
  }

  std::expected<program, fault> alternatives() {
    auto left = sequence();
    while (left && peek() == '|') {
      ++at_;
      auto right = sequence();
      if (!right)
        return right;
      program both{fork(1, length(*left) + 2)};
      append(both, *left);
      both.push_back(jump(length(*right) + 1));
      append(both, *right);
      left = std::move(both);
    }
    if (left && depth_ == 0 && text_.substr(at_) == "$")
      ++at_;
    return left;
  }

  std::expected<program, fault> sequence() {
    program result;
    while (!done() && peek() != '|') {
      auto x = repeated();
      if (!x)
        return x;
      append(result, *x);
    }
    return result;
  }

  std::expected<program, fault> repeated() {
    auto x = single();
    if (!x)
      return x;
    auto n = length(*x);
    program result;
    switch (peek()) {
      case '*':
        result.push_back(fork(1, n + 2));
        append(result, *x);
        result.push_back(jump(-(n + 1)));
        break;
      case '+':
        result = *x;
        result.push_back(fork(-n, 1));
        break;
      case '?':
        result.push_back(fork(1, n + 1));
        append(result, *x);
        break;
      default:
        return x;
    }
    ++at_;
    if (std::string_view{"*+?{"}.contains(peek()) && peek() != '\0')
      return fail("a repetition of a repetition; use ( )");
    return result;
  }

  std::expected<program, fault> single() {
    auto c = peek();
    char_set set;
    if (c == '(')
      return group();
    if (c == '[') {
      auto chosen = choice();
      if (!chosen)
        return std::unexpected{chosen.error()};
      set = *chosen;
    } else if (c == '.') {
      set.set();
      ++at_;
    } else if (c == '\\') {
      auto next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      if (!special.contains(next) && next != '-' && next != '_')
        return fail("an escape that is not known");
      set.set(index(next));
      at_ += 2;
    } else if (plain(c)) {
      set.set(index(c));
      ++at_;
    } else {
      return fail(std::string_view{"*+?{"}.contains(c)
                    ? "a repetition of nothing"
                    : "a sign that must stand behind \\, or cannot be in a "
                      "topic's name");
    }
    return program{{step::kind::take, set, 1, 1}};
  }

  std::expected<program, fault> group() {
    auto open = at_++;
    if (++depth_ > max_depth)
      return fail("groups nested too deeply");
    if (peek() == '?')
      return fail("a repetition of nothing; (?…) is not known");
    auto result = alternatives();
    if (!result)
      return result;
    if (peek() != ')') {
      at_ = open;
      return fail("a ( without its )");
    }
    ++at_;
    --depth_;
    return result;
  }

  std::expected<char_set, fault> choice() {
    auto open = at_++;
    auto negated = peek() == '^';
    if (negated)
      ++at_;
    char_set result;
    while (at_ < text_.size() && peek() != ']') {
      if (peek() == '\\')
        ++at_;
      auto from = peek();
      auto to = from;
      if (text_.size() - at_ > 2 && text_[at_ + 1] == '-'
          && text_[at_ + 2] != ']') {
        to = text_[at_ + 2];
        at_ += 2;
      }
      if (from <= ' ' || to >= 0x7F || to < from)
        return fail("a range that holds no characters of a topic's name");
      for (auto c = index(from); c <= index(to); ++c)
        result.set(c);
      ++at_;
    }
    if (at_ >= text_.size() || result.none()) {
      at_ = open;
      return fail(result.none() ? "an empty [ ]" : "a [ without its ]");
    }
    ++at_;
    return negated ? ~result : result;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

std::expected<topic_pattern, topic_pattern::fault>
topic_pattern::parse(std::string_view text) {
  auto steps = parser{text}.run();
  if (!steps)
    return std::unexpected{steps.error()};
  topic_pattern result;
  result.text_ = text;
  result.steps_ = std::move(*steps);
  return result;
}

bool topic_pattern::matches(std::string_view name) const {
  // One place more: behind the last step, where the pattern is fulfilled.
  std::vector<bool> here(steps_.size() + 1);
  reach(0, here);
  for (auto c : name) {
    std::vector<bool> next(here.size());
    for (std::size_t i = 0; i < steps_.size(); ++i)
      if (here[i] && steps_[i].what == step::kind::take && index(c) < 128
          && steps_[i].set.test(index(c)))
        reach(i + 1, next);
    here = std::move(next);
  }
  return here.back();
}

void topic_pattern::reach(std::size_t at, std::vector<bool>& reached) const {
  std::vector<std::size_t> open{at};
  while (!open.empty()) {
    auto i = open.back();
    open.pop_back();
    if (reached[i])
      continue;
    reached[i] = true;
    if (i == steps_.size() || steps_[i].what == step::kind::take)
      continue;
    auto target = [i](int32_t by) {
      return static_cast<std::size_t>(static_cast<int64_t>(i) + by);
    };
    open.push_back(target(steps_[i].first));
    if (steps_[i].what == step::kind::fork)
      open.push_back(target(steps_[i].second));
  }
}

} // namespace millrace
