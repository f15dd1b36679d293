#pragma once

#include "actors/lane/lane_writer.hpp"
#include "nodes/prepare.hpp"

namespace millrace {

/// How a pipeline's waiting events are mapped again: by the program that runs,
/// to rows of the lane's shape as the program has it.
std::function<waiting_mapper()>
make_waiting_mapper(const prepared_pipeline& pipeline);

} // namespace millrace
