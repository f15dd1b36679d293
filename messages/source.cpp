#include "messages/source.hpp"

namespace millrace {

std::string to_string(source_errc x) {
  switch (x) {
    case source_errc::retry:
      return "retry";
    case source_errc::halt:
      return "halt";
    case source_errc::quit:
      return "quit";
  }
  return "unknown";
}

} // namespace millrace
