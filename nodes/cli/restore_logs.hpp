#pragma once

// What Kafka says of the logs that a restored database goes on with.

#include "config/config.hpp"
#include "nodes/cli/lanes_session.hpp"
#include "nodes/cli/log_loss.hpp"

#include <chrono>
#include <vector>

namespace millrace::cli {

/// Asks the brokers for the topics and logs of the partitions, now. Nothing is
/// lost where the broker is embedded in a node. `unreachable` when nobody
/// answers.
admin_result<std::vector<log_loss>>
ask_losses(const config& all, const database_facts& facts,
           std::chrono::milliseconds patience);

} // namespace millrace::cli
