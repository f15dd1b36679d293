#pragma once

// Folding the writes that one flush makes to one table (protocol.md, rule 15).
// Pure: knows keys and row numbers, neither values nor SQL.

#include "actors/store/write_plan.hpp"
#include "messages/batch.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace millrace {

/// What is left to do for one key once a flush is folded. The numbers are
/// those of the staging table's column `millrace_op`.
enum class folded_op : int16_t {
  /// Insert the row, or update it where it is.
  upsert = 1,
  /// Update the row if it is there.
  update = 2,
  /// Delete the row if it is there.
  remove = 3,
  /// Delete the row if it is there, then insert it: columns that were not
  /// written since the deletion get their defaults.
  replace = 4,
  /// An update that came before an upsert: where the row is, set all columns;
  /// where it is not, insert those of the upsert and what came after.
  amend = 5,
};

/// Bit m stands for member m, the m-th write to the table.
using member_set = uint32_t;

/// Most writes that one table may get from one pipeline.
constexpr std::size_t max_folded_writes = 31;

struct folded_key {
  folded_op op = folded_op::upsert;

  /// Members whose columns are set on a row that is there already.
  member_set set = 0;

  /// Members whose columns are set on a row that is new. Part of `set`.
  member_set fresh = 0;

  /// Members that have written to the row as it was before the flush, and do
  /// not know yet whether it was there.
  member_set probes = 0;
};

/// Folds updates and deletes into what came before, per key.
///
/// Rows are added in the order in which they would be written one by one and
/// get the numbers 0, 1, 2, …; afterwards each key has one operation, and for
/// each member the last of its rows that still counts. Applying the folded
/// keys in any order leaves the table as applying the rows one by one would.
///
/// * an upsert after a delete makes a new row: `replace`;
/// * a delete forgets all that came before it;
/// * an update after a delete finds no row, and does nothing;
/// * an update before an upsert counts only where the row was there: `amend`.
///
/// With a guard (`only_if_newer`) only the database can tell which of several
/// rows wins, so all rows of a key since its last delete are kept; they are
/// those of the only member that does not delete.
///
/// Memory: at most 16 bytes per row (20 with a guard), allocated at the
/// construction, and 40 and 4 per member for each key, which grow.
class key_fold {
public:
  static constexpr uint32_t none = std::numeric_limits<uint32_t>::max();

  /// `members` must outlive the fold and holds no `append`; `rows` is the most
  /// that will be added.
  key_fold(std::span<const write_method> members, bool guarded,
           std::size_t rows);

  void add(std::size_t member, const key_hash& key);

  /// Keys are numbered in the order in which they were first seen.
  std::size_t keys() const noexcept {
    return entries_.size();
  }

  folded_key at(std::size_t key) const noexcept;

  /// The last row of a member that counts, or `none`.
  uint32_t last(std::size_t key, std::size_t member) const noexcept {
    return last_[key * members_.size() + member];
  }

  /// With a guard: the row of the same key and member before this one that
  /// counts too, or `none`.
  uint32_t previous(uint32_t row) const noexcept {
    return previous_[row];
  }

  /// Keys for which the member found no row, as far as it is known without the
  /// database. Disjoint from the keys that have the member in `probes`.
  int64_t missed(std::size_t member) const noexcept;

private:
  /// Whether a key's row is there at this point of the flush.
  enum class presence : uint8_t { unknown, present, absent };

  struct entry {
    key_hash key;

    /// The first upsert since the last delete.
    uint32_t made = none;
    member_set probes = 0;
    member_set missed = 0;
    presence now = presence::unknown;
    bool cleared = false;
  };

  std::size_t find(const key_hash& key);

  void clear(std::size_t at);

  std::span<const write_method> members_;
  bool guarded_;
  uint32_t rows_ = 0;
  std::vector<uint32_t> cells_;
  std::vector<entry> entries_;

  /// One per key and member.
  std::vector<uint32_t> last_;

  /// One per row where there is a guard.
  std::vector<uint32_t> previous_;
};

} // namespace millrace
