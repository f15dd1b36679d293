#pragma once

// The configuration of a node as plain structs. Actors get these structs and
// never see the file. The text behind each option is in options.cpp.

#include "config/pipeline.hpp"
#include "config/secret.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// Where a server of ours listens. Other than loopback addresses need mTLS.
struct listen_config {
  std::string listen = "127.0.0.1";

  /// 0 means any free port.
  uint16_t port = 0;
};

enum class log_level : uint8_t { trace, debug, info, warn, error };

std::string to_string(log_level x);

enum class log_format : uint8_t {
  /// key=value lines for people.
  text,
  /// One JSON object a line for machines.
  json,
};

std::string to_string(log_format x);

struct log_config {
  log_level level = log_level::info;
  log_format format = log_format::text;
};

struct node_config {
  /// Empty: the host's name.
  std::string name;

  /// How long an orderly stop may take.
  std::chrono::milliseconds grace{10'000};

  /// Bound of all buffers of events in this process.
  int64_t memory_bytes = 512LL << 20;

  /// Threads that run actors; 0 means one per core.
  int32_t threads = 0;

  listen_config admin{"127.0.0.1", 9650};

  /// Where other nodes connect to; what is empty or 0 comes from the node's
  /// own address in `[[cluster.static]]`.
  listen_config cluster{"", 0};
  log_config log;
};

enum class ssl_mode : uint8_t {
  /// Left to libpq and its environment.
  unset,
  disable,
  allow,
  prefer,
  require,
  verify_ca,
  verify_full,
};

/// As libpq spells it, for example `verify-full`; empty for `unset`.
std::string to_string(ssl_mode x);

/// What the database of the section `[postgresql]` is called.
constexpr std::string_view control_database = "postgresql";

/// A database: `[postgresql]`, or a `[database.NAME]`.
struct postgresql_config {
  /// `control_database`, or NAME.
  std::string name{control_database};

  /// `postgresql://…`, or empty when the parts below are used. May carry a
  /// password when it came from the environment or a file.
  secret url;

  std::string host;
  uint16_t port = 5432;
  std::string database;
  std::string user;
  secret password;

  ssl_mode sslmode = ssl_mode::unset;
  std::string sslrootcert;
  std::string sslcert;
  std::string sslkey;

  /// Any other libpq parameter.
  property_list parameters;

  /// Per tenant, unless the tenant says otherwise.
  int32_t sessions = 4;

  /// Of all tenants on one node, and for its own questions.
  int32_t max_sessions = 40;

  /// At the same time, of all tenants on one node.
  int32_t max_flushes = 8;

  std::chrono::milliseconds session_idle_timeout{300'000};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds statement_timeout{60'000};
  std::chrono::milliseconds lock_timeout{5'000};
  std::chrono::milliseconds idle_in_transaction_timeout{60'000};
  std::chrono::milliseconds tcp_user_timeout{30'000};
  std::chrono::milliseconds connection_check_interval{10'000};

  /// Whether a node applies missing migrations when it starts.
  bool auto_migrate = true;

  source_position at;
};

/// What PQconnectdbParams wants, with expand_dbname = 1: the url first (as
/// `dbname`), then the parts and parameters that override it. The timeouts are
/// not among them: whoever opens a session sets them. Holds passwords in
/// clear: never log it.
std::vector<std::pair<std::string, std::string>>
libpq_keywords(const postgresql_config& x);

struct kafka_config {
  /// `host:port[,host:port…]`; empty only when `embedded`.
  std::string bootstrap;

  /// Any librdkafka property that does not touch the protocol.
  property_list properties;

  /// The consumer group that shares out partitions; empty: none.
  std::string group;

  /// How often topics and partitions are looked for.
  std::chrono::milliseconds metadata_interval{30'000};

  /// Read from brokers that have no topic ids.
  bool allow_unidentified_topics = false;

  /// Use an in-process broker instead of a cluster: demos and tests only.
  bool embedded = false;
};

/// What rd_kafka_conf_set wants, `bootstrap.servers` first. Holds passwords
/// in clear: never log it.
std::vector<std::pair<std::string, std::string>>
librdkafka_properties(const kafka_config& x);

struct redis_config {
  /// `redis://…` or `rediss://…`.
  secret url;
  secret password;
};

struct tenant_config {
  /// [a-z][a-z0-9_]{0,40}, unique.
  std::string name;

  /// `tenant_<name>` unless given; unique within its database.
  std::string schema;

  /// Name of the database that holds its rows.
  std::string database{control_database};

  int32_t sessions = 4;

  /// Role that its sessions take on after the log-in; empty: they stay with
  /// the login's.
  std::string role;

  // Quotas of the tenant on one node; 0: none.
  int64_t max_bytes = 0;
  int64_t max_bytes_per_second = 0;
  int64_t max_rows_per_second = 0;

  source_position at;
};

/// A set of migrations beside those of the pipelines' packs.
struct migrations_config {
  /// Unique among them.
  std::string set;

  /// Absolute; empty: the program's own set of that name.
  std::string folder;

  /// Whose schemas get it; empty: those of all.
  std::vector<std::string> tenants;

  source_position at;
};

/// How long dead letters are kept.
struct dead_letters_config {
  std::chrono::milliseconds keep{std::chrono::hours{90 * 24}};

  /// Of keys, headers and values together.
  int64_t max_bytes = 10LL << 30;

  /// How often a node looks, and removes what is beyond; 0: never.
  std::chrono::milliseconds prune_interval{std::chrono::hours{1}};
};

/// How events wait for rows that are not there yet, see `on_missing`.
struct waiting_config {
  /// Then they become dead letters.
  std::chrono::milliseconds keep{std::chrono::hours{1}};

  /// Between two tries of a lane's waiting events.
  std::chrono::milliseconds retry_first{100};
  std::chrono::milliseconds retry_max{30'000};

  /// Per lane; what would have to wait beyond becomes a dead letter.
  int64_t max_events = 10'000;
  int64_t max_bytes = 64LL << 20;
};

/// What one node does for all that work on a database.
struct coordination_config {
  /// Whether this node may be the one.
  bool stand_by = true;

  /// How long the others wait for one that fell silent.
  std::chrono::milliseconds lease{2'000};

  /// Between two looks at partitions.
  std::chrono::milliseconds partition_interval{60'000};
};

/// One node of the static table, and what is placed on it.
struct cluster_node_config {
  std::string node;

  /// `host:port`, where the others reach it.
  std::string address;

  /// `PIPELINE/TENANT/SHARDS`, see `placement`.
  std::vector<std::string> lanes;

  /// `PIPELINE/TOPIC/PARTITIONS`.
  std::vector<std::string> partitions;

  source_position at;
};

/// Files for TLS between nodes; either all are given or none.
struct cluster_tls_config {
  std::string certificate;
  std::string key;
  std::string authority;

  bool enabled() const noexcept {
    return !certificate.empty() && !key.empty() && !authority.empty();
  }
};

struct cluster_config {
  cluster_tls_config tls;

  /// Empty: this node is alone and has everything.
  std::vector<cluster_node_config> nodes;
};

struct config {
  node_config node;
  cluster_config cluster;
  postgresql_config postgresql;

  /// Those beside `postgresql`, in the order of the file.
  std::vector<postgresql_config> databases;
  kafka_config kafka;
  std::optional<redis_config> redis;
  dead_letters_config dead_letters;
  waiting_config waiting;
  coordination_config coordinator;

  /// Never empty.
  std::vector<tenant_config> tenants;

  /// In the order of the file, and after those of the packs.
  std::vector<migrations_config> migrations;

  /// Of tables that no pipeline speaks of.
  std::vector<partition_config> partitions;

  /// Never empty.
  std::vector<pipeline_config> pipelines;
};

/// `[postgresql]` first, then the others.
std::vector<const postgresql_config*> all_databases(const config& all);

/// The database of that name, or nullptr.
const postgresql_config* find_database(const config& all,
                                       std::string_view name);

/// The tenants of a database that a `[[migrations]]` or a `[[partition]]` is
/// for: those named, or all when none is.
std::vector<const tenant_config*>
chosen_tenants(const config& all, const std::vector<std::string>& names,
               std::string_view database);

/// Where the tenant's rows are; the control database for what is no
/// `[[tenant]]`, such as `_unrouted`.
const postgresql_config& database_of(const config& all,
                                     std::string_view tenant);

/// What a pipeline's reading for one database is called: the pipeline's name,
/// with `@NAME` behind it unless that is the control database.
std::string reading_name(std::string_view pipeline, std::string_view database);

} // namespace millrace
