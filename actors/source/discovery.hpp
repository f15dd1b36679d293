#pragma once

// What a SOURCE reads, decided without Kafka, actors and PostgreSQL.

#include "config/topic_pattern.hpp"
#include "messages/store_requests.hpp"

#include <chrono>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// A pipeline's list of topics: names, and patterns that begin with `^`.
class topic_selector {
public:
  /// Throws std::invalid_argument when a pattern cannot be read; the
  /// configuration has checked them.
  explicit topic_selector(const std::vector<std::string>& entries);

  bool has_patterns() const noexcept {
    return !patterns_.empty();
  }

  /// Sorted, each once.
  const std::vector<std::string>& names() const noexcept {
    return names_;
  }

  /// Internal topics (`__…`) are matched by no pattern.
  bool selects(std::string_view topic) const;

  /// The names, and those of `all` that a pattern matches: sorted, each once.
  std::vector<std::string> select(std::span<const std::string> all) const;

private:
  std::vector<std::string> names_;
  std::vector<topic_pattern> patterns_;
};

struct surveyed_topic {
  std::string name;
  uuid id;
  int32_t partitions = 0;
};

/// What the cluster has of what a pipeline selects.
struct topic_survey {
  std::vector<surveyed_topic> topics;

  /// Named by the configuration, and not there.
  std::vector<std::string> missing;

  const surveyed_topic* find(std::string_view name) const;
};

/// The consumers that a pipeline has or shall have. Only one topic of a name
/// has consumers.
class consumer_set {
public:
  /// Topic's name and partition's number.
  using key = std::pair<std::string, int32_t>;

  using map = std::map<key, booted_partition>;

  /// What to read, given the survey and what the rows say:
  ///  * all partitions of the topics that are there,
  ///  * the stored partitions of a topic that was made again and not adopted,
  ///    or that is gone: their consumers find that out and say so.
  static map wanted(const topic_selector& selector, const topic_survey& survey,
                    const boot_result& rows);

  /// Whether rows have to be made or read again before all that the survey
  /// shows is read. Holds as long as a topic waits to be adopted.
  bool lacks(const topic_survey& survey) const;

  /// Those topics of the survey that lack a consumer.
  std::vector<std::string> incomplete(const topic_survey& survey) const;

  /// Consumers whose topic is another one by now.
  std::vector<key> strangers(const topic_survey& survey) const;

  /// All of them.
  std::vector<key> keys() const;

  /// What to do to get from these consumers to the wanted ones.
  struct change {
    std::vector<key> remove;
    std::vector<booted_partition> add;
  };

  change follow(map wanted);

  /// Its consumer has ended and wants to be made again.
  void forget(const partition_id& x);

  void forget_all() {
    consumers_.clear();
  }

  std::size_t size() const noexcept {
    return consumers_.size();
  }

private:
  bool complete(const surveyed_topic& x) const;

  map consumers_;
};

/// One decision more about a topic that seems to be gone: a broker that has
/// just started may not know all topics yet, so only one that stays away
/// counts as deleted.
class absence {
public:
  using clock = std::chrono::steady_clock;

  explicit absence(std::chrono::milliseconds patience) : patience_{patience} {
  }

  /// The topic was not found. True when it has been so for long enough.
  bool missed(const std::string& topic, clock::time_point now);

  void seen(const std::string& topic) {
    since_.erase(topic);
  }

private:
  std::chrono::milliseconds patience_;
  std::map<std::string, clock::time_point> since_;
};

} // namespace millrace
