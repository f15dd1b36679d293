#pragma once

#include "actors/store/connection.hpp"

namespace millrace {

/// Tells whoever coordinates this database that a row found no partition: who
/// listens hears it with the next answer that it gets. Nothing is said when
/// that does not succeed; the coordinator looks by itself, too.
void tell_missed_partition(connection& conn);

/// From now on `heard_missed_partition` hears it.
store_result<void> listen_for_missed_partitions(connection& conn);

/// Whether somebody has told since the last call, as far as the server has said
/// so; asks nothing.
bool heard_missed_partition(connection& conn);

} // namespace millrace
