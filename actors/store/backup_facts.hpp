#pragma once

#include "actors/store/connection.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// The map of a pipeline, as a backup keeps it.
struct kept_pipeline {
  std::string pipeline;
  int64_t map_version = 0;
  int64_t map_fingerprint = 0;
  int32_t lanes = 0;

  friend bool operator==(const kept_pipeline&, const kept_pipeline&) = default;
};

struct kept_partition {
  std::string pipeline;
  std::string topic;
  partition_id source;

  /// Its place in the offsets of the pipeline's lanes, from 1.
  int32_t slot = 0;
  offset floor;

  /// Not read any more: the topic was replaced, or the pipeline is a backfill
  /// that has come to its end there.
  bool retired = false;

  friend bool operator==(const kept_partition&, const kept_partition&)
    = default;
};

struct kept_lane {
  lane_id lane;
  std::string state;
  seq next_seq;

  /// The effective ones, in the order of the pipeline's partitions.
  std::vector<int64_t> offsets;

  friend bool operator==(const kept_lane&, const kept_lane&) = default;
};

struct kept_table {
  std::string schema;
  std::string name;
  int64_t rows = 0;

  friend bool operator==(const kept_table&, const kept_table&) = default;
};

/// A privilege on the database itself.
struct kept_grant {
  /// Empty: everybody.
  std::string grantee;
  std::string privilege;
  bool grantable = false;

  friend bool operator==(const kept_grant&, const kept_grant&) = default;
};

/// A setting of the database, for everybody or for one role.
struct kept_setting {
  std::string role;
  std::string name;
  std::string value;

  friend bool operator==(const kept_setting&, const kept_setting&) = default;
};

/// What is outside of the database's tables: a dump of one database leaves it
/// out, so a new one has to be given it.
struct kept_properties {
  std::string owner;
  std::string collate;
  std::string ctype;

  /// `c`, `i` or `b`, as in pg_database.
  std::string provider = "c";

  /// Of the providers that have one.
  std::string locale;
  std::vector<kept_setting> settings;

  /// Nothing: as PostgreSQL grants by itself.
  std::optional<std::vector<kept_grant>> grants;

  /// Roles that own something in it or were granted something.
  std::vector<std::string> roles;
  std::vector<std::string> extensions;

  friend bool operator==(const kept_properties&, const kept_properties&)
    = default;
};

/// What a backup says of one database, of one snapshot.
struct database_facts {
  /// As PostgreSQL calls it.
  std::string database;

  /// For example 170005.
  int32_t server_version = 0;

  /// RFC 3339, by the server's clock.
  std::string at;

  /// The newest control migration.
  int32_t control_version = 0;
  kept_properties properties;
  std::vector<kept_pipeline> pipelines;

  /// By pipeline and slot.
  std::vector<kept_partition> partitions;

  /// By pipeline, tenant, shard.
  std::vector<kept_lane> lanes;

  /// By schema and name: those that hold rows.
  std::vector<kept_table> tables;
};

/// Reads all but the numbers of rows. In a transaction of one snapshot they
/// belong together. `misconfigured` where there is no control schema.
store_result<database_facts> read_facts(connection& conn);

/// Reads each table to its end.
store_result<void> count_rows(connection& conn,
                              std::vector<kept_table>& tables);

/// Why the database is in the middle of a change of a map, or nothing: then it
/// cannot be copied by itself.
store_result<std::optional<std::string>> change_under_way(connection& conn);

/// The pipelines' maps as they are now.
store_result<std::vector<kept_pipeline>> read_maps(connection& conn);

/// How many dead letters of no tenant were replayed since then, by the server's
/// clock. In the control database: their rows may be in another one.
store_result<int64_t> unrouted_replays(connection& conn,
                                       const std::string& since);

/// How the second differs from the first, a sentence each; of what every
/// restored database must have the same: maps, offsets, tables, rows.
std::vector<std::string> differences(const database_facts& kept,
                                     const database_facts& found);

} // namespace millrace
