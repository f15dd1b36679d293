#pragma once

#include "actors/store/waiting_move.hpp"
#include "nodes/prepare.hpp"

namespace millrace {

/// What the pipeline as it is prepared makes of events that wait: their lanes
/// by its map, and the rows that its writes touch. What it does not write any
/// more becomes a dead letter, of `_unrouted` where its tenant is unknown; in
/// a database without that, of the lane where it was.
///
/// For one thread.
waiting_remap make_waiting_remap(const prepared_pipeline& pipeline);

} // namespace millrace
