#pragma once

#include "actors/decode/program_data.hpp"
#include "config/pipeline.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::detail {

/// Gathers what is wrong.
class problem_list {
public:
  void add(source_position at, std::string path, std::string message);

  std::vector<compile_problem> take();

private:
  std::vector<compile_problem> problems_;
};

/// Resolves the names in expressions: members to slots, code tables to
/// numbers. Fills the tables of a program.
class binder {
public:
  binder(const pipeline_config& config, program_data& data,
         problem_list& problems);

  /// Parses an expression; a problem and nothing when it is wrong.
  std::optional<expression> parse(const expression_text& text,
                                  const std::string& path);

  /// Adds an expression as a step and returns its number.
  int bind(const expression& x);

  /// The slot of a path; made when it is new.
  int slot_of(const std::vector<std::string>& path);

  /// The number of a code table, or -1.
  int table_of(std::string_view name) const;

private:
  /// Unknown code tables, anywhere in the expression.
  bool check_tables(const expression& x, const expression_text& text,
                    const std::string& path);

  program_data& data_;
  problem_list& problems_;
};

/// The value of a constant expression. Texts stay the expression's.
value constant_value(const expression& x);

/// A position inside an expression.
source_position inside(const expression_text& text, uint32_t characters);

/// `, did you mean "x"?`, or nothing when no name is near.
std::string did_you_mean(std::string_view name,
                         const std::vector<std::string>& known);

} // namespace millrace::detail
