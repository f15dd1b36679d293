#pragma once

// What PARTITION CONSUMERS and LANE WRITERS say to each other, and how they
// find each other.

#include "messages/batch.hpp"
#include "messages/frame.hpp"
#include "messages/lane_reply.hpp"
#include "messages/record_copy.hpp"
#include "messages/store.hpp"
#include "messages/supervision.hpp"

#include <caf/actor.hpp>
#include <caf/result.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace millrace {

template <class Inspector>
bool inspect(Inspector& f, key_hash& x) {
  return f.object(x).fields(f.field("high", x.high), f.field("low", x.low));
}

template <class Inspector>
bool inspect(Inspector& f, row_block& x) {
  // CAF knows no std::byte: the same bytes travel as a string.
  auto get = [&x] {
    return std::string{reinterpret_cast<const char*>(x.bytes.data()),
                       x.bytes.size()};
  };
  auto set = [&x](const std::string& raw) {
    auto first = reinterpret_cast<const std::byte*>(raw.data());
    x.bytes.assign(first, first + raw.size());
    return true;
  };
  return f.object(x).fields(f.field("bytes", get, set),
                            f.field("row-ends", x.row_ends),
                            f.field("offsets", x.offsets),
                            f.field("keys", x.keys));
}

template <class Inspector>
bool inspect(Inspector& f, reject_stage& x) {
  auto get = [&x] { return static_cast<uint8_t>(x); };
  auto set = [&x](uint8_t raw) {
    x = static_cast<reject_stage>(raw);
    return raw >= 1 && raw <= static_cast<uint8_t>(reject_stage::waiting);
  };
  return f.apply(get, set);
}

template <class Inspector>
bool inspect(Inspector& f, reject& x) {
  return f.object(x).fields(
    f.field("at", x.at), f.field("stage", x.stage),
    f.field("sqlstate", x.sqlstate), f.field("reason", x.reason),
    f.field("has-key", x.has_key), f.field("has-value", x.has_value),
    f.field("key", x.key), f.field("value", x.value),
    f.field("headers", x.headers), f.field("timestamp-ms", x.timestamp_ms),
    f.field("value-bytes", x.value_bytes),
    f.field("value-sha256", x.value_sha256), f.field("halts", x.halts));
}

template <class Inspector>
bool inspect(Inspector& f, batch& x) {
  return f.object(x).fields(
    f.field("lane", x.lane), f.field("source", x.source),
    f.field("topic", x.topic), f.field("range", x.range),
    f.field("map-version", x.map_version), f.field("shape", x.shape),
    f.field("rewind", x.rewind), f.field("blocks", x.blocks),
    f.field("rejects", x.rejects), f.field("filtered", x.filtered),
    f.field("crossed", x.crossed), f.field("events", x.events),
    f.field("oldest-timestamp-ms", x.oldest_timestamp_ms),
    f.field("newest-timestamp-ms", x.newest_timestamp_ms));
}

template <class Inspector>
bool inspect(Inspector& f, lane_reply& x) {
  auto get = [&x] { return static_cast<uint8_t>(x.what); };
  auto set = [&x](uint8_t raw) {
    x.what = static_cast<lane_reply::kind>(raw);
    return raw <= static_cast<uint8_t>(lane_reply::kind::hand_back);
  };
  return f.object(x).fields(f.field("what", get, set),
                            f.field("source", x.source), f.field("at", x.at),
                            f.field("number", x.number));
}

template <class Inspector>
bool inspect(Inspector& f, record_copy& x) {
  return f.object(x).fields(f.field("found", x.found),
                            f.field("has-key", x.has_key),
                            f.field("has-value", x.has_value),
                            f.field("key", x.key), f.field("value", x.value),
                            f.field("headers", x.headers),
                            f.field("timestamp-ms", x.timestamp_ms));
}

/// A batch on its way. On one node the pointer moves; between nodes the same
/// bytes travel.
struct lane_batch {
  batch_ptr data;

  /// The partition's slot in the lane's row.
  slot at;

  /// Who gets the answer: a PARTITION CONSUMER.
  caf::actor reply_to;
};

template <class Inspector>
bool inspect(Inspector& f, lane_batch& x) {
  auto get = [&x]() -> batch { return x.data ? *x.data : batch{}; };
  auto set = [&x](batch raw) {
    x.data = std::make_shared<const batch>(std::move(raw));
    return true;
  };
  return f.object(x).fields(f.field("data", get, set), f.field("at", x.at),
                            f.field("reply-to", x.reply_to));
}

/// Replies to batches of one lane, in the order in which they came about.
struct lane_answer {
  lane_id lane;
  std::vector<lane_reply> replies;
};

template <class Inspector>
bool inspect(Inspector& f, lane_answer& x) {
  return f.object(x).fields(f.field("lane", x.lane),
                            f.field("replies", x.replies));
}

/// Tells who writes a lane now. Batches sent to an earlier writer may be lost.
struct lane_route {
  lane_id lane;
  caf::actor writer;
};

template <class Inspector>
bool inspect(Inspector& f, lane_route& x) {
  return f.object(x).fields(f.field("lane", x.lane),
                            f.field("writer", x.writer));
}

/// A record of the partition that a dead letter needs: of its packed
/// `record_copy`, the frame that begins at this byte.
struct record_request {
  partition_id source;
  offset at;
  uint64_t from = 0;
};

template <class Inspector>
bool inspect(Inspector& f, record_request& x) {
  return f.object(x).fields(f.field("source", x.source), f.field("at", x.at),
                            f.field("from", x.from));
}

template <class Inspector>
bool inspect(Inspector& f, frame& x) {
  return f.object(x).fields(f.field("sum", x.sum), f.field("total", x.total),
                            f.field("from", x.from), f.field("bytes", x.bytes));
}

/// A piece of a packed batch that is too large for one frame.
struct batch_frame {
  frame piece;

  /// As of `lane_batch`.
  slot at;
  caf::actor reply_to;
};

template <class Inspector>
bool inspect(Inspector& f, batch_frame& x) {
  return f.object(x).fields(f.field("piece", x.piece), f.field("at", x.at),
                            f.field("reply-to", x.reply_to));
}

} // namespace millrace

CAF_BEGIN_TYPE_ID_BLOCK(millrace_lane, caf::first_custom_type_id)

  CAF_ADD_TYPE_ID(millrace_lane, (millrace::lane_batch))
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::lane_answer))
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::lane_route))
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::lane_id))
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::batch))
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::row_block))
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::reject))
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::lane_reply))
  CAF_ADD_ATOM(millrace_lane, millrace, records_ready_atom)
  CAF_ADD_ATOM(millrace_lane, millrace, go_on_atom)
  CAF_ADD_ATOM(millrace_lane, millrace, resume_atom)
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::record_request))
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::record_copy))
  CAF_ADD_ATOM(millrace_lane, millrace, woken_atom)
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::frame))
  CAF_ADD_TYPE_ID(millrace_lane, (millrace::batch_frame))

CAF_END_TYPE_ID_BLOCK(millrace_lane)

namespace millrace {

// -- actor interfaces ---------------------------------------------------------

/// The LANE WRITER interface: one per lane that this node owns.
using lane_writer_actor = caf::typed_actor<
  // Judges the batch; the answer comes as a `lane_answer` once it is known.
  caf::result<void>(lane_batch),
  // The same, once all pieces of the batch are there.
  caf::result<void>(batch_frame),
  // Leaves a halt behind and starts again from the row.
  caf::result<void>(resume_atom),
  // A lane of the tenant has written rows, which waiting events may need.
  caf::result<void>(woken_atom),
  // What was read from PostgreSQL before is void.
  caf::result<void>(pool_reconnected), caf::result<actor_report>(inspect_atom)>;

/// The PARTITION CONSUMER interface: one per assigned partition.
using partition_consumer_actor = caf::typed_actor<
  // The partition's queue has records.
  caf::result<void>(records_ready_atom),
  // Acks, nacks and hand-backs of a lane.
  caf::result<void>(lane_answer),
  // A lane has a new writer: what the old one had is sent again.
  caf::result<void>(lane_route),
  // Reads one record again. An error means: not now, ask again.
  caf::result<frame>(record_request),
  // Starts again from durable truth, also from a halt.
  caf::result<void>(resume_atom), caf::result<actor_report>(inspect_atom)>;

/// The ROUTER interface: one per node; knows who writes each lane.
using router_actor = caf::typed_actor<
  // Says who writes the lane from now on, until that actor ends.
  caf::result<void>(lane_route),
  // Sends a PARTITION CONSUMER all routes now and each change later.
  caf::result<void>(caf::subscribe_atom, caf::actor),
  caf::result<actor_report>(inspect_atom)>;

} // namespace millrace
