#pragma once

#include "actors/store/write_plan.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// One of the writes into a table, and the block of a batch that holds its
/// rows.
struct fold_member {
  const write_target* target = nullptr;
  std::size_t block = 0;
};

/// Whether these writes into one table must be folded: more than one of them
/// finds rows by key, or one does and is not an upsert.
bool must_fold(std::span<const fold_member> writes);

/// Adds staging table and statements to a plan whose `table` and `staging` are
/// set. Throws std::invalid_argument for writes that cannot be folded.
void plan_fold(std::span<const fold_member> writes, planned_write& plan);

/// `a`,`b`: quoted names, each with a prefix.
std::string name_list(std::span<const std::string> names,
                      std::string_view prefix = {});

} // namespace millrace
