#pragma once

// The words that name things across the whole system: offsets, partitions,
// epochs, lanes. Strong types, so that an offset cannot be passed for a seq.

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// A number with a meaning. Ordered and hashable, but without arithmetic
/// unless the tag's operations below say so.
template <class Tag, class Rep>
struct strong {
  using rep = Rep;

  Rep value = 0;

  friend auto operator<=>(const strong&, const strong&) = default;
};

/// Position of a record in a Kafka partition; ranges are half open.
using offset = strong<struct offset_tag, int64_t>;

/// Number of a partition within its topic.
using partition = strong<struct partition_tag, int32_t>;

/// How often a lane changed hands. Bumped by every takeover.
using epoch = strong<struct epoch_tag, int64_t>;

/// Position in a lane's own gapless sequence of flushes and rejects.
using seq = strong<struct seq_tag, int64_t>;

/// Number of a lane within its (pipeline, tenant).
using shard = strong<struct shard_tag, int32_t>;

/// Index into a lane's array of offsets: one slot per (topic, partition).
using slot = strong<struct slot_tag, int32_t>;

/// Stands for everything that decides which lane and writes an event gets.
using map_version = strong<struct map_version_tag, int64_t>;

/// Fingerprint of the target columns that a batch was encoded for.
using shape = strong<struct shape_tag, uint64_t>;

/// Counts the rewinds of one (partition, lane); stale nacks carry an old one.
using rewind = strong<struct rewind_tag, int64_t>;

constexpr offset operator+(offset x, int64_t n) noexcept {
  return {x.value + n};
}

constexpr int64_t operator-(offset x, offset y) noexcept {
  return x.value - y.value;
}

/// 128 bits that are the same nowhere else: topic ids, owners, tokens.
struct uuid {
  std::array<uint8_t, 16> bytes{};

  friend auto operator<=>(const uuid&, const uuid&) = default;

  /// A random (version 4) id from the system's random source.
  static uuid random();

  /// Reads the canonical form with hyphens, or nothing.
  static std::optional<uuid> parse(std::string_view text);
};

/// The canonical form, 36 lower-case characters.
std::string to_string(const uuid& x);

/// One partition of one incarnation of a topic. A topic that was deleted and
/// made again has another uuid, so its offsets can never be mixed up.
struct partition_id {
  uuid topic;
  partition number;

  friend auto operator<=>(const partition_id&, const partition_id&) = default;
};

/// The unit of order, fencing and placement.
struct lane_id {
  std::string pipeline;
  std::string tenant;
  shard number;

  friend auto operator<=>(const lane_id&, const lane_id&) = default;
};

/// `pipeline/tenant/shard`, as logs, metrics and application_name show it.
std::string to_string(const lane_id& x);

/// A half-open range of offsets.
struct offset_range {
  offset from;
  offset to;

  friend auto operator<=>(const offset_range&, const offset_range&) = default;

  constexpr bool empty() const noexcept {
    return to <= from;
  }

  constexpr bool contains(offset x) const noexcept {
    return from <= x && x < to;
  }
};

template <class Inspector, class Tag, class Rep>
bool inspect(Inspector& f, strong<Tag, Rep>& x) {
  return f.apply(x.value);
}

template <class Inspector>
bool inspect(Inspector& f, uuid& x) {
  return f.apply(x.bytes);
}

template <class Inspector>
bool inspect(Inspector& f, partition_id& x) {
  return f.object(x).fields(f.field("topic", x.topic),
                            f.field("number", x.number));
}

template <class Inspector>
bool inspect(Inspector& f, lane_id& x) {
  return f.object(x).fields(f.field("pipeline", x.pipeline),
                            f.field("tenant", x.tenant),
                            f.field("number", x.number));
}

template <class Inspector>
bool inspect(Inspector& f, offset_range& x) {
  return f.object(x).fields(f.field("from", x.from), f.field("to", x.to));
}

} // namespace millrace

template <class Tag, class Rep>
struct std::hash<millrace::strong<Tag, Rep>> {
  std::size_t operator()(const millrace::strong<Tag, Rep>& x) const noexcept {
    return std::hash<Rep>{}(x.value);
  }
};
