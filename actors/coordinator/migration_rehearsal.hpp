#pragma once

#include "actors/coordinator/scratch_database.hpp"
#include "actors/coordinator/statement_effect.hpp"

namespace millrace {

/// What a statement takes, and does, to a table that was there before its file.
struct table_effect {
  std::string table;
  lock_level lock = lock_level::none;
  table_work work = table_work::idle;
};

struct rehearsed_statement {
  std::string text;
  std::vector<table_effect> effects;

  /// Seen when it ran in the rehearsal; else by what its kind is known to do.
  bool measured = false;
};

struct rehearsed_migration {
  planned_migration what;
  std::vector<rehearsed_statement> statements;
};

struct rehearsal {
  std::vector<rehearsed_migration> files;

  /// Why nothing, or not everything, was measured.
  std::string why_not;
};

/// Finds out what a plan would do, and changes nothing in `conn`'s database:
/// it makes an empty database beside it, brings that to where the history says
/// that this one is, from the files, and runs the plan there. Looks at the
/// locks that each statement takes and at the files of the tables that it
/// changes. Where no such database can be made, where the plan fails in it, or
/// where a file acts on the whole server (`server_act_of`: that would really
/// happen, so then nothing is run), the table of kinds (`effects_of`) has to
/// do.
rehearsal rehearse(connection& conn, const database_opener& open,
                   const migration_set& set, const migration_target& target,
                   const std::vector<planned_migration>& plan);

} // namespace millrace
