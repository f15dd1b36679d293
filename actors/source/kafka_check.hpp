#pragma once

#include "actors/source/kafka.hpp"

#include <optional>
#include <string>

namespace millrace {

/// What is wrong with a set of properties as a whole: a mechanism that this
/// librdkafka does not have, a file that is not there, a name without a
/// password. Asks no broker, and says nothing where there is no thread or
/// memory to try them. One property alone: `kafka_property_fault`.
std::optional<std::string>
kafka_properties_fault(const kafka_properties& properties);

} // namespace millrace
