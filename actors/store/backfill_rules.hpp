#pragma once

// Which backfills are sound (rule 25), decided without PostgreSQL.

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace {

/// That a pipeline has written a table for a while.
struct written_span {
  std::string table;

  /// The map with which it began; nothing: with the pipeline's first record.
  std::optional<std::string> change;

  /// It does not any more.
  bool ended = false;

  /// The version of the map with which it began.
  int64_t since = 0;
};

/// That tenants came to the pipeline here from another database, with a map of
/// that version.
struct tenant_arrival {
  std::string tenant;
  int64_t version = 0;
};

/// A backfill that is to begin.
struct backfill_wish {
  std::string pipeline;

  /// The pipeline that it makes up for.
  std::string of;

  /// Its tables. Never empty.
  std::vector<std::string> tables;
  bool order_matters = false;
};

/// With which change of the other pipeline's map the backfill ends, or nothing
/// while that does not write the tables yet; or a sentence that says why there
/// would be rows twice, or older ones over newer ones, and the way out.
///
/// `spans` are those of the other pipeline, of all its tables; `arrivals` the
/// tenants that came to it.
std::expected<std::optional<std::string>, std::string>
end_of_backfill(const backfill_wish& x, std::span<const written_span> spans,
                std::span<const tenant_arrival> arrivals = {});

/// What becomes of a backfill when the other pipeline gets another map.
enum class hand_over : uint8_t {
  /// It goes on: the map does not write its tables.
  stays,
  /// It ends where the map begins.
  ends,
  /// The map writes some of the tables: no backfill could end there.
  in_part,
};

/// `map_tables`: those that the new map writes. Any order.
hand_over judge_hand_over(std::span<const std::string> tables,
                          std::span<const std::string> map_tables);

/// As in "orders and legs".
std::string listed(std::span<const std::string> names);

} // namespace millrace
