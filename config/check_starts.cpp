// Where a pipeline begins, beside what it reads.

#include "config/checks.hpp"
#include "config/topic_pattern.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <format>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

namespace {

/// Names, and the patterns that can be read: the others are problems already.
class readable_topics {
public:
  explicit readable_topics(const std::vector<std::string>& entries) {
    for (const auto& x : entries) {
      if (!topic_pattern::is_pattern(x)) {
        names_.push_back(x);
        continue;
      }
      auto pattern = topic_pattern::parse(x);
      if (pattern)
        patterns_.push_back(std::move(*pattern));
      else
        unclear_ = true;
    }
  }

  bool has(const std::string& topic) const {
    return unclear_ || std::ranges::contains(names_, topic)
           || std::ranges::any_of(patterns_, [&](const topic_pattern& x) {
                return x.matches(topic);
              });
  }

  const std::vector<std::string>& names() const noexcept {
    return names_;
  }

private:
  std::vector<std::string> names_;
  std::vector<topic_pattern> patterns_;
  bool unclear_ = false;
};

} // namespace

void check_starts(reader& in, const pipeline_config& x,
                  const std::string& path) {
  readable_topics topics{x.topics};
  std::set<std::pair<std::string, int32_t>> seen;
  for (std::size_t i = 0; i < x.start_offsets.size(); ++i) {
    const auto& start = x.start_offsets[i];
    auto item = std::format("{}.start_offsets[{}]", path, i);
    auto at = in.where(item, x.at);
    if (!topics.has(start.topic)) {
      auto near = closest(start.topic, topics.names());
      in.add(at, item, "topic " + in_quotes(start.topic),
             "a topic that topics names or matches",
             near ? "did you mean " + in_quotes(*near) + "?" : "");
    }
    if (!seen.emplace(start.topic, start.partition).second)
      in.add(at, item,
             std::format("{} a second time",
                         in_quotes(
                           std::format("{}/{}", start.topic, start.partition))),
             "each partition once");
  }
}

} // namespace millrace
