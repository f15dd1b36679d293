#pragma once

#include "actors/coordinator/concurrent_step.hpp"
#include "actors/coordinator/migration_session.hpp"
#include "actors/coordinator/step_objects.hpp"

namespace millrace {

/// Runs a file without a transaction, statement by statement, and goes on where
/// another run was ended, at whatever point.
///
/// A statement that can be in a transaction commits together with the note that
/// it is done. One that cannot is noted before it begins, unless somebody else
/// has made, or taken away, what it is to, and after it has ended; in between,
/// what it left is looked at: an invalid index is dropped and made again, one
/// that is valid is taken for made. On a partitioned table an index is made ON
/// ONLY the parent, concurrently on each partition, and attached.
class step_runner {
public:
  step_runner(migration_session& session, history_tables& history,
              const std::string& set);

  /// Runs what is left of the file in that direction. `finish` runs at the
  /// end, in one transaction with the end of the steps.
  store_result<void> run(const migration& file, migration_direction direction,
                         const std::function<store_result<void>()>& finish);

private:
  store_result<void>
  run_step(const migration& file, migration_direction direction,
           const sql_statement& statement, int32_t number, bool begun);
  store_result<void> perform(const concurrent_step& step,
                             const std::string& text, bool begun);

  store_result<void> create_index(const concurrent_step& step,
                                  const std::string& text, bool begun);
  store_result<void> build_index(const std::string& schema,
                                 const std::string& name,
                                 const std::string& text, bool begun);
  store_result<void> create_on_partitions(const concurrent_step& step,
                                          const std::string& schema);
  store_result<void> create_on_partition(const concurrent_step& step,
                                         const std::string& parent_index,
                                         const sql_row& row);
  void drop_invalid(const std::string& schema, const std::string& name);
  store_result<void> drop_index(const concurrent_step& step,
                                const std::string& text, bool begun);
  store_result<void> reindex(const std::string& text);
  store_result<void> detach(const concurrent_step& step,
                            const std::string& text, bool begun);

  migration_session& session_;
  history_tables& history_;
  std::string set_;
  step_objects objects_;
};

} // namespace millrace
