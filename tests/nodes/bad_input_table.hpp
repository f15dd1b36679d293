#pragma once

// The table of bad inputs: which records are sent, and what must become of
// each. Its form is described at the top of bad_inputs.txt.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::test {

/// Where in its partition a case's records stand.
enum class bad_place : uint8_t {
  /// Among good ones.
  middle,
  /// At the partition's first offset.
  first,
  /// At its last one.
  last,
  /// In a partition that holds nothing else.
  only,
};

/// What must become of the last record of a case.
enum class bad_outcome : uint8_t {
  /// Nothing is in `row`; the case only asks.
  asked,
  /// A row of the topic's table at the record's coordinates.
  row,
  /// A dead letter of the tenant.
  letter,
  /// A dead letter of no tenant.
  unrouted,
  /// Neither, and no more is said of it.
  filtered,
};

/// One case of the table.
struct bad_input {
  /// Line of its name, from 1.
  std::size_t line = 0;

  /// Number of its class, from 1.
  int kind = 0;

  std::string name;
  std::string topic;
  bad_place place = bad_place::middle;

  /// Compression of the producer, by librdkafka's names.
  std::string codec = "none";

  /// Nothing: a null key.
  std::optional<std::string> key;
  std::vector<std::pair<std::string, std::string>> headers;

  /// Milliseconds since 1970; nothing: now.
  std::optional<int64_t> timestamp_ms;

  /// Records in order, all with this key and these headers. Nothing: a
  /// tombstone.
  std::vector<std::optional<std::string>> values;

  bad_outcome outcome = bad_outcome::asked;

  /// Columns and PostgreSQL's text of them; those not named are NULL.
  std::vector<std::pair<std::string, std::string>> row;

  /// Stage of the dead letter, and SQLSTATE where that is `store`.
  std::string stage;
  std::string sqlstate;

  /// Its reason, in parts with anything between them.
  std::vector<std::string> reason;

  /// SHA-256 of a value that is cut, in hexadecimal.
  std::string sha256;

  /// Statements and what their only value must be.
  std::vector<std::pair<std::string, std::string>> asks;
};

/// All cases of a table, or every fault of it as `line N: …`, one a line.
/// `topics` are the names that `topic` may have; the first is the default.
std::expected<std::vector<bad_input>, std::string>
read_bad_inputs(std::string_view text, const std::vector<std::string>& topics);

/// Reads a text of the table: `~hh` is a byte, `~~` a tilde, `~(N*text)` a text
/// N times and `~(N?)` N letters and digits that do not compress.
std::expected<std::string, std::string> expand(std::string_view text);

/// Whether a text is these parts with anything between them.
bool fits(std::string_view text, const std::vector<std::string>& parts);

} // namespace millrace::test
