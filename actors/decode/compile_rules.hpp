#pragma once

#include "actors/decode/binder.hpp"
#include "actors/decode/encoder.hpp"
#include "actors/decode/expression.hpp"
#include "actors/decode/fingerprint.hpp"
#include "config/pipeline.hpp"

namespace millrace::detail {

/// Whether an expression can yield what a column's encoder takes, as far as
/// that is known before there is a record.
bool fits(expression_kind x, encoder_kind how);

/// As the configuration spells it; frozen, because it is part of the map.
std::string_view name_of(write_kind x) noexcept;

/// Whether some write is made for records without a value.
bool takes_tombstones(const event_config& x);

/// Whether there is one event and it takes all records.
bool is_plain(const pipeline_config& x);

/// A problem where an expression reads the payload.
void refuse_payload(const expression& x, const expression_text& text,
                    const std::string& path, std::string_view expected,
                    problem_list& problems);

/// The write's table, its schema named or not; a problem where there is none.
const table_schema*
find_table(const write_config& write, const std::string& path,
           std::span<const table_schema> tables, problem_list& problems);

/// The column that is to be filled; a problem where it is missing or cannot be
/// written.
const column_schema*
find_target(const table_schema& table, const column_config& column,
            const std::string& where, problem_list& problems);

/// A problem for each column that a write leaves out and must not.
void check_uncovered(const write_config& write, const std::string& path,
                     const table_schema& table, problem_list& problems);

/// A problem where rows are found by a key that no unique index covers.
void check_unique(const write_config& write, const std::string& path,
                  const table_schema& table, problem_list& problems);

/// What the map fingerprint is made of: the hash's name, the number of lanes,
/// then tenant, route and writes in the order in which they are added. Frozen.
class map_text {
public:
  explicit map_text(const pipeline_config& config);

  /// A tenant or route, with the code tables that it uses.
  void add(const expression& x);

  /// What says of which type an event is.
  void add_type(const expression& x);

  void add(const event_config& event);

  void add_when(const expression& x);

  void add_each(const std::vector<each_level>& x);

  void add(const write_config& write);

  uint64_t hash() const noexcept {
    return text_.hash();
  }

private:
  void add_codes(const expression& x);

  const pipeline_config& config_;
  fingerprint_text text_;
};

} // namespace millrace::detail
