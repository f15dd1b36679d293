#pragma once

// What the decoder makes of an event, for people: rows with names, types and
// the expressions that the values came from.

#include "actors/decode/decoder.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct explained_column {
  std::string name;

  /// As PostgreSQL says it; empty when the table was not looked up.
  std::string type;

  /// The expression.
  std::string source;

  /// As text, nothing for NULL.
  std::optional<std::string> value;

  bool in_key = false;
};

struct explained_row {
  std::string event;
  std::string table;
  write_kind kind = write_kind::append;
  std::string only_if_newer;
  std::vector<explained_column> columns;
};

struct explanation {
  outcome what = outcome::rejected;

  /// Empty where the event does not say whose it is.
  std::string tenant;
  int32_t shard = 0;

  /// By write, in the order of the configuration.
  std::vector<explained_row> rows;

  /// Of a reject.
  reject_stage stage = reject_stage::decode;
  std::string reason;
};

/// Decodes one record with a decoder of its own.
explanation explain(const program_ptr& by, int32_t lanes,
                    std::span<const std::string> tenants,
                    const record_view& record);

/// Tables with all that a pipeline's writes name, their types unknown and
/// their keys unique: for looking at a mapping without a server.
std::vector<table_schema> assumed_tables(const pipeline_config& config);

/// A field of a COPY tuple, without its length, as text.
std::string field_text(const column_schema& column, std::string_view field);

} // namespace millrace
