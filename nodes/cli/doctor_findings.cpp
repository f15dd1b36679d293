#include "actors/store/sql_text.hpp"
#include "nodes/cli/db_stats_text.hpp"
#include "nodes/cli/doctor_facts.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

using enum severity;

constexpr int64_t hour_minutes = 60;
constexpr int64_t held_minutes = 5;

/// PostgreSQL begins to refuse at 2^31.
constexpr int64_t old_xids = 1'000'000'000;
constexpr int64_t ancient_xids = 1'600'000'000;

/// A slot may lag so far.
constexpr int64_t slot_xids = 10'000'000;

/// Rows of this size, with the room that HOT updates need, and a file that is
/// worth a word.
constexpr int64_t row_bytes = 16 * 1024;
constexpr int64_t bloated_bytes = 4 * 1024 * 1024;

class diagnosis {
public:
  void add(severity level, std::string_view check, std::string text,
           std::string mend) {
    all_.push_back({level, check, std::move(text), std::move(mend)});
  }

  void settings(const doctor_facts& x) {
    off(x, "fsync", error,
        "a crash of the machine can destroy the whole database",
        "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf()");
    off(x, "full_page_writes", error,
        "a crash of the machine can destroy pages for good",
        "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf()");
    off(x, "autovacuum", error,
        "the rows of the lanes change with each flush, and their tables grow "
        "without bound",
        "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf()");
    off(x, "track_counts", error, "autovacuum does nothing without it",
        "ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf()");
    off(x, "synchronous_commit", warning,
        "the last commits are lost in a crash: their events are read again, as "
        "long as Kafka still has them",
        "ALTER SYSTEM SET synchronous_commit = on, or ALTER ROLE for the role "
        "alone");
  }

  void sessions(const doctor_facts& x) {
    for (auto& one : shortages_of(x.sessions))
      add(one.for_one ? error : warning, "sessions", std::move(one.text),
          std::move(one.mend));
    if (x.superuser)
      add(warning, "grants",
          std::format("the role {} is a superuser: nothing bounds what a "
                      "mistake can do",
                      x.role),
          "let nodes log in as a role of their own");
  }

  void migrations(const doctor_facts& x) {
    for (const auto& one : x.broken_sets)
      add(error, "migrations",
          std::format("the migrations of {}{} cannot be applied: {}", one.set,
                      one.folder.empty() ? "" : " in " + one.folder, one.why),
          "mend the files, or their [[migrations]]: no node starts with them");
    for (const auto& one : x.migrations) {
      auto where = std::format("schema {}", one.schema);
      if (one.pending > 0)
        add(x.auto_migrate ? warning : error, "migrations",
            std::format("{} lacks {} migration(s) of {}", where, one.pending,
                        one.set),
            x.auto_migrate ? "a node applies them when it starts, and so does "
                             "'millrace db migrate'"
                           : "millrace db migrate");
      if (one.edited > 0)
        add(error, "migrations",
            std::format("{} applied migration(s) of {} in {} differ from this "
                        "program's",
                        one.edited, one.set, where),
            "'millrace migrate verify' tells which, and what to do");
    }
  }

  void objects(const doctor_facts& x) {
    for (const auto& one : x.missing) {
      if (one.kind == "extension")
        add(error, "extensions",
            std::format("{} needs the extension {}, which is not there",
                        one.set, one.name),
            std::format("CREATE EXTENSION {} as a superuser, once its package "
                        "is installed",
                        quote_identifier(one.name)));
      else
        add(error, one.kind == "index" ? "indexes" : "tables",
            std::format("the {} {}.{} of the migrations of {} is gone",
                        one.kind, one.schema, one.name, one.set),
            "make it again as the migration says it");
    }
    for (const auto& one : x.invalid)
      add(error, "indexes",
          std::format("the index {}.{} is not valid: it is written and never "
                      "read",
                      one.schema, one.name),
          std::format("REINDEX INDEX CONCURRENTLY {}; of a partitioned table: "
                      "ATTACH what is missing",
                      quote_identifier(one.schema, one.name)));
  }

  void bloat(const doctor_facts& x) {
    for (const auto& one : x.bloat) {
      auto due = std::max<int64_t>(one.live, 1) * row_bytes;
      if (one.bytes > std::max(due, bloated_bytes))
        add(warning, "bloat",
            std::format("{} has {} for {} rows, and {} dead ones", one.table,
                        size_text(one.bytes), one.live, one.dead),
            "end what holds old transactions (see below), then VACUUM FULL it "
            "while no node runs");
    }
  }

  void holders(const doctor_facts& x) {
    for (const auto& one : x.holders)
      holder(one);
    if (x.frozen_age > old_xids)
      add(x.frozen_age > ancient_xids ? error : warning, "transactions",
          std::format("the oldest transaction that the database knows is {} "
                      "back; at 2147483647 it takes no more writes",
                      x.frozen_age),
          "VACUUM (FREEZE) the oldest tables, after ending what holds them");
  }

  void partitions(const doctor_facts& x) {
    for (const auto& one : x.partitions) {
      if (!one.error.empty())
        add(error, "partitions", one.table + ": " + one.error,
            "'millrace partitions plan' tells what would be done");
      else if (one.ahead < one.wanted)
        add(one.ahead == 0 ? error : warning, "partitions",
            std::format("{} has partitions for {} of {} periods ahead",
                        one.table, one.ahead, one.wanted),
            "'millrace partitions run', and see why no node coordinates");
      if (one.strays)
        add(warning, "partitions",
            one.table + " has rows in its default partition",
            "'millrace partitions run' moves them into their own");
    }
  }

  void grants(const doctor_facts& x) {
    for (const auto& one : x.grants)
      add(error, "grants",
          std::format("the role {} lacks {}", one.role, one.what), one.sql);
  }

  void rehearsals(const doctor_facts& x) {
    for (const auto& name : x.rehearsals)
      add(warning, "databases",
          "the database " + name
            + " is left of a dry run, or of 'verify --deep', that was ended",
          "DROP DATABASE " + quote_identifier(name));
  }

  std::vector<doctor_finding> take() {
    std::ranges::stable_sort(all_, std::greater{}, &doctor_finding::level);
    return std::move(all_);
  }

private:
  void off(const doctor_facts& x, const std::string& name, severity level,
           const std::string& why, std::string mend) {
    if (auto i = x.settings.find(name);
        i != x.settings.end() && i->second == "off")
      add(level, "settings", name + " is off: " + why, std::move(mend));
  }

  void holder(const holder_fact& x) {
    auto mend = x.kind == "transaction"
                  ? std::format("SELECT pg_terminate_backend({})", x.name)
                : x.kind == "prepared transaction"
                  ? std::format("COMMIT or ROLLBACK PREPARED {}",
                                quote_literal(x.name))
                  : std::format("SELECT pg_drop_replication_slot({}) if nobody "
                                "reads it any more",
                                quote_literal(x.name));
    if (x.kind == "replication slot") {
      if (x.wal_status == "lost")
        add(warning, "transactions",
            "the replication slot " + x.name + " is lost", mend);
      else if (x.xid_age > slot_xids || x.wal_status == "unreserved")
        add(warning, "transactions",
            std::format("the replication slot {} ({}) keeps dead rows of {} "
                        "transactions, and WAL",
                        x.name, x.about, x.xid_age),
            mend);
      return;
    }
    if (x.minutes >= held_minutes)
      add(x.minutes >= hour_minutes ? error : warning, "transactions",
          std::format("the {} {} ({}) has been open for {}: dead rows of the "
                      "lanes stay as long",
                      x.kind, x.name, x.about, age_text(x.minutes)),
          mend);
  }

  std::vector<doctor_finding> all_;
};

} // namespace

std::vector<doctor_finding> diagnose(const doctor_facts& x) {
  diagnosis work;
  work.settings(x);
  work.sessions(x);
  work.migrations(x);
  work.objects(x);
  work.bloat(x);
  work.holders(x);
  work.partitions(x);
  work.grants(x);
  work.rehearsals(x);
  return work.take();
}

} // namespace millrace::cli
