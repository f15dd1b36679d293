#include "tests/checker/log_reader.hpp"

#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>
#include <format>
#include <thread>

namespace millrace_check {

namespace {

constexpr int timeout_ms = 20'000;

/// Without any progress for so long, the reading is given up.
constexpr std::chrono::seconds patience{60};

struct list_deleter {
  void operator()(rd_kafka_topic_partition_list_t* x) const noexcept {
    rd_kafka_topic_partition_list_destroy(x);
  }
};

using list = std::unique_ptr<rd_kafka_topic_partition_list_t, list_deleter>;

void need(rd_kafka_resp_err_t code, std::string_view what) {
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw cannot_check{std::format("{}: {}", what, rd_kafka_err2str(code))};
}

std::optional<std::string_view> view(const void* data, std::size_t size) {
  if (data == nullptr)
    return std::nullopt;
  return std::string_view{static_cast<const char*>(data), size};
}

void put_sized(std::string& out, const char* data, std::size_t size) {
  auto length = data == nullptr ? ~uint32_t{0} : static_cast<uint32_t>(size);
  for (int shift : {24, 16, 8, 0})
    out += static_cast<char>(length >> shift & 0xff);
  if (data != nullptr)
    out.append(data, size);
}

void put_headers(std::string& out, const rd_kafka_message_t* message) {
  out.clear();
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size)
       == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    put_sized(out, name, std::string_view{name}.size());
    put_sized(out, static_cast<const char*>(value), size);
  }
}

} // namespace

struct log_reader::impl {
  std::string topic;
  rd_kafka_t* client = nullptr;
  rd_kafka_queue_t* queue = nullptr;

  void set(rd_kafka_conf_t* conf, const std::string& name,
           const std::string& value) {
    std::array<char, 512> reason{};
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason.data(),
                          reason.size())
        != RD_KAFKA_CONF_OK)
      throw cannot_check{reason.data()};
  }

  /// Tried again for a while: a broker that was killed has no leaders at first.
  rd_kafka_resp_err_t watermarks(int32_t partition, log_range& to) {
    using clock = std::chrono::steady_clock;
    auto until = clock::now() + patience;
    for (;;) {
      auto code = rd_kafka_query_watermark_offsets(client, topic.c_str(),
                                                   partition, &to.low, &to.high,
                                                   timeout_ms);
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR || clock::now() >= until)
        return code;
      std::this_thread::sleep_for(std::chrono::milliseconds{200});
    }
  }

  /// One batch of messages, each destroyed afterwards.
  template <class F>
  std::size_t poll(F take) {
    std::array<rd_kafka_message_t*, 1000> messages{};
    auto n = rd_kafka_consume_batch_queue(queue, 100, messages.data(),
                                          messages.size());
    auto count = n > 0 ? static_cast<std::size_t>(n) : 0;
    for (std::size_t i = 0; i < count; ++i) {
      take(messages[i]);
      rd_kafka_message_destroy(messages[i]);
    }
    return count;
  }
};

log_reader::log_reader(
  const std::string& bootstrap, std::string topic,
  const std::vector<std::pair<std::string, std::string>>& more)
  : impl_{std::make_unique<impl>()} {
  impl_->topic = std::move(topic);
  auto* conf = rd_kafka_conf_new();
  impl_->set(conf, "bootstrap.servers", bootstrap);
  impl_->set(conf, "group.id", "millrace-check");
  impl_->set(conf, "client.id", "millrace-check");
  for (const auto& [name, value] : more)
    impl_->set(conf, name, value);
  impl_->set(conf, "auto.offset.reset", "error");
  impl_->set(conf, "enable.auto.commit", "false");
  impl_->set(conf, "isolation.level", "read_committed");
  impl_->set(conf, "enable.partition.eof", "true");
  impl_->set(conf, "check.crcs", "true");
  impl_->set(conf, "fetch.queue.backoff.ms", "5");
  impl_->set(conf, "log_level", "3");
  std::array<char, 512> reason{};
  impl_->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason.data(),
                               reason.size());
  if (impl_->client == nullptr)
    throw cannot_check{reason.data()};
  rd_kafka_poll_set_consumer(impl_->client);
  impl_->queue = rd_kafka_queue_get_consumer(impl_->client);
}

log_reader::~log_reader() {
  if (impl_->queue != nullptr)
    rd_kafka_queue_destroy(impl_->queue);
  if (impl_->client != nullptr)
    rd_kafka_destroy_flags(impl_->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

std::map<int32_t, log_range> log_reader::ranges() {
  auto* client = impl_->client;
  auto* topic = rd_kafka_topic_new(client, impl_->topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  auto code = rd_kafka_metadata(client, 0, topic, &metadata, timeout_ms);
  rd_kafka_topic_destroy(topic);
  need(code, "asking Kafka for the topic");
  auto count = metadata->topics[0].partition_cnt;
  code = metadata->topics[0].err;
  rd_kafka_metadata_destroy(metadata);
  need(code, std::format("topic {}", impl_->topic));
  std::map<int32_t, log_range> result;
  for (int32_t i = 0; i < count; ++i) {
    auto& range = result[i];
    need(impl_->watermarks(i, range),
         std::format("watermarks of {} [{}]", impl_->topic, i));
  }
  return result;
}

std::string log_reader::topic_id() {
  auto* client = impl_->client;
  // The embedded broker has no ids and never answers who asks for them.
  char* cluster = rd_kafka_clusterid(client, timeout_ms);
  bool mock = cluster == nullptr
              || std::string_view{cluster}.starts_with("mockCluster");
  if (cluster != nullptr)
    rd_kafka_mem_free(client, cluster);
  if (mock)
    return {};
  const char* name = impl_->topic.c_str();
  auto* wanted = rd_kafka_TopicCollection_of_topic_names(&name, 1);
  auto* queue = rd_kafka_queue_new(client);
  rd_kafka_DescribeTopics(client, wanted, nullptr, queue);
  auto* event = rd_kafka_queue_poll(queue, timeout_ms);
  std::string result;
  if (event != nullptr && rd_kafka_event_error(event) == 0) {
    std::size_t n = 0;
    const auto** topics = rd_kafka_DescribeTopics_result_topics(
      rd_kafka_event_DescribeTopics_result(event), &n);
    const auto* id = n == 1 ? rd_kafka_TopicDescription_topic_id(topics[0])
                            : nullptr;
    if (id != nullptr) {
      auto high
        = static_cast<uint64_t>(rd_kafka_Uuid_most_significant_bits(id));
      auto low
        = static_cast<uint64_t>(rd_kafka_Uuid_least_significant_bits(id));
      result = std::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32,
                           high >> 16 & 0xffff, high & 0xffff, low >> 48,
                           low & 0xffffffffffff);
    }
  }
  if (event != nullptr)
    rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_TopicCollection_destroy(wanted);
  if (result.empty())
    throw cannot_check{
      std::format("Kafka does not tell the id of topic {}", impl_->topic)};
  return result;
}

void log_reader::read(const std::map<int32_t, log_range>& ranges,
                      const std::function<void(const raw_record&)>& take) {
  list wanted{
    rd_kafka_topic_partition_list_new(static_cast<int>(ranges.size()))};
  std::map<int32_t, int64_t> open;
  for (const auto& [number, range] : ranges) {
    if (range.low >= range.high)
      continue;
    rd_kafka_topic_partition_list_add(wanted.get(), impl_->topic.c_str(),
                                      number)
      ->offset
      = range.low;
    open[number] = range.high;
  }
  need(rd_kafka_assign(impl_->client, wanted.get()), "assign");
  std::string headers;
  auto last_progress = std::chrono::steady_clock::now();
  while (!open.empty()) {
    auto n = impl_->poll([&](const rd_kafka_message_t* message) {
      auto end = open.find(message->partition);
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (end != open.end() && message->offset >= end->second)
          open.erase(end);
        return;
      }
      need(message->err,
           std::format("reading {} [{}]", impl_->topic, message->partition));
      if (end == open.end())
        return;
      if (message->offset < end->second) {
        put_headers(headers, message);
        take({message->partition, message->offset,
              view(message->key, message->key_len),
              view(message->payload, message->len), headers});
      }
      // Other offsets may follow that a committed read does not see; then the
      // end of the partition says so.
      if (message->offset + 1 >= end->second)
        open.erase(end);
    });
    auto now = std::chrono::steady_clock::now();
    if (n > 0)
      last_progress = now;
    else if (now - last_progress > patience)
      throw cannot_check{
        std::format("reading {}: nothing came for 60 s", impl_->topic)};
  }
  need(rd_kafka_assign(impl_->client, nullptr), "unassign");
}

bool log_reader::read_one(int32_t partition, int64_t offset,
                          const std::function<void(const raw_record&)>& take) {
  bool found = false;
  read({{partition, {offset, offset + 1}}}, [&](const raw_record& record) {
    if (record.offset == offset) {
      found = true;
      take(record);
    }
  });
  return found;
}

} // namespace millrace_check
