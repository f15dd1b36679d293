#pragma once

#include "actors/admin/metric_snapshot.hpp"

#include <string_view>

namespace millrace {

/// CPU, memory and descriptors of this process, read from the kernel now, and
/// the build's version. What cannot be read is left out.
metric_snapshot process_metrics(std::string_view version);

} // namespace millrace
