#pragma once

#include "actors/decode/evaluator.hpp"
#include "actors/decode/program_data.hpp"
#include "messages/batch.hpp"

#include <cstdint>
#include <vector>

namespace millrace::detail {

/// Makes the tuples of one event. They are gathered here and go into a batch
/// only when all of them are good.
class row_encoder {
public:
  row_encoder(const program_data& program, evaluator& facts);

  /// Begins an event without rows.
  void begin() noexcept {
    tuples_.truncate(0);
    rows_.clear();
    fields_used_ = 0;
  }

  /// Encodes the writes of an event that are for the evaluator's record. False
  /// when one fails; the evaluator has the reason.
  bool encode(const event_program& event);

  /// The same for those writes alone that are made always. A tombstone that
  /// nobody expects counts as a record with a value.
  bool encode_always(const event_program& event);

  std::size_t rows() const noexcept {
    return rows_.size();
  }

  /// Adds the rows since `begin` to a batch's blocks. The record is still the
  /// evaluator's.
  void append_to(std::vector<row_block>& blocks, int64_t offset);

private:
  /// A tuple, and where its fields stand in `fields_`.
  struct made_row {
    std::size_t write = 0;
    std::size_t fields = 0;
  };

  bool write(std::size_t number);

  /// Goes through the loops from `level` on.
  bool loop(std::size_t number, std::size_t level);

  bool row(std::size_t number);

  bool fail_size();

  bool column(const column_program& x);

  bool code(const column_program& x);

  bool put(const column_program& x, const value& from);

  bool put_plain(const encoder& how, const value& from);

  /// A column that cannot be NULL has nothing to put.
  bool fail_null(const column_program& x, const value& from);

  bool fail_value(const column_program& x, const value& from, complaint wrong);

  /// Whether all key columns of a write have a value.
  bool key_is_known(const write_program& x, const std::size_t* fields);

  key_hash key_of(const write_program& x, const std::size_t* fields);

  const program_data& program_;
  evaluator& facts_;
  workspace space_;
  output tuples_;
  output key_bytes_;

  std::vector<made_row> rows_;

  /// Where each field of each tuple begins, and per tuple where the last one
  /// ends.
  std::vector<std::size_t> fields_;
  std::size_t fields_used_ = 0;

  /// Rows of the write that is made, and elements that its loops have passed.
  int64_t index_ = 0;
};

} // namespace millrace::detail
