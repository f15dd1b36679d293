#pragma once

// A batch of records that no client would send, in Kafka's own words
// (https://kafka.apache.org/documentation/#recordbatch).

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::test {

/// A batch of one record, whose bytes are this payload, as if packed by the
/// codec of that number: 0 to 4 exist.
std::string raw_batch(int16_t codec, std::string_view payload);

/// Sends a batch to a partition; false when the broker refuses it.
bool send_raw_batch(const std::string& bootstrap, std::string_view topic,
                    int32_t partition, std::string_view batch);

} // namespace millrace::test
