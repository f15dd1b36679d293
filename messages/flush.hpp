#pragma once

// What a LANE WRITER hands to a SESSION, and what it gets back. Plain data
// without CAF, so that the lane's pure core can build and judge it.

#include "messages/batch.hpp"
#include "messages/ids.hpp"
#include "messages/lane_row.hpp"
#include "messages/waiting.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace millrace {

/// How rows reach their tables; made once per (pipeline, tenant), see
/// actors/store/write_plan.hpp.
struct write_plan;
using write_plan_ptr = std::shared_ptr<const write_plan>;

/// One batch of a flush, or a part of one. Rows and rejects below `trim_below`
/// are left out, and those from `keep_below` on wait for a later flush.
struct flush_source {
  batch_ptr data;
  offset trim_below;
  offset keep_below{std::numeric_limits<int64_t>::max()};

  /// Events whose rows PostgreSQL has refused, in offset order: they become
  /// dead letters, and none of their rows is written, but those of writes that
  /// are made always.
  std::vector<reject> refused = {};

  /// Events that are put aside until what they need is there, in offset order.
  /// The same holds for their rows.
  std::vector<waiting_letter> waiting = {};

  /// Those of `refused` whose rows of writes that are made always are at fault
  /// as well, in offset order.
  std::vector<offset> silent = {};

  bool keeps(offset at) const noexcept {
    return trim_below <= at && at < keep_below;
  }
};

/// One PostgreSQL transaction of one lane. Sources of one partition are in
/// offset order and do not overlap above their `trim_below`.
struct flush {
  millrace::claim claim;
  std::vector<flush_source> sources;
  write_plan_ptr plan;

  /// Waiting events of the lane that it takes away (rule 14b), ascending.
  std::vector<seq> taken = {};
};

/// Events of a source whose rows are left out, in offset order; of writes that
/// are made `always`, or of the others.
std::vector<offset> left_out(const flush_source& x, bool always);

/// Rejects and waiting events that a flush will write: what `claim::seqs`
/// counts beside one.
int64_t reject_count(const flush& x);

/// The seq of a flush's first waiting event: those of its rejects come before.
seq first_waiting(const flush& x);

/// A write that lacks its row: of the event at `at` of a flush's source.
struct missing_write {
  std::size_t source = 0;
  std::size_t block = 0;
  offset at;
};

/// What became of a flush.
enum class flush_verdict : uint8_t {
  /// Durable.
  committed = 1,
  /// The claim did not hold; nothing was written (rule 18).
  refused,
  /// PostgreSQL said no to something else; nothing was written. `action`
  /// says what to do.
  failed,
  /// The connection was lost while COMMIT may have been on its way (rule 21).
  in_doubt,
  /// The connection was lost before that; nothing was written.
  disconnected,
};

std::string to_string(flush_verdict x);

/// What to do about an error of PostgreSQL (rules 19 and 20).
enum class failure_action : uint8_t {
  none = 0,
  /// The data is at fault: find the event and make it a dead letter.
  bisect,
  /// Send the same flush again.
  retry,
  /// Took too long: send half of it.
  halve,
  /// Another connection is needed; the SESSION sees to it.
  reconnect,
  /// The server lacks room or memory: wait, then the same again.
  back_off,
  /// A partition is missing: infrastructure, never a dead letter.
  wait_partition,
  /// A migration or a grant is missing: park the tenant.
  park,
  /// Our own encoding or the protocol is broken: halt the lane.
  halt,
  /// Rows are not there that writes need: `flush_result::missing` says whose.
  missing,
};

std::string to_string(failure_action x);

struct flush_result {
  flush_verdict verdict = flush_verdict::disconnected;
  failure_action action = failure_action::none;

  /// Five characters when PostgreSQL said no, else empty.
  std::string sqlstate;

  /// For a person and for logs: without the detail and context of PostgreSQL,
  /// which quote rows.
  std::string message;

  /// For the dead letter: all that PostgreSQL said, with the names of table,
  /// column and constraint. May quote the row.
  std::string reason;

  /// What PostgreSQL named; of a partitioned table it names the partition.
  std::string schema;
  std::string table;
  std::string column;
  std::string constraint;

  /// What was sent: rows after collapsing, rejects, bytes of COPY data.
  int64_t rows = 0;
  int64_t dead_letters = 0;
  int64_t waiting = 0;
  int64_t bytes = 0;

  /// Writes that lack their row, with the action `missing`: some at least.
  std::vector<missing_write> missing;

  /// By block of the batches: how many keys a write that updates or deletes
  /// has not found a row for. Empty when no write of the plan does, or when
  /// nothing was committed. A write counts a key once per flush.
  std::vector<int64_t> not_found;

  /// From the send of the query string to its last answer.
  std::chrono::microseconds duration{0};
};

} // namespace millrace
