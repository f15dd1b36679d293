#include "actors/source/kafka_consumer.hpp"

#include "actors/lane/mutation.hpp"
#include "actors/source/kafka_queue.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <mutex>
#include <utility>

namespace millrace {

using namespace kafka_detail;

namespace {

/// What librdkafka calls back with: within `poll`, and within the drain of any
/// partition's queue, which is another thread's.
class error_list {
public:
  void add(kafka_error x) {
    std::lock_guard guard{mutex_};
    errors_.push_back(std::move(x));
  }

  std::vector<kafka_error> take() {
    std::lock_guard guard{mutex_};
    return std::exchange(errors_, {});
  }

private:
  std::mutex mutex_;
  std::vector<kafka_error> errors_;
};

} // namespace

struct kafka_consumer::impl {
  kafka_consumer_config config;

  error_list errors;

  /// Read by librdkafka's threads until the client is gone.
  topic_watch topics;

  std::map<kafka_partition, std::shared_ptr<assigned_queue>> assigned;
  int64_t last_generation = 0;

  // The queue's handle must go before the client.
  client_handle client;
  queue_handle common;

  void close() noexcept;
};

namespace {

kafka_properties own_properties(const kafka_consumer_config& config) {
  auto kbytes = std::clamp<std::size_t>(config.queue_bytes / 1024, 1,
                                        2'000'000);
  auto fetch = std::to_string(fetch_bytes(config.queue_bytes));
  return {
    {"client.id", "millrace"},
    {"group.id", config.group},
    {"queued.max.messages.kbytes", std::to_string(kbytes)},
    {"fetch.message.max.bytes", fetch},
    // An answer that is not compressed is held as a whole while a record of it
    // is waiting in any queue.
    {"fetch.max.bytes", "4194304"},
    // Bounds what small records cost beyond their bytes.
    {"queued.min.messages", "100000"},
    // A full queue is looked at again after this; the default of a second
    // would stop the flow at every pause.
    {"fetch.queue.backoff.ms", "5"},
    // A partition that has room again waits at most this long behind an open
    // fetch of others on the same broker.
    {"fetch.wait.max.ms", "50"},
    {"fetch.error.backoff.ms", "100"},
    {"reconnect.backoff.max.ms", "2000"},
    {"socket.nagle.disable", "true"},
    {"socket.keepalive.enable", "true"},
    {"log.connection.close", "false"},
  };
}

// `client` is the type of librdkafka's callbacks; the opaque is our impl.
template <class Impl>
Impl& self_of(void* opaque) {
  return *static_cast<Impl*>(opaque);
}

/// `mutation::kafka_resume`: where the group has committed an offset, that one.
void resume_from_group(rd_kafka_t* client,
                       rd_kafka_topic_partition_list_t* list) {
  constexpr int patience_ms = 5'000;
  list_handle stored{rd_kafka_topic_partition_list_copy(list)};
  if (rd_kafka_committed(client, stored.get(), patience_ms)
      != RD_KAFKA_RESP_ERR_NO_ERROR)
    return;
  for (int i = 0; i < list->cnt; ++i)
    if (stored->elems[i].offset >= 0)
      list->elems[i].offset = stored->elems[i].offset;
}

} // namespace

bool protected_property(std::string_view name) noexcept {
  // The second spelling is librdkafka's old alias.
  return name == "auto.commit.enable"
         || std::ranges::any_of(fixed_consumer_properties(),
                                [&](const auto& x) { return x.first == name; });
}

std::size_t fetch_bytes(std::size_t queue_bytes) noexcept {
  return std::clamp(queue_bytes / 32, std::size_t{64} << 10,
                    std::size_t{1} << 20);
}

std::size_t queue_share(std::size_t total, std::size_t partitions,
                        std::size_t most) noexcept {
  constexpr auto least = std::size_t{256} << 10;
  auto share = total / std::max<std::size_t>(partitions, 1);
  return std::min(most, std::max(share, least));
}

kafka_consumer::kafka_consumer(std::unique_ptr<impl> x) noexcept
  : impl_{std::move(x)} {
}

kafka_consumer::kafka_consumer(kafka_consumer&&) noexcept = default;

kafka_consumer& kafka_consumer::operator=(kafka_consumer&& other) noexcept {
  close();
  impl_ = std::move(other.impl_);
  return *this;
}

kafka_consumer::~kafka_consumer() {
  close();
}

std::expected<kafka_consumer, kafka_error>
kafka_consumer::open(kafka_consumer_config config) {
  auto self = std::make_unique<impl>();
  auto conf = make_conf(own_properties(config),
                        topic_watch::with_contexts(config.properties),
                        fixed_consumer_properties());
  if (!conf)
    return std::unexpected{conf.error()};
  self->config = std::move(config);
  auto* raw = conf->get();
  rd_kafka_conf_set_opaque(raw, self.get());
  rd_kafka_conf_set_error_cb(raw, [](rd_kafka_t* client, int code,
                                     const char* reason, void* opaque) {
    std::array<char, 512> text{};
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
      rd_kafka_fatal_error(client, text.data(), text.size());
      reason = text.data();
    }
    self_of<impl>(opaque).errors.add(
      classify(code, "kafka", reason != nullptr ? reason : ""));
  });
  rd_kafka_conf_set_log_cb(raw, [](const rd_kafka_t* from, int level,
                                   const char* facility, const char* text) {
    if (from == nullptr)
      return;
    auto& owner = self_of<impl>(rd_kafka_opaque(from));
    owner.topics.read(facility, text);
    if (owner.config.on_log)
      owner.config.on_log({level, facility, text});
  });
  if (self->config.on_statistics)
    rd_kafka_conf_set_stats_cb(raw, [](rd_kafka_t*, char* json,
                                       std::size_t size, void* opaque) {
      self_of<impl>(opaque).config.on_statistics({json, size});
      return 0;
    });
  auto client = make_client(client_kind::consumer, std::move(*conf));
  if (!client)
    return std::unexpected{client.error()};
  self->client = std::move(*client);
  rd_kafka_poll_set_consumer(self->client.get());
  self->common.reset(rd_kafka_queue_get_consumer(self->client.get()));
  if (self->config.on_wakeup)
    rd_kafka_queue_cb_event_enable(
      self->common.get(),
      [](rd_kafka_t*, void* opaque) {
        self_of<impl>(opaque).config.on_wakeup();
      },
      self.get());
  return kafka_consumer{std::move(self)};
}

std::expected<std::vector<partition_queue_ptr>, kafka_error>
kafka_consumer::assign(std::span<const kafka_assignment> wanted) {
  std::vector<kafka_partition> names;
  for (const auto& x : wanted) {
    if (x.start.value < 0 || x.which.number.value < 0)
      return std::unexpected{
        classify(RD_KAFKA_RESP_ERR__INVALID_ARG,
                 std::format("assign {} at offset {}", describe(x.which),
                             x.start.value))};
    names.push_back(x.which);
  }
  unassign(names);
  auto* client = impl_->client.get();
  list_handle list{
    rd_kafka_topic_partition_list_new(static_cast<int>(wanted.size()))};
  std::vector<std::shared_ptr<assigned_queue>> queues;
  for (const auto& x : wanted) {
    auto generation = kafka_generation{++impl_->last_generation};
    queues.push_back(std::make_shared<assigned_queue>(
      client, x, generation, impl_->topics.changes_of(x.which.topic)));
    rd_kafka_topic_partition_list_add(list.get(), x.which.topic.c_str(),
                                      x.which.number.value)
      ->offset
      = x.start.value;
  }
  if (broken(mutation::kafka_resume))
    resume_from_group(client, list.get());
  if (auto* error = rd_kafka_incremental_assign(client, list.get())) {
    for (auto& queue : queues)
      queue->retire();
    return std::unexpected{classify(error, "assign partitions")};
  }
  for (auto& queue : queues)
    impl_->assigned[queue->which()] = queue;
  return std::vector<partition_queue_ptr>(queues.begin(), queues.end());
}

std::expected<partition_queue_ptr, kafka_error>
kafka_consumer::assign(const kafka_assignment& wanted) {
  return assign(std::span{&wanted, 1}).transform([](auto&& queues) {
    return queues.front();
  });
}

void kafka_consumer::unassign(std::span<const kafka_partition> which) {
  list_handle list{
    rd_kafka_topic_partition_list_new(static_cast<int>(which.size()))};
  for (const auto& x : which) {
    auto i = impl_->assigned.find(x);
    if (i == impl_->assigned.end())
      continue;
    // First our own barrier, then librdkafka's.
    i->second->retire();
    impl_->assigned.erase(i);
    rd_kafka_topic_partition_list_add(list.get(), x.topic.c_str(),
                                      x.number.value);
  }
  // Fails only for partitions that are not assigned, and these are.
  if (list->cnt > 0)
    error_handle{
      rd_kafka_incremental_unassign(impl_->client.get(), list.get())};
}

std::vector<kafka_error> kafka_consumer::poll() {
  // A limit, so that a flood of errors cannot keep the caller here.
  constexpr int max_events = 1000;
  for (int i = 0; i < max_events; ++i) {
    message_handle message{rd_kafka_consumer_poll(impl_->client.get(), 0)};
    if (!message)
      break;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      // Records must come through their own queue; one that does not is lost.
      impl_->errors.add(
        classify(RD_KAFKA_RESP_ERR__FATAL,
                 "kafka: a record came outside its partition's queue"));
      continue;
    }
    const char* text = rd_kafka_message_errstr(message.get());
    impl_->errors.add(
      classify(message->err, "kafka", text != nullptr ? text : ""));
  }
  return impl_->errors.take();
}

bool kafka_consumer::spoilt() const noexcept {
  return impl_->topics.spoils_client();
}

void kafka_consumer::commit_hint(std::span<const kafka_assignment> positions) {
  if (positions.empty())
    return;
  list_handle list{
    rd_kafka_topic_partition_list_new(static_cast<int>(positions.size()))};
  for (const auto& x : positions)
    rd_kafka_topic_partition_list_add(list.get(), x.which.topic.c_str(),
                                      x.which.number.value)
      ->offset
      = x.start.value;
  rd_kafka_commit(impl_->client.get(), list.get(), 1);
}

void kafka_consumer::impl::close() noexcept {
  if (!client)
    return;
  for (auto& [which, queue] : assigned)
    queue->retire();
  assigned.clear();
  if (common)
    rd_kafka_queue_cb_event_enable(common.get(), nullptr, nullptr);
  common.reset();
  client.reset();
}

void kafka_consumer::close() noexcept {
  if (impl_)
    impl_->close();
}

} // namespace millrace
