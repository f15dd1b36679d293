// The second half of kafka_client: questions about many topics and partitions
// at once, and the commands that change partitions.

#include "actors/source/kafka_admin.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <format>

namespace millrace::kafka_detail {

std::expected<std::map<kafka_partition, asked_offset>, kafka_error>
list_offsets(rd_kafka_t* client, std::span<const kafka_partition> which,
             int64_t kind, int timeout_ms, std::string_view context) {
  list_handle list{
    rd_kafka_topic_partition_list_new(static_cast<int>(which.size()))};
  for (const auto& x : which)
    rd_kafka_topic_partition_list_add(list.get(), x.topic.c_str(),
                                      x.number.value)
      ->offset
      = kind;
  auto options = admin_options(client, RD_KAFKA_ADMIN_OP_LISTOFFSETS,
                               timeout_ms);
  error_handle{rd_kafka_AdminOptions_set_isolation_level(
    options.get(), RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED)};
  queue_handle queue{rd_kafka_queue_new(client)};
  rd_kafka_ListOffsets(client, list.get(), options.get(), queue.get());
  auto event = await(queue.get(), timeout_ms, context);
  if (!event)
    return std::unexpected{event.error()};
  std::size_t n = 0;
  const auto* answer = rd_kafka_event_ListOffsets_result(event->get());
  const auto** infos = rd_kafka_ListOffsets_result_infos(answer, &n);
  std::map<kafka_partition, asked_offset> result;
  for (std::size_t i = 0; i < n; ++i) {
    const auto* x = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    kafka_partition name{x->topic, {x->partition}};
    auto found = read_offset(x->err, x->offset, name);
    result.emplace(std::move(name), std::move(found));
  }
  return result;
}

asked_offset read_offset(int code, int64_t found, const kafka_partition& of) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR && found == RD_KAFKA_OFFSET_INVALID)
    code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
    return found;
  return std::unexpected{
    classify(code, std::format("watermarks of {}", describe(of)))};
}

} // namespace millrace::kafka_detail

namespace millrace {

using namespace kafka_detail;

namespace {

using described = std::expected<kafka_topic_info, kafka_error>;

/// What was said of one log.
asked_offset take(const std::map<kafka_partition, asked_offset>& said,
                  const kafka_partition& which) {
  auto found = said.find(which);
  if (found != said.end())
    return found->second;
  return std::unexpected{
    classify(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
             std::format("watermarks of {}", describe(which)))};
}

/// Whether the settings of a topic say that it is compacted.
bool says_compact(const rd_kafka_ConfigResource_t* topic) {
  std::size_t n = 0;
  const auto** entries = rd_kafka_ConfigResource_configs(topic, &n);
  for (std::size_t i = 0; i < n; ++i) {
    std::string_view name = rd_kafka_ConfigEntry_name(entries[i]);
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    if (name == "cleanup.policy" && value != nullptr)
      return std::string_view{value}.contains("compact");
  }
  return false;
}

} // namespace

std::expected<kafka_topic_info, kafka_error>
kafka_client::describe_topic(const std::string& topic,
                             std::chrono::milliseconds timeout) {
  auto all = describe_topics({topic}, timeout);
  if (!all)
    return std::unexpected{all.error()};
  return std::move(all->front());
}

std::expected<std::vector<described>, kafka_error>
kafka_client::describe_topics(const std::vector<std::string>& topics,
                              std::chrono::milliseconds timeout) {
  if (topics.empty())
    return std::vector<described>{};
  auto context = topics.size() == 1
                   ? std::format("describe topic {}", topics[0])
                   : std::format("describe {} topics", topics.size());
  auto cluster = cluster_name(impl_->client.get(), to_ms(timeout));
  if (cluster.empty())
    return std::unexpected{
      impl_->explain(classify(RD_KAFKA_RESP_ERR__TIMED_OUT, context))};
  std::vector<described> result;
  if (is_mock(impl_->client.get(), to_ms(timeout))) {
    for (const auto& topic : topics)
      result.push_back(
        impl_->count_partitions(topic, timeout, "describe topic " + topic)
          .transform([&](int32_t n) {
            return kafka_topic_info{topic, made_up_id(cluster, topic), n};
          }));
    return result;
  }
  std::vector<const char*> names;
  for (const auto& topic : topics)
    names.push_back(topic.c_str());
  handle<rd_kafka_TopicCollection_t> wanted{
    rd_kafka_TopicCollection_of_topic_names(names.data(), names.size())};
  auto* client = impl_->client.get();
  auto options = admin_options(client, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
                               to_ms(timeout));
  queue_handle queue{rd_kafka_queue_new(client)};
  rd_kafka_DescribeTopics(client, wanted.get(), options.get(), queue.get());
  auto event = await(queue.get(), to_ms(timeout), context);
  if (!event)
    return std::unexpected{impl_->explain(event.error())};
  std::size_t n = 0;
  const auto* answer = rd_kafka_event_DescribeTopics_result(event->get());
  const auto** found = rd_kafka_DescribeTopics_result_topics(answer, &n);
  for (const auto& topic : topics) {
    auto what = "describe topic " + topic;
    auto* end = found + n;
    auto* i = std::find_if(found, end, [&](const auto* x) {
      return topic == rd_kafka_TopicDescription_name(x);
    });
    if (i == end) {
      result.push_back(
        std::unexpected{classify(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, what)});
      continue;
    }
    const auto* error = rd_kafka_TopicDescription_error(*i);
    if (auto code = rd_kafka_error_code(error)) {
      result.push_back(
        std::unexpected{classify(code, what, rd_kafka_error_string(error))});
      continue;
    }
    std::size_t partitions = 0;
    rd_kafka_TopicDescription_partitions(*i, &partitions);
    result.push_back(kafka_topic_info{
      topic,
      impl_->id_of(topic, rd_kafka_TopicDescription_topic_id(*i), timeout),
      static_cast<int32_t>(partitions)});
  }
  return result;
}

std::expected<std::vector<bool>, kafka_error>
kafka_client::are_compacted(const std::vector<std::string>& topics,
                            std::chrono::milliseconds timeout) {
  std::vector<bool> result(topics.size());
  if (topics.empty() || is_mock(impl_->client.get(), to_ms(timeout)))
    return result;
  std::vector<handle<rd_kafka_ConfigResource_t>> owned;
  std::vector<rd_kafka_ConfigResource_t*> wanted;
  for (const auto& topic : topics) {
    owned.emplace_back(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
    wanted.push_back(owned.back().get());
  }
  auto* client = impl_->client.get();
  auto options = admin_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
                               to_ms(timeout));
  queue_handle queue{rd_kafka_queue_new(client)};
  rd_kafka_DescribeConfigs(client, wanted.data(), wanted.size(), options.get(),
                           queue.get());
  auto event = await(queue.get(), to_ms(timeout), "settings of topics");
  if (!event)
    return std::unexpected{event.error()};
  std::size_t n = 0;
  const auto* answer = rd_kafka_event_DescribeConfigs_result(event->get());
  const auto** found = rd_kafka_DescribeConfigs_result_resources(answer, &n);
  for (std::size_t i = 0; i < n; ++i) {
    std::string_view name = rd_kafka_ConfigResource_name(found[i]);
    if (auto code = rd_kafka_ConfigResource_error(found[i]))
      return std::unexpected{
        classify(code, std::format("settings of topic {}", name))};
    auto at = std::ranges::find(topics, name) - topics.begin();
    if (at < static_cast<std::ptrdiff_t>(topics.size()))
      result[static_cast<std::size_t>(at)] = says_compact(found[i]);
  }
  return result;
}

std::expected<std::vector<described_log>, kafka_error>
kafka_client::watermarks(std::span<const kafka_partition> which,
                         std::chrono::milliseconds timeout) {
  std::vector<described_log> result;
  if (which.empty())
    return result;
  auto context = std::format("watermarks of {} partitions", which.size());
  auto* client = impl_->client.get();
  auto low = list_offsets(client, which, RD_KAFKA_OFFSET_SPEC_EARLIEST,
                          to_ms(timeout), context);
  if (!low)
    return std::unexpected{low.error()};
  auto high = list_offsets(client, which, RD_KAFKA_OFFSET_SPEC_LATEST,
                           to_ms(timeout), context);
  if (!high)
    return std::unexpected{high.error()};
  for (const auto& x : which)
    result.push_back(take(*low, x).and_then([&](int64_t from) {
      return take(*high, x).transform(
        [from](int64_t to) { return kafka_watermarks{{from}, {to}}; });
    }));
  return result;
}

std::expected<void, kafka_error>
kafka_client::create_partitions(const std::string& topic, int32_t total,
                                std::chrono::milliseconds timeout) {
  auto context = std::format("create partitions of {}", topic);
  std::array<char, 256> reason{};
  handle<rd_kafka_NewPartitions_t> wanted{rd_kafka_NewPartitions_new(
    topic.c_str(), static_cast<std::size_t>(std::max(total, 0)), reason.data(),
    reason.size())};
  if (!wanted)
    return std::unexpected{
      classify(RD_KAFKA_RESP_ERR__INVALID_ARG, context, reason.data())};
  auto* client = impl_->client.get();
  auto options = admin_options(client, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS,
                               to_ms(timeout));
  queue_handle queue{rd_kafka_queue_new(client)};
  std::array<rd_kafka_NewPartitions_t*, 1> list{wanted.get()};
  rd_kafka_CreatePartitions(client, list.data(), list.size(), options.get(),
                            queue.get());
  auto event = await(queue.get(), to_ms(timeout), context);
  if (!event)
    return std::unexpected{event.error()};
  std::size_t n = 0;
  const auto* answer = rd_kafka_event_CreatePartitions_result(event->get());
  const auto** results = rd_kafka_CreatePartitions_result_topics(answer, &n);
  return first_failure(results, n, context);
}

std::expected<void, kafka_error>
kafka_client::delete_records(const kafka_partition& which, offset before,
                             std::chrono::milliseconds timeout) {
  auto context = std::format("delete records of {}", describe(which));
  list_handle list{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(list.get(), which.topic.c_str(),
                                    which.number.value)
    ->offset
    = before.value;
  handle<rd_kafka_DeleteRecords_t> wanted{
    rd_kafka_DeleteRecords_new(list.get())};
  auto* client = impl_->client.get();
  auto options = admin_options(client, RD_KAFKA_ADMIN_OP_DELETERECORDS,
                               to_ms(timeout));
  queue_handle queue{rd_kafka_queue_new(client)};
  std::array<rd_kafka_DeleteRecords_t*, 1> all{wanted.get()};
  rd_kafka_DeleteRecords(client, all.data(), all.size(), options.get(),
                         queue.get());
  auto event = await(queue.get(), to_ms(timeout), context);
  if (!event)
    return std::unexpected{event.error()};
  const auto* answer = rd_kafka_event_DeleteRecords_result(event->get());
  const auto* offsets = rd_kafka_DeleteRecords_result_offsets(answer);
  if (offsets->cnt == 1 && offsets->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{classify(offsets->elems[0].err, context)};
  return {};
}

} // namespace millrace
