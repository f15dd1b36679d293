#pragma once

#include "actors/store/dead_letters.hpp"
#include "nodes/cli/lanes_session.hpp"

#include <cstdint>
#include <string>

namespace millrace::cli {

/// What `millrace dlq …` and `millrace waiting …` got from the command line;
/// each command reads the part that is its own.
struct dlq_arguments : admin_arguments {
  /// For `list`, `count` and `show`: which kind of events.
  kept_in where = kept_in::dead_letter;

  // Filters.
  std::string pipeline;
  std::string tenant;
  std::string topic;
  std::string stage;
  std::string sqlstate;
  std::string part_of_reason;
  std::string since;
  std::string until;

  /// `pipeline/tenant/shard`, and the dead letter's number there.
  std::string lane;
  int64_t seq = -1;

  /// For `list` and `count`: at most so many.
  int64_t limit = 100;

  /// For `show`: the value's bytes and nothing else.
  bool raw = false;

  /// For `replay`: also where an older event may replace a newer row.
  bool force = false;

  /// For `prune`: tell only.
  bool dry_run = false;
};

/// Which dead letters the command line means. A usage error names what cannot
/// be read.
admin_result<dead_letter_filter> filter_of(const dlq_arguments& what);

/// The same for commands that change something: LANE SEQ, or at least one
/// filter, so that a forgotten one does not mean all.
admin_result<dead_letter_filter> narrow_filter_of(const dlq_arguments& what);

exit_code run_kept_list(const dlq_arguments& what, console& to);

/// How many by reason.
exit_code run_kept_count(const dlq_arguments& what, console& to);

exit_code run_kept_show(const dlq_arguments& what, console& to);

/// Removes dead letters; their coordinates and hashes stay.
exit_code run_dlq_discard(const dlq_arguments& what, console& to);

/// Writes dead letters as if they had just been read.
exit_code run_dlq_replay(const dlq_arguments& what, console& to);

/// Removes what is beyond `[dead_letters]`.
exit_code run_dlq_prune(const dlq_arguments& what, console& to);

} // namespace millrace::cli
