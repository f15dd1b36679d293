#pragma once

// What a database is like, and what of it is wrong. Pure.

#include "nodes/cli/console.hpp"
#include "nodes/session_room.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// Something that migrations make and that is not there, or not as it should.
struct object_fact {
  /// `table`, `index` or `extension`.
  std::string kind;
  std::string schema;
  std::string name;

  /// Whose migrations make it.
  std::string set;
};

/// A row of few that changes with each flush.
struct bloat_fact {
  std::string table;
  int64_t live = 0;
  int64_t dead = 0;
  int64_t bytes = 0;
};

/// A transaction, prepared transaction or slot that keeps dead rows.
struct holder_fact {
  /// `transaction`, `prepared transaction` or `replication slot`.
  std::string kind;

  /// Process id, or name.
  std::string name;

  /// Who it is, what it does.
  std::string about;
  int64_t minutes = 0;

  /// Transactions since the oldest that it keeps.
  int64_t xid_age = 0;

  /// Of a slot: what PostgreSQL says of its WAL.
  std::string wal_status = {};
};

struct partition_fact {
  std::string table;

  /// Why it cannot be looked after.
  std::string error;
  int64_t ahead = 0;
  int64_t wanted = 0;

  /// Rows in the default partition that belong into one of their own.
  bool strays = false;
};

/// A privilege that a role lacks.
struct grant_fact {
  std::string role;

  /// `INSERT on tenant_demo.ticks`.
  std::string what;

  /// The statement that gives it.
  std::string sql;
};

/// A set of migrations that the configuration names, and whose files cannot be
/// applied.
struct broken_set {
  std::string set;

  /// Where its files should be; empty: in the program.
  std::string folder;
  std::string why;

  friend bool operator==(const broken_set&, const broken_set&) = default;
};

struct migration_fact {
  std::string set;
  std::string schema;
  int64_t pending = 0;
  int64_t edited = 0;
};

struct doctor_facts {
  /// As pg_settings has them.
  std::map<std::string, std::string> settings;
  session_room sessions;
  std::string role;
  bool superuser = false;

  /// Whether a node applies missing migrations by itself.
  bool auto_migrate = true;
  std::vector<migration_fact> migrations;
  std::vector<broken_set> broken_sets;
  std::vector<object_fact> missing;
  std::vector<object_fact> invalid;
  std::vector<bloat_fact> bloat;
  std::vector<holder_fact> holders;

  /// Transactions since the oldest that the database still knows.
  int64_t frozen_age = 0;
  std::vector<partition_fact> partitions;
  std::vector<grant_fact> grants;

  /// Databases of dry runs that nobody is connected to.
  std::vector<std::string> rehearsals;
};

struct doctor_finding {
  severity level = severity::warning;

  /// What was looked at: `settings`, `sessions`, `migrations`, `extensions`,
  /// `tables`, `indexes`, `bloat`, `transactions`, `partitions`, `grants`,
  /// `databases`.
  std::string_view check;
  std::string text;

  /// What to do.
  std::string mend;
};

/// The worst first.
std::vector<doctor_finding> diagnose(const doctor_facts& x);

} // namespace millrace::cli
