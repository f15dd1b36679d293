#pragma once

#include "actors/cluster/restart_policy.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/source/discovery.hpp"
#include "actors/source/first_starts.hpp"
#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_consumer.hpp"
#include "actors/source/kafka_group.hpp"
#include "actors/source/kafka_reader.hpp"
#include "actors/source/kafka_side_reader.hpp"
#include "actors/source/partition_consumer.hpp"
#include "actors/source/record_shelf.hpp"
#include "actors/source/share_start.hpp"
#include "actors/source/share_watch.hpp"
#include "messages/source.hpp"
#include "messages/store_requests.hpp"
#include "messages/supervision.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace millrace {

/// What a SOURCE is made of.
struct source_config {
  std::string pipeline;

  /// `reading_name`: the pipeline may be read for other databases as well.
  /// Names the Kafka group, and the pipeline in logs and metrics.
  std::string reading;

  /// Names, and patterns that begin with `^`.
  std::vector<std::string> topics;

  /// Where the partitions begin that are there at the pipeline's first start.
  /// All that are found later begin at their first record.
  start_rule start;

  /// How often to look for topics and partitions that are new.
  std::chrono::milliseconds metadata_interval{30'000};

  /// A topic that is not found for so long counts as deleted. Brokers that
  /// have just started may not know all topics.
  std::chrono::milliseconds absence_patience{10'000};

  /// Read topics without ids, by ids of our own that tell nothing.
  bool allow_unidentified = false;

  /// What to do about holes. In a compacted topic `verify` becomes `allow`.
  gap_policy gaps = gap_policy::verify;

  /// Lanes per tenant, and the tenants of this database with the shape of
  /// their tables.
  int32_t lanes = 1;
  std::vector<boot_tenant> tenants;

  /// Unset: all records are for this database.
  std::optional<record_share> share;

  /// For tenants of `share` that were unknown once; all else is from the first
  /// offset on.
  std::vector<share_start> share_starts;
  program_ptr program;

  /// Of the program and the tenants.
  uint64_t map_fingerprint = 0;

  /// That the pipeline writes, by name.
  std::vector<std::string> tables;

  /// Set: it makes up for what another one has not written.
  std::optional<boot_backfill> backfill;

  /// Called with the pipeline's name and a sentence each time the database
  /// turns out to have another map. From this actor's thread.
  std::function<void(const std::string& pipeline, const std::string& why)>
    on_other_map;
  /// By tenant: credit that all its partitions on this node share.
  std::map<std::string, std::shared_ptr<credit_pool>> credit;

  /// Whether a partition of a topic is read by this node; unset: all are.
  std::function<bool(const std::string& topic, partition number)> reads;

  /// A consumer group that shares out the partitions instead, and under which
  /// name this node is its member. Empty: no group.
  std::string group;
  std::string instance;

  /// How often to look whether the group has left a partition to nobody.
  std::chrono::milliseconds shares_interval{10'000};

  kafka_properties properties;

  /// Bytes that the client may hold ready for one partition, and for all of
  /// them, as many as there are when the SOURCE starts.
  std::size_t queue_bytes = std::size_t{4} << 20;
  std::size_t queue_total_bytes = std::size_t{128} << 20;

  /// The same for a partition that is caught up, by a client of its own, which
  /// is closed when nothing has been caught up for a while.
  std::size_t catch_up_queue_bytes = std::size_t{1} << 20;
  std::chrono::milliseconds catch_up_idle{60'000};

  /// What every PARTITION CONSUMER gets; its feed's partition, lanes, map
  /// version and shape are filled in by the SOURCE.
  partition_consumer_config consumer;

  /// Bound of each question to Kafka.
  std::chrono::milliseconds kafka_timeout{10'000};
  std::chrono::milliseconds store_timeout{30'000};

  backoff_config delays{.initial = std::chrono::milliseconds{250},
                        .max = std::chrono::milliseconds{10'000}};
};

/// What a SOURCE answers when Kafka said no.
caf::error to_source_error(const kafka_error& x);

/// Owns the pipeline's Kafka consumer and starts a PARTITION CONSUMER for each
/// partition, as children of the pipeline's supervisor.
///
/// Resolves start offsets once to concrete numbers and has the pipeline's rows
/// made before anything is read (rule 1). Then it looks for new topics and
/// partitions now and then, answers questions that may block, and serves
/// librdkafka's callbacks. Runs detached. When it ends, its consumers end too;
/// its next start replaces them.
class source_state {
public:
  static inline const char* name = "millrace.source";

  source_state(source_actor::pointer self, source_config config,
               pool_actor pool, supervisor_actor parent);

  ~source_state();

  source_actor::behavior_type make_behavior();

private:
  // -- discovery (source_discovery.cpp) ---------------------------------------

  /// Looks at the cluster, and boots if there is something to start.
  void look();
  void refuse(const kafka_error& why);
  void look_later(std::chrono::milliseconds delay);
  void try_later(const std::string& why);
  std::expected<void, kafka_error> open_client();
  std::size_t partitions_here(const topic_survey& found) const;
  std::expected<void, kafka_error> open_consumer(std::size_t partitions);
  kafka_consumer_config client_settings(std::size_t queue_bytes) const;
  std::expected<topic_survey, kafka_error> survey();
  std::expected<boot_request, kafka_error> prepare(const topic_survey& found);
  std::vector<bool> ask_compacted(const std::vector<std::string>& topics);
  void on_booted(const topic_survey& found, const boot_request& asked,
                 const boot_result& result);
  void on_boot_failed(const caf::error& reason);
  void tell_recreated(const topic_survey& found, const boot_result& result);
  void on_other_map(const std::string& why);
  void settle(const topic_survey& found);
  void take_away(const std::vector<consumer_set::key>& which);
  void add_consumer(const booted_partition& which, gap_policy gaps);

  /// Of a consumer, below the pipeline's supervisor.
  static std::string child_name(const consumer_set::key& x);

  // -- the first start (source_start.cpp) -------------------------------------

  std::expected<boot_request, kafka_error>
  with_first_starts(const topic_survey& found, boot_request asked);
  std::expected<start_survey, kafka_error>
  ask_starts(const topic_survey& found, const boot_request& asked);

  // -- shares of a group (source_group.cpp) -----------------------------------

  std::string group_id() const;
  void join_group(const topic_survey& found);
  void subscribe(std::vector<std::string> names);
  void serve_group();
  void lose(const std::vector<consumer_set::key>& which);
  void hand_out(const booted_partition& which, gap_policy gaps);
  void watch_shares();
  void on_shares(const kafka_group_shares& told);
  void hint(const position_hint& x);

  // -- questions --------------------------------------------------------------

  /// A consumer that wants to know of its log.
  struct log_question {
    log_request what;
    caf::typed_response_promise<offset_range> answer;
  };

  caf::result<offset_range> log(const log_request& x);
  void answer_logs();
  std::optional<caf::error>
  doubt(const log_request& x,
        const std::expected<kafka_topic_info, kafka_error>& now);
  caf::result<partition_queue_ptr> assign(const assign_request& x);
  caf::result<std::vector<offset>> verify(const verify_request& x);
  caf::result<frame> fetch(const fetch_request& x);
  caf::expected<record_copy> read_again(const fetch_request& x);
  void see_id(const std::string& topic, const uuid& id);
  void renew_clients();
  void keep_polling();
  void poll();

  source_actor::pointer self_;
  source_config config_;
  pool_actor pool_;
  supervisor_actor parent_;
  vitals vitals_{name, "starting"};
  backoff delays_;
  std::mt19937_64 chance_;
  topic_selector selector_;
  absence absent_;
  consumer_set consumers_;

  /// What the last boot said: a consumer is made for one map and its lanes.
  std::vector<lane_id> lanes_;
  map_version map_version_;
  bool booted_ = false;
  bool booting_ = false;

  /// The database has just said that the pipeline has not begun anywhere yet:
  /// Kafka must be asked where it shall.
  bool starts_wanted_ = false;

  /// Told already, so that it is not told again at each look.
  std::string lacking_;
  std::vector<std::string> recreated_;

  /// Ids of topics as first seen since the clients were opened, and whether one
  /// has become another since.
  std::map<std::string, uuid> ids_;
  bool made_again_ = false;

  /// Somebody wanted another look while a boot was under way.
  bool look_again_ = false;

  /// Grows with each look that is planned; only the last one counts.
  int64_t looks_ = 0;

  /// Answered together, by one question to the brokers.
  std::vector<log_question> questions_;
  std::optional<kafka_client> client_;
  std::optional<kafka_consumer> consumer_;
  bool polling_ = false;
  std::optional<kafka_reader> reader_;

  /// Records that were wanted again, and those beside them.
  record_shelf shelf_{std::size_t{8} << 20};

  /// One that takes several frames, until it has been handed out.
  struct framed_record {
    partition_id source;
    offset at;
    framed packed;
  };

  std::optional<framed_record> large_record_;
  std::optional<kafka_side_reader> catch_up_;
  int64_t verified_ = 0;

  /// What can be read, and what the group gave this node of it. Only with a
  /// group.
  struct readable_partition {
    booted_partition which;
    gap_policy gaps = gap_policy::verify;
  };

  std::map<consumer_set::key, readable_partition> readable_;
  std::set<consumer_set::key> held_;
  std::vector<std::string> subscribed_;
  std::optional<kafka_group> group_;
  share_watch shares_;
};

/// The spawnable type: `self->spawn<source, caf::detached>(config, …)`.
using source = source_actor::stateful_impl<source_state>;

/// Makes one below `parent`. Here, so that only this file pays for the
/// templates behind it.
caf::actor spawn_source(caf::local_actor* parent, source_config config,
                        pool_actor pool, supervisor_actor owner);

} // namespace millrace
