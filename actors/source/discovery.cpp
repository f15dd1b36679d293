#include "actors/source/discovery.hpp"

#include <algorithm>
#include <ranges>
#include <stdexcept>

namespace millrace {

namespace {

constexpr std::string_view internal_prefix = "__";

void sort_once(std::vector<std::string>& x) {
  std::ranges::sort(x);
  auto rest = std::ranges::unique(x);
  x.erase(rest.begin(), rest.end());
}

} // namespace

topic_selector::topic_selector(const std::vector<std::string>& entries) {
  for (const auto& text : entries) {
    if (!topic_pattern::is_pattern(text)) {
      names_.push_back(text);
      continue;
    }
    auto pattern = topic_pattern::parse(text);
    if (!pattern)
      throw std::invalid_argument{"pattern " + text + ": "
                                  + pattern.error().what};
    patterns_.push_back(std::move(*pattern));
  }
  sort_once(names_);
}

bool topic_selector::selects(std::string_view topic) const {
  if (std::ranges::binary_search(names_, topic))
    return true;
  return !topic.starts_with(internal_prefix)
         && std::ranges::any_of(patterns_, [&](const topic_pattern& x) {
              return x.matches(topic);
            });
}

std::vector<std::string>
topic_selector::select(std::span<const std::string> all) const {
  auto result = names_;
  for (const auto& topic : all)
    if (selects(topic))
      result.push_back(topic);
  sort_once(result);
  return result;
}

const surveyed_topic* topic_survey::find(std::string_view name) const {
  auto i = std::ranges::find(topics, name, &surveyed_topic::name);
  return i == topics.end() ? nullptr : &*i;
}

// -- consumers ----------------------------------------------------------------

consumer_set::map consumer_set::wanted(const topic_selector& selector,
                                       const topic_survey& survey,
                                       const boot_result& rows) {
  // Where the topic of today has no rows, the last one that had some stands
  // for it; a later slot was given later.
  std::map<std::string, std::pair<slot, uuid>> last;
  std::map<std::string, uuid> chosen;
  for (const auto& x : rows.partitions) {
    if (!selector.selects(x.topic))
      continue;
    const auto* now = survey.find(x.topic);
    if (now && now->id == x.source.topic)
      chosen[x.topic] = now->id;
    auto& latest = last[x.topic];
    latest = std::max(latest, std::pair{x.at, x.source.topic});
  }
  for (const auto& [name, latest] : last)
    chosen.try_emplace(name, latest.second);
  map result;
  for (const auto& x : rows.partitions) {
    auto i = chosen.find(x.topic);
    if (i != chosen.end() && i->second == x.source.topic)
      result.insert_or_assign({x.topic, x.source.number.value}, x);
  }
  return result;
}

bool consumer_set::complete(const surveyed_topic& x) const {
  return std::ranges::all_of(std::views::iota(0, x.partitions),
                             [&](int32_t number) {
                               auto i = consumers_.find({x.name, number});
                               return i != consumers_.end()
                                      && i->second.source.topic == x.id;
                             });
}

bool consumer_set::lacks(const topic_survey& survey) const {
  return !std::ranges::all_of(survey.topics, [this](const surveyed_topic& x) {
    return complete(x);
  });
}

std::vector<std::string>
consumer_set::incomplete(const topic_survey& survey) const {
  std::vector<std::string> result;
  for (const auto& x : survey.topics)
    if (!complete(x))
      result.push_back(x.name);
  return result;
}

std::vector<consumer_set::key>
consumer_set::strangers(const topic_survey& survey) const {
  std::vector<key> result;
  for (const auto& [name, x] : consumers_)
    if (const auto* now = survey.find(name.first);
        now && now->id != x.source.topic)
      result.push_back(name);
  return result;
}

std::vector<consumer_set::key> consumer_set::keys() const {
  std::vector<key> result;
  for (const auto& [name, x] : consumers_)
    result.push_back(name);
  return result;
}

consumer_set::change consumer_set::follow(map wanted) {
  change result;
  for (const auto& [name, x] : consumers_)
    if (!wanted.contains(name))
      result.remove.push_back(name);
  for (const auto& [name, x] : wanted) {
    auto i = consumers_.find(name);
    if (i == consumers_.end() || i->second.source != x.source)
      result.add.push_back(x);
  }
  consumers_ = std::move(wanted);
  return result;
}

void consumer_set::forget(const partition_id& x) {
  std::erase_if(consumers_,
                [&x](const auto& entry) { return entry.second.source == x; });
}

bool absence::missed(const std::string& topic, clock::time_point now) {
  auto [i, first] = since_.try_emplace(topic, now);
  return now - i->second >= patience_;
}

} // namespace millrace
