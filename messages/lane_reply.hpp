#pragma once

// The answer of a lane to one batch.

#include "messages/ids.hpp"

#include <cstdint>

namespace millrace {

/// What a LANE WRITER tells a PARTITION CONSUMER.
struct lane_reply {
  enum class kind : uint8_t {
    /// Everything below `at` is durable.
    ack,
    /// Send again from `at`; ignore it unless `number` is still current.
    nack,
    /// Not for this lane as it is now: encode again or stop.
    hand_back,
  };

  kind what = kind::ack;
  partition_id source;
  offset at;
  rewind number;
};

} // namespace millrace
