#pragma once

#include "actors/decode/encoder.hpp"

namespace millrace::detail {

/// Appends a one-dimensional array's value, without its length. Layout as in
/// array_recv of PostgreSQL's arrayfuncs.c: int32 dimensions, int32 whether
/// there are nulls, uint32 element type; per dimension int32 size and int32
/// lower bound; then the elements as fields.
complaint put_array(const encoder& how, const value& x, output& out,
                    workspace& space);

} // namespace millrace::detail
