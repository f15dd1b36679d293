#pragma once

#include "actors/decode/binder.hpp"
#include "actors/decode/encoder.hpp"
#include "actors/decode/table_schema.hpp"

#include <string>
#include <vector>

namespace millrace::detail {

/// A column of the table, what is written into it, and where that is said.
struct column_place {
  const column_schema& target;
  const expression_text& value;
  const std::string& path;
  const item_scope& items;
};

/// Compiles columns: chooses how a value is made, and finds what cannot fit
/// before there is a record.
class column_compiler {
public:
  column_compiler(program_data& data, binder& names, problem_list& problems)
    : data_{data},
      names_{names},
      problems_{problems} {
    // nop
  }

  /// `always` says that the column is encoded for every payload.
  void compile(const expression& x, const column_place& at, bool always,
               column_program& out);

private:
  void constant(const expression& x, const column_place& at,
                column_program& out);

  std::vector<std::string> encoded_codes(const column_program& column);

  void check_types(const expression& x, const encoder& how,
                   const column_place& at);

  void check_codes(const expression& x, const encoder& how,
                   const column_place& at);

  program_data& data_;
  binder& names_;
  problem_list& problems_;
  workspace space_;
};

} // namespace millrace::detail
