#pragma once

// A dead letter as the event that it was. Pure.

#include "actors/decode/decoder.hpp"
#include "actors/store/dead_letters.hpp"
#include "messages/batch.hpp"
#include "nodes/one_event.hpp"

#include <optional>
#include <string>

namespace millrace::cli {

/// Decodes the record again, with all that Kafka had beside it.
decoded_event decode_event(decoder& by, const prepared_pipeline& pipeline,
                           const dead_letter& x);

/// Why its event cannot be made again: its value was cut. Nothing where all of
/// it is there.
std::optional<std::string> why_incomplete(const dead_letter& x);

/// The tenant that a dead letter of `_unrouted` names; nothing when it names
/// none. Needs no tables: `routing` is what `compile_routing` made.
std::optional<std::string> tenant_named_by(decoder& routing,
                                           const dead_letter& x);

/// Whether an older event could replace a newer row by these writes.
bool may_overwrite(const program& by, const batch& data);

} // namespace millrace::cli
