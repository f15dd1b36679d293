#include "actors/source/kafka_admin.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <format>
#include <utility>

namespace millrace::kafka_detail {

namespace {

/// The longest that librdkafka takes.
constexpr int hour_ms = 3'600'000;

/// Questions to a group's coordinator. One that librdkafka itself has given up
/// before it found the coordinator is used after it was freed as soon as there
/// is one (its #4605, in 2.8 and later): they are never given up by it.
bool is_for_coordinator(int what) {
  return what == RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS
         || what == RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
}

} // namespace

int to_ms(std::chrono::milliseconds timeout) {
  return static_cast<int>(std::clamp<int64_t>(timeout.count(), 1, hour_ms));
}

handle<rd_kafka_AdminOptions_t> admin_options(rd_kafka_t* client, int what,
                                              int timeout_ms) {
  if (is_for_coordinator(what))
    timeout_ms = hour_ms;
  handle<rd_kafka_AdminOptions_t> options{
    rd_kafka_AdminOptions_new(client, static_cast<rd_kafka_admin_op_t>(what))};
  std::array<char, 256> reason{};
  // Both can only fail for values out of range, which the clamp excludes.
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms,
                                            reason.data(), reason.size());
  if (what == RD_KAFKA_ADMIN_OP_CREATETOPICS
      || what == RD_KAFKA_ADMIN_OP_DELETETOPICS
      || what == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS
      || what == RD_KAFKA_ADMIN_OP_DELETERECORDS)
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), timeout_ms,
                                                reason.data(), reason.size());
  return options;
}

std::optional<kafka_error> failure_of(rd_kafka_event_t* answer,
                                      std::string_view context) {
  if (auto code = rd_kafka_event_error(answer))
    return classify(code, context, rd_kafka_event_error_string(answer));
  return std::nullopt;
}

std::expected<event_handle, kafka_error>
await(rd_kafka_queue_t* queue, int timeout_ms, std::string_view context) {
  // Most requests time out by themselves; the margin lets their answer arrive.
  event_handle event{rd_kafka_queue_poll(queue, timeout_ms + 1000)};
  if (!event)
    return std::unexpected{classify(RD_KAFKA_RESP_ERR__TIMED_OUT, context)};
  if (auto why = failure_of(event.get(), context))
    return std::unexpected{std::move(*why)};
  return event;
}

std::expected<void, kafka_error>
first_failure(const rd_kafka_topic_result_t** results, std::size_t n,
              std::string_view context) {
  for (std::size_t i = 0; i < n; ++i) {
    auto code = rd_kafka_topic_result_error(results[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
      continue;
    const char* text = rd_kafka_topic_result_error_string(results[i]);
    return std::unexpected{classify(code, context, text ? text : "")};
  }
  return {};
}

std::optional<uuid> to_uuid(const rd_kafka_Uuid_t* id) {
  if (id == nullptr)
    return std::nullopt;
  auto high = static_cast<uint64_t>(rd_kafka_Uuid_most_significant_bits(id));
  auto low = static_cast<uint64_t>(rd_kafka_Uuid_least_significant_bits(id));
  if (high == 0 && low == 0)
    return std::nullopt;
  uuid result;
  for (std::size_t i = 0; i < 8; ++i) {
    auto shift = 56 - 8 * i;
    result.bytes[i] = static_cast<uint8_t>(high >> shift);
    result.bytes[8 + i] = static_cast<uint8_t>(low >> shift);
  }
  return result;
}

uuid made_up_id(std::string_view cluster, std::string_view topic) {
  uuid result;
  for (std::size_t half = 0; half < 2; ++half) {
    uint64_t hash = 0xcbf29ce484222325 + half;
    for (auto part : {cluster, std::string_view{"/"}, topic})
      for (char c : part)
        hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    for (std::size_t i = 0; i < 8; ++i)
      result.bytes[8 * half + i] = static_cast<uint8_t>(hash >> (56 - 8 * i));
  }
  result.bytes[6] = static_cast<uint8_t>((result.bytes[6] & 0x0f) | 0x80);
  result.bytes[8] = static_cast<uint8_t>((result.bytes[8] & 0x3f) | 0x80);
  return result;
}

} // namespace millrace::kafka_detail

namespace millrace {

using namespace kafka_detail;

kafka_error kafka_client::impl::explain(kafka_error x) {
  // Calls back with errors of the client as a whole.
  rd_kafka_poll(client.get(), 0);
  auto told = std::exchange(refusal, std::nullopt);
  auto unanswered = x.code == kafka_errc::timed_out
                    || x.code == kafka_errc::unreachable;
  return told && unanswered ? std::move(*told) : std::move(x);
}

std::optional<uuid>
kafka_client::impl::id_of(const std::string& topic, const rd_kafka_Uuid_t* told,
                          std::chrono::milliseconds timeout) const {
  auto result = to_uuid(told);
  if (!result && stand_in_ids)
    result = made_up_id(cluster_name(client.get(), to_ms(timeout)), topic);
  return result;
}

kafka_client::kafka_client(std::unique_ptr<impl> x) noexcept
  : impl_{std::move(x)} {
}

kafka_client::kafka_client(kafka_client&&) noexcept = default;

kafka_client& kafka_client::operator=(kafka_client&&) noexcept = default;

kafka_client::~kafka_client() = default;

std::expected<kafka_client, kafka_error>
kafka_client::open(const kafka_properties& properties, bool stand_in_ids) {
  auto conf = make_conf({{"client.id", "millrace"}}, properties,
                        fixed_consumer_properties());
  if (!conf)
    return std::unexpected{conf.error()};
  auto self = std::make_unique<impl>();
  self->stand_in_ids = stand_in_ids;
  rd_kafka_conf_set_opaque(conf->get(), self.get());
  rd_kafka_conf_set_error_cb(conf->get(), [](rd_kafka_t*, int code,
                                             const char* reason, void* opaque) {
    auto error = classify(code, "kafka", reason != nullptr ? reason : "");
    if (error.action == kafka_action::quit)
      static_cast<impl*>(opaque)->refusal = std::move(error);
  });
  auto client = make_client(client_kind::consumer, std::move(*conf));
  if (!client)
    return std::unexpected{client.error()};
  self->client = std::move(*client);
  return kafka_client{std::move(self)};
}

std::expected<int32_t, kafka_error>
kafka_client::impl::count_partitions(const std::string& topic,
                                     std::chrono::milliseconds timeout,
                                     std::string_view context) const {
  topic_handle entry{rd_kafka_topic_new(client.get(), topic.c_str(), nullptr)};
  if (!entry)
    return std::unexpected{classify(rd_kafka_last_error(), context)};
  const rd_kafka_metadata_t* raw = nullptr;
  auto code = rd_kafka_metadata(client.get(), 0, entry.get(), &raw,
                                to_ms(timeout));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{classify(code, context)};
  handle<const rd_kafka_metadata_t> metadata{raw};
  if (raw->topic_cnt != 1)
    return std::unexpected{classify(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, context)};
  if (raw->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{classify(raw->topics[0].err, context)};
  return raw->topics[0].partition_cnt;
}

std::expected<kafka_watermarks, kafka_error>
kafka_client::watermarks(const kafka_partition& which,
                         std::chrono::milliseconds timeout) {
  int64_t low = 0;
  int64_t high = 0;
  auto code = rd_kafka_query_watermark_offsets(impl_->client.get(),
                                               which.topic.c_str(),
                                               which.number.value, &low, &high,
                                               to_ms(timeout));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{
      classify(code, std::format("watermarks of {}", describe(which)))};
  return kafka_watermarks{{low}, {high}};
}

std::expected<offset, kafka_error>
kafka_client::offset_at(const kafka_partition& which, int64_t timestamp_ms,
                        std::chrono::milliseconds timeout) {
  auto context = std::format("offset by time of {}", describe(which));
  list_handle list{rd_kafka_topic_partition_list_new(1)};
  auto* entry = rd_kafka_topic_partition_list_add(list.get(),
                                                  which.topic.c_str(),
                                                  which.number.value);
  entry->offset = timestamp_ms;
  auto code = rd_kafka_offsets_for_times(impl_->client.get(), list.get(),
                                         to_ms(timeout));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
    code = entry->err;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{classify(code, context)};
  if (entry->offset >= 0)
    return offset{entry->offset};
  return watermarks(which, timeout).transform([](const auto& marks) {
    return marks.high;
  });
}

std::expected<void, kafka_error>
kafka_client::create_topic(const std::string& topic, int32_t partitions,
                           const kafka_properties& config,
                           std::chrono::milliseconds timeout, int replication) {
  auto context = std::format("create topic {}", topic);
  auto* client = impl_->client.get();
  std::array<char, 256> reason{};
  handle<rd_kafka_NewTopic_t> wanted{rd_kafka_NewTopic_new(
    topic.c_str(), partitions, replication, reason.data(), reason.size())};
  if (!wanted)
    return std::unexpected{
      classify(RD_KAFKA_RESP_ERR__INVALID_ARG, context, reason.data())};
  for (const auto& [name, value] : config)
    if (auto code = rd_kafka_NewTopic_set_config(wanted.get(), name.c_str(),
                                                 value.c_str()))
      return std::unexpected{classify(code, context)};
  auto options = admin_options(client, RD_KAFKA_ADMIN_OP_CREATETOPICS,
                               to_ms(timeout));
  queue_handle queue{rd_kafka_queue_new(client)};
  std::array<rd_kafka_NewTopic_t*, 1> list{wanted.get()};
  rd_kafka_CreateTopics(client, list.data(), list.size(), options.get(),
                        queue.get());
  auto event = await(queue.get(), to_ms(timeout), context);
  if (!event)
    return std::unexpected{event.error()};
  std::size_t n = 0;
  const auto* answer = rd_kafka_event_CreateTopics_result(event->get());
  const auto** results = rd_kafka_CreateTopics_result_topics(answer, &n);
  return first_failure(results, n, context);
}

std::expected<void, kafka_error>
kafka_client::delete_topic(const std::string& topic,
                           std::chrono::milliseconds timeout) {
  auto context = std::format("delete topic {}", topic);
  auto* client = impl_->client.get();
  handle<rd_kafka_DeleteTopic_t> wanted{
    rd_kafka_DeleteTopic_new(topic.c_str())};
  auto options = admin_options(client, RD_KAFKA_ADMIN_OP_DELETETOPICS,
                               to_ms(timeout));
  queue_handle queue{rd_kafka_queue_new(client)};
  std::array<rd_kafka_DeleteTopic_t*, 1> list{wanted.get()};
  rd_kafka_DeleteTopics(client, list.data(), list.size(), options.get(),
                        queue.get());
  auto event = await(queue.get(), to_ms(timeout), context);
  if (!event)
    return std::unexpected{event.error()};
  std::size_t n = 0;
  const auto* answer = rd_kafka_event_DeleteTopics_result(event->get());
  const auto** results = rd_kafka_DeleteTopics_result_topics(answer, &n);
  return first_failure(results, n, context);
}

std::expected<std::vector<std::string>, kafka_error>
kafka_client::topics(std::chrono::milliseconds timeout) {
  const rd_kafka_metadata_t* raw = nullptr;
  auto code = rd_kafka_metadata(impl_->client.get(), 1, nullptr, &raw,
                                to_ms(timeout));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{impl_->explain(classify(code, "list topics"))};
  handle<const rd_kafka_metadata_t> metadata{raw};
  std::vector<std::string> names;
  for (int i = 0; i < raw->topic_cnt; ++i)
    if (std::string_view name{raw->topics[i].topic}; !name.starts_with("__"))
      names.emplace_back(name);
  std::ranges::sort(names);
  return names;
}

} // namespace millrace
