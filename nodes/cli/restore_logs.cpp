#include "nodes/cli/restore_logs.hpp"

#include "actors/source/kafka_client.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace millrace::cli {

namespace {

std::unexpected<admin_failure> kafka_fail(const kafka_error& x) {
  auto away = x.code == kafka_errc::unreachable
              || x.code == kafka_errc::timed_out;
  return admin_fail(
    away ? exit_code::unreachable : exit_code::failed,
    "Kafka: " + x.message
      + "; without it nobody knows whether the backup's records "
        "can be read on");
}

} // namespace

admin_result<std::vector<log_loss>>
ask_losses(const config& all, const database_facts& facts,
           std::chrono::milliseconds patience) {
  auto wanted = partitions_read(facts);
  if (wanted.empty() || all.kafka.embedded)
    return std::vector<log_loss>{};
  auto client = kafka_client::open(librdkafka_properties(all.kafka),
                                   all.kafka.allow_unidentified_topics);
  if (!client)
    return kafka_fail(client.error());
  std::vector<std::string> names;
  for (const auto& [topic, source] : wanted)
    if (names.empty() || names.back() != topic)
      names.push_back(topic);
  auto topics = client->describe_topics(names, patience);
  if (!topics)
    return kafka_fail(topics.error());
  std::map<std::string, kafka_topic_info> found;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto& x = (*topics)[i];
    if (x)
      found.emplace(names[i], std::move(*x));
    else if (x.error().code != kafka_errc::topic_missing)
      return kafka_fail(x.error());
  }
  std::set<kafka_partition> there;
  for (const auto& [topic, source] : wanted)
    if (auto i = found.find(topic);
        i != found.end() && source.number.value < i->second.partitions)
      there.insert({topic, source.number});
  std::vector<kafka_partition> ask{there.begin(), there.end()};
  std::map<kafka_partition, offset_range> logs;
  if (!ask.empty()) {
    auto marks = client->watermarks(ask, patience);
    if (!marks)
      return kafka_fail(marks.error());
    for (std::size_t i = 0; i < ask.size(); ++i) {
      const auto& x = (*marks)[i];
      if (!x)
        return kafka_fail(x.error());
      logs.emplace(ask[i], offset_range{x->low, x->high});
    }
  }
  return losses_of(facts, [&](const std::string& topic, partition number) {
    known_log result;
    if (auto i = found.find(topic); i != found.end())
      result.topic = i->second.id;
    if (auto i = logs.find({topic, number}); i != logs.end())
      result.range = i->second;
    return result;
  });
}

} // namespace millrace::cli
