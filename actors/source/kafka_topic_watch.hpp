#pragma once

#include "actors/source/kafka.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace millrace::kafka_detail {

/// How often a topic has become another one under its name, as far as one
/// client has noticed. Counted from any thread.
using topic_changes = std::shared_ptr<const std::atomic<int64_t>>;

/// Learns from librdkafka's log that a topic was made again.
///
/// A fetch names the topic's id, and the client asks for records of another id
/// only after it has learnt that id from a broker and has logged so. So whoever
/// takes records out of a queue and *then* finds the count unchanged has none
/// of another topic. Nothing else of librdkafka 2.8 tells: the id is in no
/// record, and a leader's epoch begins at 0 for every topic.
class topic_watch {
public:
  /// Log contexts (property `debug`) that must be on.
  static constexpr std::string_view contexts = "metadata";

  /// The same properties with these contexts on.
  static kafka_properties with_contexts(kafka_properties properties);

  /// To be called with every line.
  void read(std::string_view facility, std::string_view text);

  topic_changes changes_of(const std::string& topic);

  /// Whether the client had better be closed: one of its topics was made again,
  /// and librdkafka 2.4 to 2.9 has freed then what it reads some time later
  /// (its #4778).
  bool spoils_client() const noexcept;

private:
  using counter = std::shared_ptr<std::atomic<int64_t>>;

  std::mutex mutex_;
  std::map<std::string, counter, std::less<>> changes_;
  std::atomic<bool> any_{false};
};

} // namespace millrace::kafka_detail
