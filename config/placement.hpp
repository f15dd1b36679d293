#pragma once

// Which node has which lane and which partition, by the static table.

#include "config/config.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// A pattern of `[[cluster.static]]`: `PIPELINE/MIDDLE/NUMBERS`, where the
/// middle is a tenant or a topic. `*` is any, and at the end all that follows.
struct place_pattern {
  /// Empty: any.
  std::string pipeline;

  /// Empty: any.
  std::string middle;

  /// Both ends belong to it.
  int32_t first = 0;
  int32_t last = most;

  static constexpr int32_t most = 2'147'483'647;

  bool matches(std::string_view pipeline_name, std::string_view middle_name,
               int32_t number) const noexcept;

  bool overlaps(const place_pattern& x) const noexcept;
};

/// Reads a pattern, or nothing. Says nothing about names that do not exist.
std::optional<place_pattern> parse_place(std::string_view x);

/// Whether the text is a pattern of lanes: the middle is a tenant's name or
/// `_unrouted`.
bool is_lane_pattern(std::string_view x);

/// Whether the text is a pattern of partitions: the middle is a topic's name.
bool is_partition_pattern(std::string_view x);

/// The placement of a whole cluster: for every lane and every partition
/// exactly one node, the same answer on every node that has the same table.
///
/// What nobody lists goes to the node with the highest rank for its name
/// (rendezvous hashing): a node more or less moves only what it gains or had.
/// rank = mix(fnv1a64(KIND "/" PIPELINE "/" MIDDLE "/" NUMBER "\n" NODE)) with
/// KIND `lane` or `partition`, and mix the finalizer of splitmix64; frozen.
class placement {
public:
  /// The table must have been checked. Without one, everything belongs to
  /// `self`.
  placement(const cluster_config& table, std::string self);

  const std::string& self() const noexcept {
    return self_;
  }

  /// Whether there are other nodes.
  bool alone() const noexcept {
    return nodes_.size() < 2;
  }

  /// Whether the table names this node, or there is none.
  bool knows_self() const noexcept;

  const std::string& lane_owner(std::string_view pipeline,
                                std::string_view tenant, int32_t number) const;

  const std::string& partition_owner(std::string_view pipeline,
                                     std::string_view topic,
                                     int32_t number) const;

  bool has_lane(std::string_view pipeline, std::string_view tenant,
                int32_t number) const {
    return lane_owner(pipeline, tenant, number) == self_;
  }

  bool has_partition(std::string_view pipeline, std::string_view topic,
                     int32_t number) const {
    return partition_owner(pipeline, topic, number) == self_;
  }

  /// Of everything that decides an owner: nodes with different tables must
  /// not work together. Addresses are not part of it.
  uint64_t fingerprint() const noexcept {
    return fingerprint_;
  }

private:
  struct node_entry {
    std::string name;
    std::vector<place_pattern> lanes;
    std::vector<place_pattern> partitions;
  };

  using patterns = std::vector<place_pattern> node_entry::*;

  const std::string& owner(patterns which, std::string_view kind,
                           std::string_view pipeline, std::string_view middle,
                           int32_t number) const;

  std::string self_;

  /// By name.
  std::vector<node_entry> nodes_;
  uint64_t fingerprint_ = 0;
};

using placement_ptr = std::shared_ptr<const placement>;

} // namespace millrace
