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

  /// Encodes all writes that are for the evaluator's record. False when one
  /// fails; the evaluator has the reason.
  bool encode();

  /// Adds the rows of the last good `encode` to a batch's blocks. The record
  /// is still the evaluator's.
  void append_to(std::vector<row_block>& blocks, int64_t offset);

private:
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

  /// Where each field of each tuple begins, and per write where the last one
  /// ends.
  std::vector<std::size_t> fields_;
};

} // namespace millrace::detail
