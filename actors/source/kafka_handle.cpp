#include "actors/source/kafka_handle.hpp"

#include "actors/source/kafka_check.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <format>

namespace millrace::kafka_detail {

void deleter::operator()(rd_kafka_s* x) const noexcept {
  rd_kafka_destroy_flags(x, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void deleter::operator()(rd_kafka_conf_s* x) const noexcept {
  rd_kafka_conf_destroy(x);
}

void deleter::operator()(rd_kafka_queue_s* x) const noexcept {
  rd_kafka_queue_destroy(x);
}

void deleter::operator()(rd_kafka_message_s* x) const noexcept {
  rd_kafka_message_destroy(x);
}

void deleter::operator()(rd_kafka_topic_s* x) const noexcept {
  rd_kafka_topic_destroy(x);
}

void deleter::operator()(rd_kafka_topic_partition_list_s* x) const noexcept {
  rd_kafka_topic_partition_list_destroy(x);
}

void deleter::operator()(rd_kafka_error_s* x) const noexcept {
  rd_kafka_error_destroy(x);
}

void deleter::operator()(rd_kafka_op_s* x) const noexcept {
  rd_kafka_event_destroy(x);
}

void deleter::operator()(rd_kafka_NewTopic_s* x) const noexcept {
  rd_kafka_NewTopic_destroy(x);
}

void deleter::operator()(rd_kafka_DeleteTopic_s* x) const noexcept {
  rd_kafka_DeleteTopic_destroy(x);
}

void deleter::operator()(rd_kafka_TopicCollection_s* x) const noexcept {
  rd_kafka_TopicCollection_destroy(x);
}

void deleter::operator()(rd_kafka_NewPartitions_s* x) const noexcept {
  rd_kafka_NewPartitions_destroy(x);
}

void deleter::operator()(rd_kafka_DeleteRecords_s* x) const noexcept {
  rd_kafka_DeleteRecords_destroy(x);
}

void deleter::operator()(rd_kafka_ConfigResource_s* x) const noexcept {
  rd_kafka_ConfigResource_destroy(x);
}

void deleter::operator()(rd_kafka_AdminOptions_s* x) const noexcept {
  rd_kafka_AdminOptions_destroy(x);
}

void deleter::operator()(
  rd_kafka_ListConsumerGroupOffsets_s* x) const noexcept {
  rd_kafka_ListConsumerGroupOffsets_destroy(x);
}

void deleter::operator()(rd_kafka_headers_s* x) const noexcept {
  rd_kafka_headers_destroy(x);
}

void deleter::operator()(const rd_kafka_metadata_t* x) const noexcept {
  rd_kafka_metadata_destroy(x);
}

// -- errors -------------------------------------------------------------------

namespace {

struct meaning {
  kafka_errc code;
  kafka_action action;
};

meaning meaning_of(rd_kafka_resp_err_t native) {
  using enum kafka_errc;
  using enum kafka_action;
  switch (native) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR__NO_OFFSET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__LOG_TRUNCATION:
      return {offset_out_of_range, halt};
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return {topic_missing, halt};
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
      return {topic_exists, halt};
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return {not_authorized, halt};
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
    case RD_KAFKA_RESP_ERR__SSL:
      return {not_authenticated, quit};
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
      return {unreachable, retry};
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
      return {timed_out, retry};
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED: // a codec that is unknown
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
      return {corrupt, halt};
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
      return {bad_config, quit};
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__DESTROY:
    case RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE:
      return {fatal, quit};
    default:
      return {other, retry};
  }
}

} // namespace

kafka_error classify(int native, std::string_view context,
                     std::string_view detail) {
  auto code = static_cast<rd_kafka_resp_err_t>(native);
  auto [what, action] = meaning_of(code);
  std::string_view text = detail.empty() ? rd_kafka_err2str(code) : detail;
  return {.code = what,
          .action = action,
          .native = native,
          .message = std::format("{}: {} ({})", context, text,
                                 rd_kafka_err2name(code))};
}

kafka_error classify(rd_kafka_error_s* error, std::string_view context) {
  error_handle guard{error};
  auto result = classify(rd_kafka_error_code(error), context,
                         rd_kafka_error_string(error));
  if (rd_kafka_error_is_fatal(error) != 0) {
    result.code = kafka_errc::fatal;
    result.action = kafka_action::quit;
  }
  return result;
}

// -- set-up -------------------------------------------------------------------

namespace {

kafka_error bad_property(std::string message) {
  return {.code = kafka_errc::bad_config,
          .action = kafka_action::quit,
          .native = RD_KAFKA_RESP_ERR__INVALID_ARG,
          .message = std::move(message)};
}

/// librdkafka prints to stderr when nobody listens; our logs have one form.
void drop_log(const rd_kafka_t*, int, const char*, const char*) {
}

std::expected<void, kafka_error> put(rd_kafka_conf_t* conf,
                                     const kafka_properties& properties) {
  std::array<char, 512> reason{};
  for (const auto& [name, value] : properties) {
    auto verdict = rd_kafka_conf_set(conf, name.c_str(), value.c_str(),
                                     reason.data(), reason.size());
    if (verdict == RD_KAFKA_CONF_UNKNOWN)
      return std::unexpected{bad_property(
        std::format("kafka property \"{}\" is unknown to librdkafka", name))};
    // librdkafka repeats the value in its reason; it may be a password.
    if (verdict != RD_KAFKA_CONF_OK)
      return std::unexpected{bad_property(std::format(
        "kafka property \"{}\" has a value that librdkafka refuses", name))};
  }
  return {};
}

} // namespace

std::expected<conf_handle, kafka_error>
make_conf(const kafka_properties& ours, const kafka_properties& user,
          const kafka_properties& fixed) {
  for (const auto& [name, value] : user) {
    auto same = [&](const auto& entry) { return entry.first == name; };
    if (std::ranges::any_of(fixed, same))
      return std::unexpected{bad_property(std::format(
        "kafka property \"{}\" is set by Millrace itself: another value could "
        "lose or repeat records; remove it",
        name))};
  }
  conf_handle conf{rd_kafka_conf_new()};
  rd_kafka_conf_set_log_cb(conf.get(), drop_log);
  for (const auto* properties : {&ours, &user, &fixed})
    if (auto done = put(conf.get(), *properties); !done)
      return std::unexpected{done.error()};
  return conf;
}

std::string cluster_name(rd_kafka_s* client, int timeout_ms) {
  // librdkafka remembers the answer.
  char* name = rd_kafka_clusterid(client, timeout_ms);
  if (name == nullptr)
    return {};
  std::string result = name;
  rd_kafka_mem_free(client, name);
  return result;
}

bool is_mock(rd_kafka_s* client, int timeout_ms) {
  return cluster_name(client, timeout_ms).starts_with("mockCluster");
}

std::expected<client_handle, kafka_error> make_client(client_kind kind,
                                                      conf_handle conf) {
  std::array<char, 512> reason{};
  auto type = kind == client_kind::consumer ? RD_KAFKA_CONSUMER
                                            : RD_KAFKA_PRODUCER;
  auto* client = rd_kafka_new(type, conf.get(), reason.data(), reason.size());
  if (client == nullptr) {
    // Without a thread or memory for it no property is to blame.
    if (auto code = rd_kafka_last_error();
        code == RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE)
      return std::unexpected{classify(code, "kafka client", reason.data())};
    return std::unexpected{
      bad_property(std::format("kafka client: {}", reason.data()))};
  }
  // From here on the configuration belongs to the client.
  [[maybe_unused]] auto* taken = conf.release();
  return client_handle{client};
}

const kafka_properties& fixed_consumer_properties() {
  static const kafka_properties properties{
    // A start offset that the log does not have must be told, not replaced.
    {"auto.offset.reset", "error"},
    // Kafka's committed offsets are a hint for monitors.
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"isolation.level", "read_committed"},
    // Closes ranges that end in records which a committed read does not see.
    {"enable.partition.eof", "true"},
    {"check.crcs", "true"},
    {"allow.auto.create.topics", "false"},
  };
  return properties;
}

std::string describe(const kafka_partition& x) {
  return std::format("{} [{}]", x.topic, x.number.value);
}

} // namespace millrace::kafka_detail

namespace millrace {

std::optional<std::string> kafka_property_fault(const std::string& name,
                                                const std::string& value) {
  kafka_detail::conf_handle conf{rd_kafka_conf_new()};
  std::array<char, 512> reason{};
  switch (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(),
                            reason.data(), reason.size())) {
    case RD_KAFKA_CONF_OK:
      return std::nullopt;
    case RD_KAFKA_CONF_UNKNOWN:
      return "a name that is unknown to librdkafka";
    default:
      // Its reason repeats the value.
      return "a value that librdkafka refuses";
  }
}

std::optional<std::string>
kafka_properties_fault(const kafka_properties& properties) {
  auto mine = properties;
  std::erase_if(mine,
                [](const auto& x) { return x.first == "bootstrap.servers"; });
  auto conf = kafka_detail::make_conf({}, mine, {});
  if (!conf)
    return conf.error().message;
  auto client = kafka_detail::make_client(kafka_detail::client_kind::consumer,
                                          std::move(*conf));
  if (!client && client.error().code == kafka_errc::bad_config)
    return client.error().message;
  return std::nullopt;
}

std::string to_string(kafka_errc x) {
  switch (x) {
    case kafka_errc::offset_out_of_range:
      return "offset-out-of-range";
    case kafka_errc::topic_missing:
      return "topic-missing";
    case kafka_errc::topic_exists:
      return "topic-exists";
    case kafka_errc::not_authorized:
      return "not-authorized";
    case kafka_errc::not_authenticated:
      return "not-authenticated";
    case kafka_errc::unreachable:
      return "unreachable";
    case kafka_errc::timed_out:
      return "timed-out";
    case kafka_errc::bad_config:
      return "bad-config";
    case kafka_errc::corrupt:
      return "corrupt";
    case kafka_errc::fatal:
      return "fatal";
    case kafka_errc::other:
      return "other";
  }
  return "unknown";
}

std::string to_string(kafka_action x) {
  switch (x) {
    case kafka_action::retry:
      return "retry";
    case kafka_action::halt:
      return "halt";
    case kafka_action::quit:
      return "quit";
  }
  return "unknown";
}

std::string to_string(const kafka_error& x) {
  return std::format("{} [{}, {}]", x.message, to_string(x.code),
                     to_string(x.action));
}

} // namespace millrace
