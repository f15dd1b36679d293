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

/// The elements that a write's expressions may name, with their nodes; from
/// the outer loop to the inner one.
struct item_scope {
  std::vector<std::string> names;
  std::vector<int> nodes;
};

/// Resolves the names in expressions: members to slots, code tables to
/// numbers. Fills the tables of a program.
class binder {
public:
  binder(const pipeline_config& config, program_data& data,
         problem_list& problems);

  /// Parses an expression; a problem and nothing when it is wrong.
  std::optional<expression> parse(const expression_text& text,
                                  const std::string& path,
                                  const item_scope& items = {});

  /// The same for what must be true or false.
  std::optional<expression> parse_condition(const expression_text& text,
                                            const std::string& path,
                                            const item_scope& items = {});

  /// Parses a write's loops and adds their nodes.
  std::optional<std::vector<each_level>>
  parse_loops(const expression_text& text, const std::string& path,
              item_scope& items, std::vector<each_program>& to);

  /// Adds an expression as a step and returns its number.
  int bind(const expression& x, const item_scope& items = {});

  /// The slot of a path; made when it is new.
  int slot_of(const expression& path, const item_scope& items);

  /// The number of a code table, or -1.
  int table_of(std::string_view name) const;

private:
  /// Unknown code tables, anywhere in the expression.
  bool check_tables(const expression& x, const expression_text& text,
                    const std::string& path);

  /// Operands that cannot be true or false.
  bool check_logic(const expression& x, const expression_text& text,
                   const std::string& path);

  /// What the pipeline does not say, anywhere in the expression.
  bool check_type_fact(const expression& x, const expression_text& text,
                       const std::string& path);

  std::string folded(const std::string& name) const;

  program_data& data_;
  problem_list& problems_;
  bool has_type_ = false;
};

/// The value of a constant expression. Texts stay the expression's.
value constant_value(const expression& x);

/// A position inside an expression.
source_position inside(const expression_text& text, uint32_t characters);

/// `, did you mean "x"?`, or nothing when no name is near.
std::string did_you_mean(std::string_view name,
                         const std::vector<std::string>& known);

} // namespace millrace::detail
