#include "actors/source/kafka_topic_watch.hpp"

#include <librdkafka/rdkafka.h>

namespace millrace::kafka_detail {

namespace {

/// What stands for the id of a topic that is not known yet.
constexpr std::string_view no_id = "AAAAAAAAAAAAAAAAAAAAAA";

/// Takes what is in front of `end` off the text; nothing when it is not there.
std::string_view take_until(std::string_view& text, std::string_view end) {
  auto at = text.find(end);
  if (at == text.npos)
    return {};
  auto result = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return result;
}

} // namespace

/// `[thrd:main]: Topic NAME changed id from ID to ID`
void topic_watch::read(std::string_view facility, std::string_view text) {
  if (facility != "METADATA")
    return;
  auto before = take_until(text, " changed id from ");
  auto word = before.rfind("Topic ");
  if (word == before.npos)
    return;
  auto topic = before.substr(word + 6);
  if (take_until(text, " to ") == no_id)
    return;
  any_ = true;
  std::lock_guard guard{mutex_};
  if (auto i = changes_.find(topic); i != changes_.end())
    ++*i->second;
}

kafka_properties topic_watch::with_contexts(kafka_properties properties) {
  std::string all{contexts};
  for (const auto& [name, value] : properties)
    if (name == "debug" && !value.empty())
      all = value + ',' + std::string{contexts};
  properties.emplace_back("debug", all);
  return properties;
}

bool topic_watch::spoils_client() const noexcept {
  constexpr int first_bad = 0x02'04'00'00;
  constexpr int first_sound = 0x02'0a'00'00;
  auto version = rd_kafka_version();
  return any_ && version >= first_bad && version < first_sound;
}

topic_changes topic_watch::changes_of(const std::string& topic) {
  std::lock_guard guard{mutex_};
  auto& result = changes_[topic];
  if (!result)
    result = std::make_shared<std::atomic<int64_t>>(0);
  return result;
}

} // namespace millrace::kafka_detail
