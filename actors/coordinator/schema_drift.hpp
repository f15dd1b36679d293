#pragma once

// What a schema holds against what its migrations make. Pure.

#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

/// Something of a schema, in the catalogue's words.
struct schema_object {
  /// "table", "column", "constraint", "function", …
  std::string kind;

  /// The table that it belongs to; empty for what stands by itself.
  std::string table;
  std::string name;

  /// All of it that counts: two of one name are the same when these are.
  std::string definition;
};

enum class drift_kind : uint8_t {
  /// The migrations make it, and it is not there.
  missing,
  /// It is there, and no migration makes it.
  foreign,
  /// There, but another one.
  different,
};

std::string to_string(drift_kind x);

struct schema_difference {
  drift_kind kind = drift_kind::different;

  /// "column orders.price", "function total(integer)"
  std::string object;

  /// Definitions; empty where there is none.
  std::string expected;
  std::string found;

  friend bool operator==(const schema_difference&, const schema_difference&)
    = default;
};

/// What differs, tables first and then by name. Of a table that is missing or
/// foreign, what belongs to it is not told. In any order, each object once.
std::vector<schema_difference>
compare_schemas(const std::vector<schema_object>& expected,
                const std::vector<schema_object>& found);

} // namespace millrace
