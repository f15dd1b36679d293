#pragma once

// A pipeline's mapping, compiled: what the decoder runs for each record, and
// what the store must know about the rows it gets.

#include "actors/decode/table_schema.hpp"
#include "config/pipeline.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// One thing that is wrong with a mapping.
struct compile_problem {
  /// Position of the fault; inside an expression where it is one.
  source_position at;

  /// Where in the configuration, for example
  /// "pipeline.ticks.event[0].write[0].columns.bid_price".
  std::string path;

  /// "found …, expected …".
  std::string message;
};

/// `file:line:column: path: message`.
std::string to_string(const compile_problem& x);

/// What the rows of one write are: block `i` of a batch belongs to write `i`.
struct write_info {
  /// As configured; the tenant's schema is not part of it.
  std::string table;

  /// The name of the event that it belongs to.
  std::string event;
  write_kind kind = write_kind::append;
  write_occasion on = write_occasion::record;

  /// The table's columns in tuple order.
  std::vector<column_schema> columns;

  /// Indexes into `columns`. Not empty: every row has a key hash.
  std::vector<std::size_t> key;

  /// Index into `columns` of the version guard, or -1.
  int guard = -1;
};

/// Hash that decides an event's lane: XXH64 with seed 0 over the bytes of the
/// route's text. Frozen: it is part of the map fingerprint.
uint64_t route_hash(std::string_view route) noexcept;

namespace detail {
struct program_data;
}

class program;
using program_ptr = std::shared_ptr<const program>;

/// By tenant.
using tenant_programs = std::map<std::string, program_ptr, std::less<>>;

/// Immutable; shared by all decoders of a pipeline.
class program {
public:
  explicit program(std::shared_ptr<const detail::program_data> data,
                   tenant_programs others = {});

  ~program();

  program(const program&) = delete;

  program& operator=(const program&) = delete;

  /// The writes of all event types, in the order of the configuration.
  const std::vector<write_info>& writes() const noexcept;

  /// Fingerprint of all that decides which lane and which writes an event
  /// gets: number of lanes, tenant, types, conditions and routes (with the code
  /// tables they use), loops, tables, kinds, keys, version guards, what becomes
  /// of unmatched events, and the name of the hash function.
  /// Columns' expressions are not part of it, so that a code can be added
  /// without a change of map. XXH64, frozen.
  uint64_t map_fingerprint() const noexcept;

  /// Fingerprint of the target columns of all writes.
  millrace::shape shape() const noexcept;

  /// Whether an expression reads headers. When not, they are loaded for
  /// rejects only.
  bool needs_headers() const noexcept;

  /// The tenant when it is a constant, else empty.
  const std::string& constant_tenant() const noexcept;

  /// The programs of tenants whose tables have other columns or types, as
  /// they have while a migration goes from tenant to tenant (rule 26). They
  /// have none of their own.
  const tenant_programs& others() const noexcept;

  /// The one that encodes a tenant's rows: another one, or this.
  const program& of(std::string_view tenant) const noexcept;

  /// The same with these. Throws std::invalid_argument unless all have its
  /// map.
  program_ptr beside(tenant_programs others) const;

  /// The insides, for the decoder.
  const detail::program_data& data() const noexcept;

private:
  std::shared_ptr<const detail::program_data> data_;
  tenant_programs others_;
};

/// Fingerprint of a pipeline's map: the program's own, and the names of the
/// tenants that have lanes, whatever their order. Everybody else's events go to
/// `_unrouted`, so a tenant more or less is another map.
uint64_t map_fingerprint(const program& x, std::vector<std::string> tenants);

/// Names of the columns that a write fills from a record's partition and
/// offset, and from the row's index where an event may make several; empty
/// unless there are all of these. A unique index that has them can only be
/// violated by writing one record twice.
std::vector<std::string> coordinate_columns(const program& x,
                                            std::size_t write);

/// Compiles a pipeline for its tables. A table is found by its name alone or
/// by "schema.name", as the write says it. Reports all problems at once.
std::expected<program_ptr, std::vector<compile_problem>>
compile(const pipeline_config& config, std::span<const table_schema> tables);

/// Compiles what says whose an event is, and no writes: for a database that
/// holds none of the pipeline's tenants. Has the same map fingerprint.
std::expected<program_ptr, std::vector<compile_problem>>
compile_routing(const pipeline_config& config);

/// Checks what can be checked without the tables: syntax, functions, code
/// tables, keys. Empty when nothing is wrong.
std::vector<compile_problem> check_expressions(const pipeline_config& config);

} // namespace millrace
