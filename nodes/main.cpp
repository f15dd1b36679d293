#include "nodes/cli/command_line.hpp"

int main(int argc, char** argv) {
  return millrace::cli::run(argc, argv, millrace::run_node);
}
