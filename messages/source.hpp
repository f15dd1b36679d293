#pragma once

// What a PARTITION CONSUMER asks of its SOURCE. Carries pointers; never leaves
// the node.

#include "messages/ids.hpp"
#include "messages/lane.hpp"
#include "messages/supervision.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/is_error_code_enum.hpp>
#include <caf/result.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>

#include <memory>
#include <string>
#include <vector>

namespace millrace {

/// The records of one assignment; actors/source/kafka_consumer.hpp has it.
class partition_queue;
using partition_queue_ptr = std::shared_ptr<partition_queue>;

/// Why the SOURCE could not do something; the error's context has the text.
enum class source_errc : uint8_t {
  /// It may heal by itself: ask again later.
  retry = 1,
  /// Going on would lose or invent records: halt the partition.
  halt,
  /// The client is of no use any more.
  quit,
};

std::string to_string(source_errc x);

template <class Inspector>
bool inspect(Inspector& f, source_errc& x) {
  auto get = [&x] { return static_cast<uint8_t>(x); };
  auto set = [&x](uint8_t raw) {
    x = static_cast<source_errc>(raw);
    return raw >= 1 && raw <= static_cast<uint8_t>(source_errc::quit);
  };
  return f.apply(get, set);
}

/// Rule 3: the log's bounds, asked from the leader now, and whether the topic
/// is still the one that the partition belongs to.
struct log_request {
  std::string topic;
  partition_id source;
};

/// Rule 4a: reads the partition from exactly this offset on.
struct assign_request {
  std::string topic;
  partition number;
  offset start;

  /// By a second client, beside the first one (rule 7). It reads for as long
  /// as the queue is held.
  bool catch_up = false;
};

/// Rule 4c: what a second reader sees in the range.
struct verify_request {
  std::string topic;
  partition number;
  offset_range range;
};

/// Rule 16: one record read once more, for its dead letter; see
/// `record_request`.
struct fetch_request {
  std::string topic;
  partition_id source;
  offset at;
  uint64_t from = 0;
};

/// The lanes in the database are not those that the consumer was made for. It
/// ends; what it should be now is known after another boot.
struct lanes_changed {
  partition_id source;
};

/// Tells Kafka where we are, for monitoring tools only.
struct position_hint {
  std::string topic;
  partition number;
  offset position;
};

} // namespace millrace

CAF_BEGIN_TYPE_ID_BLOCK(millrace_source, caf::first_custom_type_id + 300)

  CAF_ADD_TYPE_ID(millrace_source, (millrace::source_errc))
  CAF_ADD_TYPE_ID(millrace_source, (millrace::partition_queue_ptr))
  CAF_ADD_TYPE_ID(millrace_source, (millrace::log_request))
  CAF_ADD_TYPE_ID(millrace_source, (millrace::assign_request))
  CAF_ADD_TYPE_ID(millrace_source, (millrace::verify_request))
  CAF_ADD_TYPE_ID(millrace_source, (millrace::position_hint))
  CAF_ADD_TYPE_ID(millrace_source, (millrace::offset_range))
  CAF_ADD_TYPE_ID(millrace_source, (std::vector<millrace::offset>))
  CAF_ADD_ATOM(millrace_source, millrace, poll_atom)
  CAF_ADD_ATOM(millrace_source, millrace, start_atom)
  CAF_ADD_TYPE_ID(millrace_source, (millrace::fetch_request))
  CAF_ADD_TYPE_ID(millrace_source, (millrace::lanes_changed))

CAF_END_TYPE_ID_BLOCK(millrace_source)

CAF_ERROR_CODE_ENUM(millrace::source_errc)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::partition_queue_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::log_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::assign_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::verify_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::position_hint)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::fetch_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::lanes_changed)

namespace millrace {

// -- actor interfaces ---------------------------------------------------------

/// The SOURCE interface: one per pipeline; owns the Kafka consumer. Errors are
/// `source_errc`.
using source_actor = caf::typed_actor<
  // Answers with the log's low and high watermark, asked from the brokers after
  // the question came. `halt` when the topic is another one or is gone.
  caf::result<offset_range>(log_request),
  // Answers with a queue that hands out the records from there on.
  caf::result<partition_queue_ptr>(assign_request),
  // Answers with the offsets that a second reader found.
  caf::result<std::vector<offset>>(verify_request),
  // Answers with a frame of the record, or of one that says that the topic does
  // not have it any more.
  caf::result<frame>(fetch_request), caf::result<void>(position_hint),
  // Boots again and makes the consumer anew.
  caf::result<void>(lanes_changed),
  // To itself: the client has something to say.
  caf::result<void>(poll_atom),
  // To itself: find the topics and start the consumers that are missing.
  caf::result<void>(start_atom), caf::result<actor_report>(inspect_atom)>;

} // namespace millrace
