#pragma once

// A record read once more, for the dead letter of an event that PostgreSQL
// refused: batches hold encoded rows only.

#include <cstdint>
#include <string>

namespace millrace {

/// What a dead letter keeps of a record; see `reject` for the members' forms.
struct record_copy {
  /// False when the topic does not have the record any more (retention,
  /// compaction, a topic made anew); all else is empty then.
  bool found = false;
  bool has_key = false;
  bool has_value = false;
  std::string key;
  std::string value;
  std::string headers;
  int64_t timestamp_ms = -1;
};

} // namespace millrace
