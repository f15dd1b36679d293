#pragma once

#include "messages/ids.hpp"

#include <string>

namespace millrace {

/// From where on records of a partition are for another database.
struct share_start {
  std::string tenant;
  partition_id source;
  offset from;
};

} // namespace millrace
