#pragma once

namespace millrace {

/// Registers all message types of the system with CAF. Once, before the first
/// actor system. In a file of its own: it takes the compiler longer than all
/// the rest of the folder.
void init_node_types();

} // namespace millrace
