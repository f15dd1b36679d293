#include "actors/source/kafka_topic_watch.hpp"

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
  std::lock_guard guard{mutex_};
  if (auto i = changes_.find(topic); i != changes_.end())
    ++*i->second;
}

topic_changes topic_watch::changes_of(const std::string& topic) {
  std::lock_guard guard{mutex_};
  auto& result = changes_[topic];
  if (!result)
    result = std::make_shared<std::atomic<int64_t>>(0);
  return result;
}

} // namespace millrace::kafka_detail
