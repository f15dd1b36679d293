#include "config/placement.hpp"

#include "config/values.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace {

namespace {

constexpr std::string_view any = "*";
constexpr std::string_view unrouted = "_unrouted";

constexpr uint64_t fnv_basis = 0xCBF2'9CE4'8422'2325;

constexpr uint64_t fnv1a(std::string_view text, uint64_t from) noexcept {
  for (auto c : text) {
    from ^= static_cast<unsigned char>(c);
    from *= 0x100'0000'01B3;
  }
  return from;
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014): FNV alone leaves
/// the high bits of texts alike that differ at the end only.
constexpr uint64_t mix(uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xBF58'476D'1CE4'E5B9;
  x = (x ^ (x >> 27)) * 0x94D0'49BB'1331'11EB;
  return x ^ (x >> 31);
}

std::optional<int32_t> parse_index(std::string_view x) {
  int32_t result = 0;
  auto [end, error] = std::from_chars(x.data(), x.data() + x.size(), result);
  if (error != std::errc{} || end != x.data() + x.size() || result < 0)
    return std::nullopt;
  return result;
}

bool parse_numbers(std::string_view x, place_pattern& to) {
  if (x == any)
    return true;
  auto hyphen = x.find('-');
  auto first = parse_index(x.substr(0, hyphen));
  auto last = hyphen == x.npos ? first : parse_index(x.substr(hyphen + 1));
  if (!first || !last || *last < *first)
    return false;
  to.first = *first;
  to.last = *last;
  return true;
}

bool is_same(std::string_view pattern, std::string_view name) noexcept {
  return pattern.empty() || pattern == name;
}

bool meet(std::string_view x, std::string_view y) noexcept {
  return x.empty() || y.empty() || x == y;
}

std::vector<place_pattern> parse_all(const std::vector<std::string>& texts) {
  std::vector<place_pattern> result;
  for (const auto& text : texts)
    if (auto x = parse_place(text))
      result.push_back(std::move(*x));
  return result;
}

} // namespace

bool place_pattern::matches(std::string_view pipeline_name,
                            std::string_view middle_name,
                            int32_t number) const noexcept {
  return is_same(pipeline, pipeline_name) && is_same(middle, middle_name)
         && first <= number && number <= last;
}

bool place_pattern::overlaps(const place_pattern& x) const noexcept {
  return meet(pipeline, x.pipeline) && meet(middle, x.middle) && first <= x.last
         && x.first <= last;
}

std::optional<place_pattern> parse_place(std::string_view x) {
  place_pattern result;
  auto slash = x.find('/');
  auto head = x.substr(0, slash);
  if (head != any) {
    if (!is_name(head))
      return std::nullopt;
    result.pipeline = head;
  }
  if (slash == x.npos)
    return head == any ? std::optional{result} : std::nullopt;
  x.remove_prefix(slash + 1);
  slash = x.find('/');
  head = x.substr(0, slash);
  if (head != any) {
    if (head.empty())
      return std::nullopt;
    result.middle = head;
  }
  if (slash == x.npos)
    return head == any ? std::optional{result} : std::nullopt;
  if (!parse_numbers(x.substr(slash + 1), result))
    return std::nullopt;
  return result;
}

bool is_lane_pattern(std::string_view x) {
  auto pattern = parse_place(x);
  return pattern
         && (pattern->middle.empty() || pattern->middle == unrouted
             || is_name(pattern->middle));
}

bool is_partition_pattern(std::string_view x) {
  auto pattern = parse_place(x);
  return pattern && (pattern->middle.empty() || is_topic(pattern->middle));
}

placement::placement(const cluster_config& table, std::string self)
  : self_{std::move(self)} {
  for (const auto& x : table.nodes)
    nodes_.push_back({x.node, parse_all(x.lanes), parse_all(x.partitions)});
  if (nodes_.empty())
    nodes_.push_back({self_, {}, {}});
  std::ranges::sort(nodes_, {}, &node_entry::name);
  fingerprint_ = fnv_basis;
  auto add = [this](std::string text) {
    fingerprint_ = fnv1a(text + '\n', fingerprint_);
  };
  for (auto node : nodes_) {
    add("node " + node.name);
    for (auto [kind, list] : {std::pair{"lane ", &node.lanes},
                              std::pair{"partition ", &node.partitions}}) {
      std::vector<std::string> texts;
      for (const auto& x : *list)
        texts.push_back(kind + x.pipeline + '/' + x.middle + '/'
                        + std::to_string(x.first) + '-'
                        + std::to_string(x.last));
      std::ranges::sort(texts);
      std::ranges::for_each(texts, add);
    }
  }
}

bool placement::knows_self() const noexcept {
  return std::ranges::contains(nodes_, self_, &node_entry::name);
}

const std::string& placement::lane_owner(std::string_view pipeline,
                                         std::string_view tenant,
                                         int32_t number) const {
  return owner(&node_entry::lanes, "lane", pipeline, tenant, number);
}

const std::string& placement::partition_owner(std::string_view pipeline,
                                              std::string_view topic,
                                              int32_t number) const {
  return owner(&node_entry::partitions, "partition", pipeline, topic, number);
}

const std::string& placement::owner(patterns which, std::string_view kind,
                                    std::string_view pipeline,
                                    std::string_view middle,
                                    int32_t number) const {
  for (const auto& node : nodes_)
    for (const auto& pattern : node.*which)
      if (pattern.matches(pipeline, middle, number))
        return node.name;
  std::string name{kind};
  name.append("/").append(pipeline).append("/").append(middle);
  name.append("/").append(std::to_string(number)).append("\n");
  auto start = fnv1a(name, fnv_basis);
  const auto* best = &nodes_.front();
  uint64_t best_rank = 0;
  for (const auto& node : nodes_) {
    auto rank = mix(fnv1a(node.name, start));
    if (rank > best_rank) {
      best = &node;
      best_rank = rank;
    }
  }
  return best->name;
}

} // namespace millrace
