#include "nodes/cli/command_line.hpp"

#ifdef __SANITIZE_ADDRESS__
extern "C" const char* __lsan_default_suppressions();

/// CAF 0.18 keeps the socket of a connection that comes up in the moment when
/// its middleman stops: 494 bytes at the end of a process.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:caf::io::network::default_multiplexer::new_scribe\n";
}
#endif

int main(int argc, char** argv) {
  return millrace::cli::run(argc, argv, millrace::run_node);
}
