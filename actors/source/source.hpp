#pragma once

#include "actors/cluster/restart_policy.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_consumer.hpp"
#include "actors/source/kafka_reader.hpp"
#include "actors/source/partition_consumer.hpp"
#include "messages/source.hpp"
#include "messages/store_requests.hpp"
#include "messages/supervision.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <expected>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace millrace {

/// What a SOURCE is made of.
struct source_config {
  std::string pipeline;
  std::vector<std::string> topics;

  /// Where a partition begins that has no floor row yet.
  bool start_at_end = false;

  /// Lanes per tenant, and the tenants with the shape of their tables.
  int32_t lanes = 1;
  std::vector<boot_tenant> tenants;
  program_ptr program;

  kafka_properties properties;

  /// Bytes that the client may hold ready for one partition.
  std::size_t queue_bytes = std::size_t{4} << 20;

  /// What every PARTITION CONSUMER gets; its feed's partition, lanes, map
  /// version and shape are filled in by the SOURCE.
  partition_consumer_config consumer;

  /// Bound of each question to Kafka.
  std::chrono::milliseconds kafka_timeout{10'000};
  std::chrono::milliseconds store_timeout{30'000};

  backoff_config delays{.initial = std::chrono::milliseconds{250},
                        .max = std::chrono::milliseconds{10'000}};
};

/// Owns the pipeline's Kafka consumer and starts a PARTITION CONSUMER for each
/// partition, as children of the pipeline's supervisor.
///
/// Resolves start offsets once to concrete numbers and has the pipeline's rows
/// made before anything is read (rule 1). Then it only answers questions that
/// may block, and serves librdkafka's callbacks. Runs detached. When it ends,
/// its consumers end too; its next start replaces them.
class source_state {
public:
  static inline const char* name = "millrace.source";

  source_state(source_actor::pointer self, source_config config,
               pool_actor pool, supervisor_actor parent);

  ~source_state();

  source_actor::behavior_type make_behavior();

private:
  void start();
  std::expected<boot_request, kafka_error> survey();
  void on_booted(const boot_request& asked, const boot_result& result);
  void add_consumer(const booted_partition& which, const boot_result& all);
  void try_later(const std::string& why);

  caf::result<offset_range> log(const log_request& x);
  caf::result<partition_queue_ptr> assign(const assign_request& x);
  caf::result<std::vector<offset>> verify(const verify_request& x);
  caf::result<record_copy> fetch(const fetch_request& x);
  void keep_polling();
  void poll();

  source_actor::pointer self_;
  source_config config_;
  pool_actor pool_;
  supervisor_actor parent_;
  vitals vitals_{name, "starting"};
  backoff delays_;
  std::mt19937_64 chance_;
  std::optional<kafka_client> client_;
  std::optional<kafka_consumer> consumer_;
  std::optional<kafka_reader> reader_;
  int64_t partitions_ = 0;
  int64_t verified_ = 0;
};

/// The spawnable type: `self->spawn<source, caf::detached>(config, …)`.
using source = source_actor::stateful_impl<source_state>;

/// Makes one below `parent`. Here, so that only this file pays for the
/// templates behind it.
caf::actor spawn_source(caf::local_actor* parent, source_config config,
                        pool_actor pool, supervisor_actor owner);

} // namespace millrace
