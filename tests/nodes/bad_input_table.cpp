#include "tests/nodes/bad_input_table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <random>
#include <set>

namespace millrace::test {

namespace {

/// What no case needs more of.
constexpr std::size_t max_repeated_bytes = std::size_t{512} << 20;

int nibble(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <class Int>
bool read_number(std::string_view text, Int& to) {
  auto end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, to);
  return error == std::errc{} && at == end;
}

std::string letters(std::size_t n) {
  constexpr std::string_view all
    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::mt19937_64 random{n};
  std::string result;
  for (std::size_t i = 0; i < n; ++i)
    result += all[random() % all.size()];
  return result;
}

/// What stands between the brackets of `~(…)`.
std::expected<std::string, std::string> repeated(std::string_view text) {
  auto bad = std::unexpected{std::format(
    "found ~({}), expected ~(N*text) or ~(N?)", text.substr(0, 40))};
  auto sign = text.find_first_of("*?");
  std::size_t n = 0;
  if (sign == text.npos || !read_number(text.substr(0, sign), n))
    return bad;
  if (text[sign] == '?') {
    if (sign + 1 != text.size() || n > max_repeated_bytes)
      return bad;
    return letters(n);
  }
  auto one = expand(text.substr(sign + 1));
  if (!one)
    return one;
  if (one->empty() || n > max_repeated_bytes / one->size())
    return bad;
  auto total = n * one->size();
  std::string result;
  result.reserve(total);
  // Twice as much each time: a loop over 256 MiB would take its time.
  if (total > 0)
    result = *one;
  while (result.size() < total)
    result.append(result, 0, std::min(result.size(), total - result.size()));
  return result;
}

/// The first word, cut off together with one space behind it.
std::string_view take_word(std::string_view& line) {
  auto end = std::min(line.find(' '), line.size());
  auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

class reader {
public:
  explicit reader(const std::vector<std::string>& topics) : topics_{topics} {
  }

  void line(std::size_t number, std::string_view text) {
    line_ = number;
    if (text.empty() || text.starts_with('#'))
      return;
    auto rest = text;
    auto word = take_word(rest);
    if (word == "class")
      begin_class(rest);
    else if (word == "case")
      begin_case(rest);
    else if (!open_)
      complain(std::format("found \"{}\", expected a case before it", word));
    else
      fact(word, rest);
  }

  std::expected<std::vector<bad_input>, std::string> finish() {
    end_case();
    if (!faults_.empty())
      return std::unexpected{faults_};
    return std::move(cases_);
  }

private:
  void complain(const std::string& what) {
    faults_ += std::format("line {}: {}\n", line_, what);
  }

  std::string text(std::string_view raw) {
    auto result = expand(raw);
    if (!result)
      complain(result.error());
    return result.value_or("");
  }

  void begin_class(std::string_view rest) {
    end_case();
    auto number = take_word(rest);
    auto before = kind_;
    if (!read_number(number, kind_) || kind_ != before + 1 || rest.empty())
      complain(std::format("found class \"{}\", expected class {} and what it "
                           "is about",
                           number, before + 1));
    kind_ = before + 1;
  }

  void begin_case(std::string_view rest) {
    end_case();
    if (rest.empty() || !names_.emplace(rest).second)
      complain(std::format("found the case \"{}\", expected a name that no "
                           "other case has",
                           rest));
    open_ = true;
    outcomes_ = 0;
    bad_input x;
    x.line = line_;
    x.kind = kind_;
    x.name = rest;
    x.topic = topics_.front();
    x.key = std::format("case {}", cases_.size() + 1);
    cases_.push_back(std::move(x));
  }

  void end_case() {
    if (!std::exchange(open_, false))
      return;
    const auto& x = cases_.back();
    if (x.values.empty())
      complain(std::format("\"{}\" sends nothing, expected value or tombstone",
                           x.name));
    if (outcomes_ > 1 || (outcomes_ == 0 && x.asks.empty()))
      complain(std::format("\"{}\" has {} outcomes, expected row, letter, "
                           "unrouted or filtered, or an ask alone",
                           x.name, outcomes_));
    if (!x.asks.empty() && asks_ != x.asks.size())
      complain(std::format("\"{}\" has an ask without gives", x.name));
    asks_ = 0;
  }

  void set_outcome(bad_outcome to) {
    auto& x = cases_.back();
    // A row has a line for each column.
    if (x.outcome != to || to != bad_outcome::row || outcomes_ == 0)
      ++outcomes_;
    x.outcome = to;
  }

  void fact(std::string_view word, std::string_view rest) {
    auto& x = cases_.back();
    if (word == "value")
      x.values.emplace_back(text(rest));
    else if (word == "values")
      values(rest);
    else if (word == "tombstone")
      x.values.emplace_back();
    else if (word == "key")
      x.key = text(rest);
    else if (word == "nokey")
      x.key.reset();
    else if (word == "header")
      header(1, rest);
    else if (word == "headers")
      headers(rest);
    else if (word == "row" || word == "letter" || word == "unrouted"
             || word == "filtered")
      outcome(word, rest);
    else if (word == "ask")
      x.asks.emplace_back(rest, "");
    else if (word == "gives")
      gives(rest);
    else
      setting(word, rest);
  }

  void setting(std::string_view word, std::string_view rest) {
    auto& x = cases_.back();
    constexpr auto codecs = std::to_array<std::string_view>(
      {"none", "gzip", "snappy", "lz4", "zstd"});
    constexpr auto places
      = std::to_array<std::string_view>({"middle", "first", "last", "only"});
    if (word == "topic" && std::ranges::contains(topics_, rest)) {
      x.topic = rest;
    } else if (word == "at" && std::ranges::contains(places, rest)) {
      x.place = static_cast<bad_place>(std::ranges::find(places, rest)
                                       - places.begin());
    } else if (word == "codec" && std::ranges::contains(codecs, rest)) {
      x.codec = rest;
    } else if (int64_t ms = 0; word == "time" && read_number(rest, ms)) {
      x.timestamp_ms = ms;
    } else if (word == "sha256" && rest.size() == 64) {
      x.sha256 = rest;
    } else {
      complain(std::format("found \"{} {}\", expected a line of a case", word,
                           rest.substr(0, 40)));
    }
  }

  void values(std::string_view rest) {
    auto number = take_word(rest);
    std::size_t n = 0;
    if (!read_number(number, n) || n == 0 || n > 10'000)
      complain(std::format("found values \"{}\", expected 1 to 10000", number));
    else
      cases_.back().values.insert(cases_.back().values.end(), n, text(rest));
  }

  void headers(std::string_view rest) {
    auto number = take_word(rest);
    std::size_t n = 0;
    if (!read_number(number, n) || n == 0 || n > 100'000)
      complain(
        std::format("found headers \"{}\", expected 1 to 100000", number));
    else
      header(n, rest);
  }

  void header(std::size_t n, std::string_view rest) {
    auto name = text(take_word(rest));
    auto& to = cases_.back().headers;
    to.insert(to.end(), n, {name, text(rest)});
  }

  void outcome(std::string_view word, std::string_view rest) {
    auto& x = cases_.back();
    if (word == "row") {
      set_outcome(bad_outcome::row);
      if (auto column = take_word(rest); !column.empty())
        x.row.emplace_back(column, text(rest));
      return;
    }
    if (word == "filtered") {
      set_outcome(bad_outcome::filtered);
      return;
    }
    set_outcome(word == "letter" ? bad_outcome::letter : bad_outcome::unrouted);
    x.stage = take_word(rest);
    if (x.stage == "store")
      x.sqlstate = take_word(rest);
    if (x.sqlstate == "none")
      x.sqlstate.clear();
    auto empty = rest.empty();
    for (auto go_on = true; go_on;) {
      auto end = rest.find("~*");
      go_on = end != rest.npos;
      x.reason.push_back(text(rest.substr(0, end)));
      rest.remove_prefix(go_on ? end + 2 : rest.size());
    }
    constexpr auto stages
      = std::to_array<std::string_view>({"decode", "map", "store", "waiting"});
    if (!std::ranges::contains(stages, std::string_view{x.stage}) || empty)
      complain(std::format("found the stage \"{}\", expected decode, map, "
                           "waiting, or store and a SQLSTATE, and a reason",
                           x.stage));
  }

  void gives(std::string_view rest) {
    auto& all = cases_.back().asks;
    if (++asks_ != all.size())
      complain("found gives, expected an ask before it");
    else
      all.back().second = text(rest);
  }

  const std::vector<std::string>& topics_;
  std::vector<bad_input> cases_;
  std::set<std::string, std::less<>> names_;
  std::string faults_;
  std::size_t line_ = 0;
  int kind_ = 0;
  bool open_ = false;
  int outcomes_ = 0;
  std::size_t asks_ = 0;
};

} // namespace

std::expected<std::string, std::string> expand(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    auto mark = std::min(text.find('~'), text.size());
    result += text.substr(0, mark);
    text.remove_prefix(mark);
    if (text.empty())
      break;
    if (text.starts_with("~~")) {
      result += '~';
      text.remove_prefix(2);
    } else if (text.starts_with("~(")) {
      auto end = text.find(')');
      auto inner = repeated(text.substr(2, end == text.npos ? end : end - 2));
      if (!inner || end == text.npos)
        return inner ? std::unexpected{std::string{"found ~( without )"}}
                     : inner;
      result += *inner;
      text.remove_prefix(end + 1);
    } else {
      auto high = text.size() > 2 ? nibble(text[1]) : -1;
      auto low = text.size() > 2 ? nibble(text[2]) : -1;
      if (high < 0 || low < 0)
        return std::unexpected{std::format(
          "found \"{}\", expected ~hh, ~~ or ~(…)", text.substr(0, 3))};
      result += static_cast<char>(high * 16 + low);
      text.remove_prefix(3);
    }
  }
  return result;
}

std::expected<std::vector<bad_input>, std::string>
read_bad_inputs(std::string_view text, const std::vector<std::string>& topics) {
  reader all{topics};
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto end = std::min(text.find('\n'), text.size());
    all.line(number, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return all.finish();
}

bool fits(std::string_view text, const std::vector<std::string>& parts) {
  if (parts.size() == 1)
    return text == parts.front();
  if (parts.empty() || !text.starts_with(parts.front()))
    return false;
  text.remove_prefix(parts.front().size());
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
    auto at = text.find(parts[i]);
    if (at == text.npos)
      return false;
    text.remove_prefix(at + parts[i].size());
  }
  return text.ends_with(parts.back());
}

} // namespace millrace::test
