#pragma once

#include "actors/store/connection.hpp"
#include "actors/store/lane_admin.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// A row of `millrace.dead_letter`, or of `millrace.waiting`, which is numbered
/// the same way.
struct dead_letter_id {
  lane_id lane;
  seq number;

  friend auto operator<=>(const dead_letter_id&, const dead_letter_id&)
    = default;
};

/// `pipeline/tenant/shard seq`.
std::string to_string(const dead_letter_id& x);

/// Which dead letters; what is not set does not narrow.
struct dead_letter_filter {
  std::optional<dead_letter_id> one;
  std::optional<std::string> pipeline;
  std::optional<std::string> tenant;
  std::optional<std::string> topic;
  std::optional<std::string> stage;
  std::optional<std::string> sqlstate;

  /// Part of the reason.
  std::optional<std::string> reason;

  /// When it was set aside: [since, until), milliseconds since 1970.
  std::optional<int64_t> since_ms;
  std::optional<int64_t> until_ms;

  bool empty() const;
};

/// A dead letter without its bytes.
struct dead_letter_info {
  dead_letter_id id;
  partition_id source;
  std::string topic;
  offset at;
  std::string stage;
  std::string sqlstate;
  std::string reason;

  /// When it was set aside, RFC 3339 in UTC.
  std::string time;

  /// Of key, headers and value.
  int64_t bytes = 0;

  /// Where only the beginning of the value was kept: length and SHA-256
  /// (hexadecimal) of all of it. Nothing and empty where it is all there.
  std::optional<int64_t> value_bytes;
  std::string value_sha256;
};

/// A header as Kafka had it.
struct dead_letter_header {
  std::string name;
  std::optional<std::string> value;
};

/// All of it. A null key or value is not an empty one.
struct dead_letter : dead_letter_info {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<dead_letter_header> headers;

  /// Of the record, or -1.
  int64_t timestamp_ms = -1;

  /// Its rows of writes that are made always are in their tables.
  bool always_made = false;
};

/// Reads what a reject's `headers` are; nothing when the bytes are another
/// thing.
std::optional<std::vector<dead_letter_header>>
parse_headers(std::string_view raw);

/// The place of a dead letter in the order of replays.
struct dead_letter_key {
  dead_letter_id id;
  partition_id source;
  offset at;
};

struct dead_letter_count {
  std::string pipeline;
  std::string tenant;
  std::string stage;
  std::string sqlstate;
  std::string reason;
  int64_t number = 0;

  /// When the last one was set aside.
  std::string last;
};

/// How many dead letters, and the bytes of their keys, headers and values.
struct dead_letter_sum {
  int64_t number = 0;
  int64_t bytes = 0;
};

/// How long dead letters are kept, and how many bytes of them.
struct dead_letter_limits {
  std::optional<int64_t> keep_ms;
  std::optional<int64_t> max_bytes;
};

/// Where events are kept that are in no table of their tenant.
enum class kept_in : uint8_t {
  dead_letter,
  /// Those that wait for a row (protocol.md, section 4); they are shown as dead
  /// letters of the stage `waiting`.
  waiting,
};

/// Looks at kept events.
class kept_events {
public:
  /// The connection outlives this.
  kept_events(connection& conn, kept_in where);

  /// Newest first.
  store_result<std::vector<dead_letter_info>>
  list(const dead_letter_filter& which, int64_t limit);

  /// Nothing when there is no such event.
  store_result<std::optional<dead_letter>> find(const dead_letter_id& id);

  /// By pipeline, tenant, stage, SQLSTATE and reason, most of them first.
  store_result<std::vector<dead_letter_count>>
  counts(const dead_letter_filter& which, int64_t limit);

protected:
  connection& conn_;

private:
  /// What a FROM names.
  std::string table_;
};

/// The table of dead letters, for `millrace dlq …`. Every change is one
/// transaction with its rows in `millrace.admin_action`.
class dead_letters : public kept_events {
public:
  /// The connection outlives this.
  dead_letters(connection& conn, admin_note note);

  store_result<dead_letter_sum> sum(const dead_letter_filter& which);

  /// At most `limit` in the order of replays (pipeline, topic, partition,
  /// offset), those behind `after` only.
  store_result<std::vector<dead_letter_key>>
  page(const dead_letter_filter& which,
       const std::optional<dead_letter_key>& after, int64_t limit);

  /// Removes them. Each leaves a row in `admin_action` with its coordinates
  /// and the SHA-256 of its whole value. Returns how many there were.
  store_result<int64_t> discard(const dead_letter_filter& which);

  /// A replay failed: why, in place of what was there. False when the dead
  /// letter is gone.
  store_result<bool>
  explain(const dead_letter_key& which, const std::string& stage,
          const std::string& sqlstate, const std::string& reason);

  /// Removes a dead letter whose rows are in another database. Does nothing
  /// when it is gone.
  store_result<void> remove_replayed(const dead_letter_key& which);

  /// Tables that the pipeline of this database began to write behind the
  /// record: a replay leaves them out, as a backfill writes them (rule 25).
  store_result<std::vector<std::string>> begun_later(const dead_letter_key& x);

  /// What `prune` would remove now.
  store_result<dead_letter_sum> prunable(const dead_letter_limits& limits);

  /// Removes what is too old, then the oldest until the rest fits. One row in
  /// `admin_action`.
  store_result<dead_letter_sum> prune(const dead_letter_limits& limits);

private:
  store_result<dead_letter_sum> prune_by(const dead_letter_limits& limits,
                                         const std::string& text);

  admin_note note_;
};

} // namespace millrace
