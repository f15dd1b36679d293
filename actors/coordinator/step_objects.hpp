#pragma once

#include "actors/coordinator/concurrent_step.hpp"
#include "actors/store/connection.hpp"

namespace millrace {

/// What the catalog says of the tables and indexes that a step names. Changes
/// nothing.
class step_objects {
public:
  /// The connection outlives it. `schema`: of names that say none.
  step_objects(connection& conn, std::string schema);

  /// Schema, relkind, and of a partition whether it is half detached, else
  /// NULL, of a name as it was written; an empty row: there is no such thing.
  store_result<sql_row> relation(const std::string& written);

  /// Whether it is valid, and its relkind; an empty row: there is none.
  store_result<sql_row> index(const std::string& schema,
                              const std::string& name);

  /// Before a step begins for the first time: refuses one that would find done
  /// what somebody else did, with the SQLSTATE that PostgreSQL has for it.
  store_result<void> check(const concurrent_step& step);

private:
  store_result<sql_row> one_row(const std::string& question,
                                const sql_params& params);
  store_result<void> check_create(const concurrent_step& step);
  store_result<void> check_drop(const concurrent_step& step);
  store_result<void> check_detach(const concurrent_step& step);

  connection& conn_;
  std::string schema_;
};

} // namespace millrace
