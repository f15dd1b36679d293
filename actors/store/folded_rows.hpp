#pragma once

// What a flush sends for the writes into one table that are folded. Pure.

#include "actors/store/copy_rows.hpp"
#include "actors/store/fold.hpp"
#include "actors/store/write_plan.hpp"
#include "messages/flush.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// A statement behind the COPY, and what its answer is.
struct folded_statement {
  const std::string* sql = nullptr;

  /// Answers with rows instead of a command tag alone.
  bool rows = false;

  /// Its rows are what `found` wants.
  bool counts = false;
};

/// The rows of a table's folded writes, and the statements that they need.
///
/// Memory: the fold's, 16 bytes per row, and the COPY data, which are at most
/// as big as the rows kept and 50 bytes and 4 per absent column for each.
class folded_rows {
public:
  /// Folds the rows that a flush keeps. Throws std::invalid_argument for a
  /// block that is not what `row_block` promises. The flush may go away
  /// afterwards.
  folded_rows(const flush& work, const planned_write& write);

  /// To be sent; may be taken once. No rows: nothing is to be done.
  copy_rows& data() noexcept {
    return data_;
  }

  /// In the order in which they are to be sent. They point into the plan.
  const std::vector<folded_statement>& statements() const noexcept {
    return statements_;
  }

  /// Whether writes that may not miss their row do so by what the flush itself
  /// deletes: it cannot be sent.
  bool lacks_rows() const noexcept {
    return lacks_rows_;
  }

  /// Which writes of the same flush lack their row, when the database does not
  /// have those at these positions (`millrace_row`).
  std::vector<missing_write> missing(const flush& work,
                                     std::span<const uint32_t> positions) const;

  /// A row of the answer to the statement that counts.
  void found(member_set probes, int64_t keys);

  /// Adds to each block of a batch for how many keys its write found no row.
  void count_missing(std::vector<int64_t>& by_block) const;

private:
  void gather(const flush& work);
  void emit(const key_fold& fold);
  void put(const folded_key& key, const key_fold& fold, std::size_t at,
           uint32_t row);
  void take_fields(const folded_write::member& member, uint32_t row);
  void choose_statements(uint32_t operations, bool extras);

  std::shared_ptr<const folded_write> plan_;

  /// By the fold's numbers.
  std::vector<std::span<const std::byte>> rows_;
  copy_rows data_;
  std::vector<folded_statement> statements_;
  bool lacks_rows_ = false;

  /// By member: keys known to be missing.
  std::vector<int64_t> missed_;

  /// Keys that wait for the database's word, by the members that ask.
  std::vector<std::pair<member_set, int64_t>> probes_;

  // Scratch of one row: fields by staging column, and the row they are from.
  struct field {
    std::span<const std::byte> bytes;
    uint32_t row = key_fold::none;
  };
  std::vector<field> fields_;
};

} // namespace millrace
