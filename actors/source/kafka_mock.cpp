#include "actors/source/kafka_mock.hpp"

#include "actors/source/kafka_handle.hpp"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <format>

namespace millrace {

using namespace kafka_detail;

namespace {

struct cluster_deleter {
  void operator()(rd_kafka_mock_cluster_t* x) const noexcept {
    rd_kafka_mock_cluster_destroy(x);
  }
};

/// Kafka's number of the Fetch request.
constexpr int16_t fetch_request = 1;

} // namespace

struct kafka_mock_cluster::impl {
  // The cluster lives in a client and must go before it.
  client_handle client;
  std::unique_ptr<rd_kafka_mock_cluster_t, cluster_deleter> cluster;
};

kafka_mock_cluster::kafka_mock_cluster(std::unique_ptr<impl> x) noexcept
  : impl_{std::move(x)} {
}

kafka_mock_cluster::kafka_mock_cluster(kafka_mock_cluster&&) noexcept = default;

kafka_mock_cluster& kafka_mock_cluster::operator=(kafka_mock_cluster&&) noexcept
  = default;

kafka_mock_cluster::~kafka_mock_cluster() = default;

std::expected<kafka_mock_cluster, kafka_error>
kafka_mock_cluster::open(int brokers) {
  auto conf = make_conf({{"client.id", "millrace-mock"}}, {}, {});
  if (!conf)
    return std::unexpected{conf.error()};
  auto client = make_client(client_kind::producer, std::move(*conf));
  if (!client)
    return std::unexpected{client.error()};
  auto self = std::make_unique<impl>();
  self->client = std::move(*client);
  self->cluster.reset(rd_kafka_mock_cluster_new(self->client.get(), brokers));
  if (!self->cluster)
    return std::unexpected{
      classify(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "start embedded broker")};
  // Members of a group need not wait for others that might come.
  rd_kafka_mock_group_initial_rebalance_delay_ms(self->cluster.get(), 0);
  return kafka_mock_cluster{std::move(self)};
}

std::string kafka_mock_cluster::bootstrap() const {
  return rd_kafka_mock_cluster_bootstraps(impl_->cluster.get());
}

std::expected<void, kafka_error>
kafka_mock_cluster::create_topic(const std::string& topic, int32_t partitions) {
  auto code = rd_kafka_mock_topic_create(impl_->cluster.get(), topic.c_str(),
                                         partitions, 1);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{
      classify(code, std::format("create topic {}", topic))};
  return {};
}

void kafka_mock_cluster::fail_fetches(std::span<const int16_t> codes) {
  for (auto code : codes)
    rd_kafka_mock_push_request_errors(impl_->cluster.get(), fetch_request, 1,
                                      static_cast<rd_kafka_resp_err_t>(code));
}

void kafka_mock_cluster::set_reachable(int32_t broker, bool reachable) {
  if (reachable)
    rd_kafka_mock_broker_set_up(impl_->cluster.get(), broker);
  else
    rd_kafka_mock_broker_set_down(impl_->cluster.get(), broker);
}

} // namespace millrace
