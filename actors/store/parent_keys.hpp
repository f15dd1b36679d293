#pragma once

// The keys by which rows of a flush name rows of other tables. Pure.

#include "actors/store/write_plan.hpp"
#include "messages/flush.hpp"

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// The columns of a foreign key, and what they refer to.
struct parent_reference {
  std::string name;

  /// Schema and name of the table that has the key.
  std::pair<std::string, std::string> table;
  std::vector<std::string> columns;

  /// Quoted; its columns, in the order of `columns`.
  std::string parent;
  std::pair<std::string, std::string> parent_name;
  std::vector<std::string> parent_columns;
};

/// Bytes of the fields of a key, in the binary form of COPY. They point into
/// the flush.
using key_fields = std::vector<std::span<const std::byte>>;

/// Compares what the fields hold.
struct key_fields_less {
  bool operator()(const key_fields& x, const key_fields& y) const;
};

/// Which writes of a flush name each key. Keys with a NULL name nothing.
using keyed_writes
  = std::map<key_fields, std::vector<missing_write>, key_fields_less>;

/// The keys that kept rows of the flush name. Nothing where no write fills all
/// of the columns.
keyed_writes named_parents(const flush& work, const parent_reference& by);

/// Those of which the flush itself brings the row are taken out of `keys`.
void drop_brought(const flush& work, const parent_reference& by,
                  keyed_writes& keys);

/// Types of the columns where the flush writes them, as OIDs; empty when that
/// is not known.
std::vector<uint32_t> key_types(const write_plan& plan,
                                const parent_reference& by);

} // namespace millrace
