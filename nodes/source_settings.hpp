#pragma once

// From the configuration to what a SOURCE is started with.

#include "actors/lane/credit_pool.hpp"
#include "actors/source/source.hpp"
#include "config/config.hpp"
#include "config/placement.hpp"
#include "nodes/prepare.hpp"

#include <map>
#include <memory>
#include <string>

namespace millrace {

/// By tenant, `_unrouted` among them: what its lanes share on this node.
using tenant_credit = std::map<std::string, std::shared_ptr<credit_pool>>;

/// Half of `node.memory_bytes` for all batches on their way together, and the
/// quotas of each tenant. The other half is for what the Kafka client holds
/// ready, for batches that are being filled, and for flushes.
tenant_credit make_credit(const config& all);

/// For the SOURCE of one reading. It reads the partitions that `where` gives
/// this node, or those that its consumer group does.
source_config source_settings(const config& all, const placement_ptr& where,
                              const prepared_pipeline& pipeline,
                              const tenant_credit& credit);

} // namespace millrace
