#pragma once

#include "actors/admin/metrics.hpp"
#include "messages/lane.hpp"

#include <caf/actor.hpp>

#include <cstddef>
#include <vector>

namespace millrace {

/// Cuts a batch into such whose ranges follow each other and make up the whole
/// range, each at most `max_bytes` large, except where a single record is
/// larger: it goes alone. A batch that is small enough is returned as it is.
///
/// Rows and rejects are in offset order, as a feed makes them. What is only
/// counted (`filtered`, `crossed`) is in the last piece; times are in all.
std::vector<batch_ptr> split_batch(const batch_ptr& x, std::size_t max_bytes);

/// Sends a batch to its LANE WRITER: as it is on this node; to another one
/// counted, and in pieces that a frame can hold, a record that is larger in
/// several frames.
void post_batch(const caf::actor& writer, lane_batch x,
                pipeline_metrics& metrics);

} // namespace millrace
