#pragma once

// Interfaces of the POOL and its SESSIONS. Their messages carry pointers and
// never leave the node.

#include "messages/flush.hpp"
#include "messages/lane_row.hpp"
#include "messages/partition_view.hpp"
#include "messages/store_errc.hpp"
#include "messages/store_requests.hpp"
#include "messages/supervision.hpp"

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/is_error_code_enum.hpp>
#include <caf/result.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

/// A connection of the pool was lost and made again, perhaps to another
/// server: everything read before is void until it is read again (rule 22).
struct pool_reconnected {
  uint64_t generation = 0;
};

/// What a flush says about the tables that it writes.
enum class schema_sight : uint8_t {
  unknown,
  /// Rows came to them, or were refused for what they are.
  usable,
  /// A table, column or privilege is missing: no flush gets through.
  unusable,
  /// The server is short of memory, disk or connections, whatever the tables.
  no_room,
};

/// Sent by a SESSION to its POOL.
struct session_notice {
  enum class kind : uint8_t {
    /// Connected for the first time; ready for work.
    up = 1,
    /// Done with its work; ready for more.
    idle,
    /// Lost its connection or could not make one; trying again.
    down,
    /// Connected again; ready for work.
    up_again,
  };
  uint32_t index = 0;
  kind what = kind::idle;

  /// Why it is down, tables are unusable, or there is no room.
  store_errc code = store_errc::unavailable;
  std::string reason;

  /// Done with a flush that wrote rows.
  bool wrote = false;

  /// When it is up: when the server that it is connected to was started, in
  /// microseconds since 1970. Another one is another server, or this one after
  /// a fall.
  int64_t server_started_us = 0;

  /// Done with a flush, or with something else for which there is no room.
  schema_sight tables = schema_sight::unknown;
};

/// To a POOL: a session may be had, or given up, or has been idle for long.
struct pool_nudge {};

/// Of a lane that has waiting events: what they wait for may be there after
/// the next commit of any lane of the tenant.
struct wake_request {
  caf::actor lane;
};

struct pool_status {
  uint64_t generation = 0;
  uint32_t sessions = 0;
  uint32_t busy = 0;
  uint32_t down = 0;
  uint64_t queued = 0;
};

/// The next slice of the flush in progress.
struct session_step {};

/// Time to connect, or to look whether the idle connection still stands. Only
/// the latest one counts.
struct session_tick {
  uint64_t number = 0;
};

/// Who wants to know of reconnects from now on, until it ends.
struct pool_subscribe {
  caf::actor listener;
};

struct pool_inquiry {};

} // namespace millrace

CAF_BEGIN_TYPE_ID_BLOCK(millrace_store, caf::first_custom_type_id + 200)

  CAF_ADD_TYPE_ID(millrace_store, (millrace::store_errc))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::flush))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::flush_result))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::takeover_request))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::load_request))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::lane_row))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::boot_request))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::boot_result))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::view_request))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::partition_view))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::floor_request))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::floor_answer))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::pool_reconnected))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::pool_subscribe))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::pool_inquiry))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::pool_status))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::session_notice))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::session_step))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::session_tick))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::halt_request))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::retention_halt_request))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::waiting_request))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::waiting_answer))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::wake_request))
  CAF_ADD_TYPE_ID(millrace_store, (millrace::pool_nudge))

CAF_END_TYPE_ID_BLOCK(millrace_store)

CAF_ERROR_CODE_ENUM(millrace::store_errc)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::flush)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::flush_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::takeover_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::load_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::lane_row)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::boot_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::boot_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::view_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::partition_view)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::floor_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::floor_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::pool_reconnected)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::pool_subscribe)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::pool_inquiry)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::pool_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::session_notice)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::session_step)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::session_tick)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::halt_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::retention_halt_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::waiting_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::waiting_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::wake_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::pool_nudge)

namespace millrace {

// -- actor interfaces ---------------------------------------------------------

/// The POOL interface: the sessions of one tenant. Every request is handed to
/// an idle SESSION, which answers the requester itself; it waits in a bounded
/// queue when none is idle. Errors are `store_errc`.
///
/// A lane that is told to wait gets `resume_atom` when it may go on: after
/// `misconfigured` for a flush (the tenant is parked), and after `back_off` for
/// a flush, a takeover, a load or events that wait, as an error or as a flush's
/// action.
using pool_actor = caf::typed_actor<
  // Runs one flush. Its outcome is a value. `overloaded`, `unavailable`,
  // `misconfigured` and `back_off` mean that nothing was sent; after any other
  // error it is in doubt.
  caf::result<flush_result>(flush),
  // Takes the lane over; `lane_inactive` or `no_lane` when it cannot be.
  caf::result<lane_row>(takeover_request),
  // Halts a lane for good, until somebody resumes it.
  caf::result<lane_row>(halt_request),
  // Halts a lane whose next records Kafka has no longer.
  caf::result<lane_row>(retention_halt_request),
  // Reads a lane and its floors; `no_lane` when there is none.
  caf::result<lane_row>(load_request),
  // Makes a pipeline's rows exist and reads them back.
  caf::result<boot_result>(boot_request),
  // Reads where all lanes of a partition stand, from one snapshot.
  caf::result<partition_view>(view_request),
  // Proposes a floor; a refusal is an answer, not an error.
  caf::result<floor_answer>(floor_request),
  // Reads waiting events of a lane.
  caf::result<waiting_answer>(waiting_request),
  // Sends the lane `woken_atom` after the next flush that writes rows, once.
  caf::result<void>(wake_request),
  // Sends `pool_reconnected` to the listener after each reconnect, before any
  // work is done on the new connection.
  caf::result<void>(pool_subscribe),
  // For status pages.
  caf::result<pool_status>(pool_inquiry),
  // A SESSION tells how it is.
  caf::result<void>(session_notice),
  // The sessions of the node have moved: look whether to open or close one.
  caf::result<void>(pool_nudge), caf::result<actor_report>(inspect_atom)>;

/// The SESSION interface: owns one connection. Only its POOL gives it work,
/// one piece at a time.
using session_actor = caf::typed_actor<
  caf::result<flush_result>(flush), caf::result<lane_row>(takeover_request),
  caf::result<lane_row>(halt_request),
  caf::result<lane_row>(retention_halt_request),
  caf::result<lane_row>(load_request), caf::result<boot_result>(boot_request),
  caf::result<partition_view>(view_request),
  caf::result<floor_answer>(floor_request),
  caf::result<waiting_answer>(waiting_request),
  // To itself: send and receive for a while.
  caf::result<void>(session_step),
  // To itself: connect, or check the idle connection.
  caf::result<void>(session_tick),
  // Answers between two slices of work.
  caf::result<actor_report>(inspect_atom)>;

} // namespace millrace
