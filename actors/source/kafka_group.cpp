#include "actors/source/kafka_group.hpp"

#include "actors/source/kafka_group_shares.hpp"
#include "actors/source/kafka_handle.hpp"
#include "actors/source/kafka_topic_watch.hpp"

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <utility>

namespace millrace {

using namespace kafka_detail;

struct kafka_group::impl {
  kafka_group_config config;

  /// Filled by callbacks within `poll`.
  change changed;

  std::vector<std::string> topics;

  /// Read by librdkafka's threads until the client is gone.
  topic_watch made_again;

  /// The group has told what this member has, perhaps nothing.
  bool assigned = false;

  /// Who comes and goes, so that all is shared out once more, and how long it
  /// may take.
  std::unique_ptr<kafka_group> passer_by;
  std::chrono::steady_clock::time_point until;

  // The queues' handles must go before the client.
  client_handle client;
  queue_handle common;

  /// Set while an answer is missing.
  queue_handle question;

  void on_rebalance(rd_kafka_resp_err_t what,
                    rd_kafka_topic_partition_list_t* which);
  void take(rd_kafka_topic_partition_list_t* which);
  void give_up(rd_kafka_topic_partition_list_t* which);
  void hear_shares();
  void see_passer_by();
};

namespace {

/// Joining takes a round of all members.
constexpr std::chrono::seconds passing_by{30};

/// Of the user's properties these may be overridden.
kafka_properties own_properties() {
  return {
    {"client.id", "millrace"},         {"session.timeout.ms", "10000"},
    {"heartbeat.interval.ms", "1000"}, {"reconnect.backoff.max.ms", "2000"},
    {"log.connection.close", "false"},
  };
}

kafka_properties fixed_properties(const kafka_group_config& x) {
  kafka_properties result{
    {"group.id", x.group},
    {"group.protocol", "classic"},
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"allow.auto.create.topics", "false"},
  };
  if (!x.instance.empty())
    result.emplace_back("group.instance.id", x.instance);
  return result;
}

std::vector<kafka_partition>
names_of(const rd_kafka_topic_partition_list_t& list) {
  std::vector<kafka_partition> result;
  for (int i = 0; i < list.cnt; ++i)
    result.push_back({list.elems[i].topic, {list.elems[i].partition}});
  return result;
}

void append(std::vector<kafka_partition>& to,
            std::vector<kafka_partition> what) {
  to.insert(to.end(), what.begin(), what.end());
}

} // namespace

void kafka_group::impl::take(rd_kafka_topic_partition_list_t* which) {
  for (int i = 0; i < which->cnt; ++i)
    which->elems[i].offset = RD_KAFKA_OFFSET_END;
  if (auto* error = rd_kafka_incremental_assign(client.get(), which)) {
    changed.errors.push_back(classify(error, "join the group"));
    return;
  }
  rd_kafka_pause_partitions(client.get(), which);
  append(changed.gained, names_of(*which));
}

void kafka_group::impl::give_up(rd_kafka_topic_partition_list_t* which) {
  // The same partition may have come and gone within one `poll`.
  auto names = names_of(*which);
  for (const auto& x : names)
    std::erase(changed.gained, x);
  append(changed.lost, std::move(names));
  if (auto* error = rd_kafka_incremental_unassign(client.get(), which))
    changed.errors.push_back(classify(error, "leave partitions"));
}

void kafka_group::impl::on_rebalance(rd_kafka_resp_err_t what,
                                     rd_kafka_topic_partition_list_t* which) {
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    assigned = true;
    take(which);
  } else if (what == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    give_up(which);
  } else {
    changed.errors.push_back(classify(what, "rebalance"));
    rd_kafka_assign(client.get(), nullptr);
  }
}

void kafka_group::impl::hear_shares() {
  if (!question)
    return;
  event_handle answer{rd_kafka_queue_poll(question.get(), 0)};
  if (!answer)
    return;
  question.reset();
  // Whoever wants to know asks again.
  if (auto told = read_shares(answer.get(), "members of a group"))
    changed.shares = std::move(*told);
}

void kafka_group::impl::see_passer_by() {
  if (!passer_by)
    return;
  passer_by->poll();
  if (passer_by->impl_->assigned || std::chrono::steady_clock::now() > until)
    passer_by.reset();
}

kafka_group::kafka_group(std::unique_ptr<impl> x) noexcept
  : impl_{std::move(x)} {
}

kafka_group::kafka_group(kafka_group&&) noexcept = default;

kafka_group& kafka_group::operator=(kafka_group&&) noexcept = default;

kafka_group::~kafka_group() {
  if (!impl_)
    return;
  rd_kafka_queue_cb_event_enable(impl_->common.get(), nullptr, nullptr);
  // Without this a member would be missed only when its session times out.
  if (impl_->config.instance.empty())
    rd_kafka_consumer_close(impl_->client.get());
}

std::expected<kafka_group, kafka_error>
kafka_group::open(kafka_group_config config) {
  auto self = std::make_unique<impl>();
  auto conf = make_conf(own_properties(),
                        topic_watch::with_contexts(config.properties),
                        fixed_properties(config));
  if (!conf)
    return std::unexpected{conf.error()};
  self->config = std::move(config);
  auto* raw = conf->get();
  rd_kafka_conf_set_opaque(raw, self.get());
  rd_kafka_conf_set_rebalance_cb(raw, [](rd_kafka_t*, rd_kafka_resp_err_t what,
                                         rd_kafka_topic_partition_list_t* which,
                                         void* opaque) {
    static_cast<impl*>(opaque)->on_rebalance(what, which);
  });
  rd_kafka_conf_set_error_cb(raw, [](rd_kafka_t*, int code, const char* reason,
                                     void* opaque) {
    static_cast<impl*>(opaque)->changed.errors.push_back(
      classify(code, "kafka group", reason != nullptr ? reason : ""));
  });
  rd_kafka_conf_set_log_cb(raw, [](const rd_kafka_t* client, int level,
                                   const char* facility, const char* text) {
    if (client == nullptr)
      return;
    auto* owner = static_cast<impl*>(rd_kafka_opaque(client));
    owner->made_again.read(facility, text);
    if (owner->config.on_log)
      owner->config.on_log({level, facility, text});
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
        static_cast<impl*>(opaque)->config.on_wakeup();
      },
      self.get());
  return kafka_group{std::move(self)};
}

std::expected<void, kafka_error>
kafka_group::subscribe(std::span<const std::string> names) {
  list_handle list{
    rd_kafka_topic_partition_list_new(static_cast<int>(names.size()))};
  for (const auto& name : names)
    rd_kafka_topic_partition_list_add(list.get(), name.c_str(),
                                      RD_KAFKA_PARTITION_UA);
  auto code = rd_kafka_subscribe(impl_->client.get(), list.get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{classify(code, "join group " + impl_->config.group)};
  impl_->topics.assign(names.begin(), names.end());
  return {};
}

void kafka_group::ask_shares() {
  constexpr int known_by_now = 1;
  auto* client = impl_->client.get();
  if (!impl_->question && impl_->assigned && !is_mock(client, known_by_now))
    impl_->question = kafka_detail::ask_shares(client, impl_->config.group);
}

std::expected<void, kafka_error> kafka_group::share_out_again() {
  kafka_group_config config;
  config.properties = impl_->config.properties;
  config.group = impl_->config.group;
  auto other = open(std::move(config));
  if (!other)
    return std::unexpected{other.error()};
  if (auto done = other->subscribe(impl_->topics); !done)
    return done;
  impl_->passer_by = std::make_unique<kafka_group>(std::move(*other));
  impl_->until = std::chrono::steady_clock::now() + passing_by;
  return {};
}

kafka_group::change kafka_group::poll() {
  impl_->see_passer_by();
  impl_->hear_shares();
  // A limit, so that a flood of errors cannot keep the caller here.
  constexpr int max_events = 1000;
  for (int i = 0; i < max_events; ++i) {
    message_handle message{rd_kafka_consumer_poll(impl_->client.get(), 0)};
    if (!message)
      break;
    // Records that came before the pause: others read them.
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
      continue;
    const char* text = rd_kafka_message_errstr(message.get());
    impl_->changed.errors.push_back(
      classify(message->err, "kafka group", text != nullptr ? text : ""));
  }
  return std::exchange(impl_->changed, {});
}

bool kafka_group::spoilt() const noexcept {
  return impl_->made_again.spoils_client();
}

void kafka_group::commit_hint(std::span<const kafka_assignment> positions) {
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

} // namespace millrace
