#pragma once

namespace millrace {

/// Tells CAF of all types of this folder. Before the first actor system; more
/// than once does no harm. In a source of its own: it takes the compiler longer
/// than any other.
void register_messages();

} // namespace millrace
