#pragma once

#include "actors/decode/decoder.hpp"
#include "actors/store/dead_letters.hpp"
#include "actors/store/flush.hpp"
#include "actors/store/lane_store.hpp"
#include "nodes/cli/lanes_session.hpp"
#include "nodes/prepare.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace millrace::cli {

/// What became of a dead letter.
enum class replay_verdict : uint8_t {
  /// Its rows are written and it is gone, in one transaction.
  replayed,
  /// It failed again: it is kept, with the new reason.
  failed,
  /// It was not tried: its lane stands still, an older event could replace a
  /// newer row, or its value was cut.
  refused,
  /// Somebody else has replayed or discarded it.
  gone,
};

std::string to_string(replay_verdict x);

struct replay_result {
  replay_verdict what = replay_verdict::gone;

  /// Why, unless it is replayed.
  std::string reason;
};

/// How a replayer reaches the two databases, and what it may do.
struct replay_settings {
  session_config session;

  /// Which one `session` leads to.
  std::string database{control_database};

  /// Where the dead letters lie, when that is another database than the one of
  /// their tenant's rows.
  std::optional<session_config> source = {};

  /// Also where an older event may replace a newer row.
  bool force = false;
};

/// Writes dead letters as if their records had just been read, one transaction
/// each (protocol.md, rule 14b and section 4): claim without ranges, the dead
/// letter's removal, its rows, COMMIT. The claim makes it a flush of the
/// record's lane by the current map, so it can neither overtake nor double a
/// flush of the lane's writer; that one is fenced, and takes over again.
///
/// A crash at any point leaves the dead letter, or its rows, never both or
/// neither. Where the connection breaks while COMMIT is under way, the next
/// connection looks whether the dead letter is there still.
class replayer {
public:
  /// The configuration outlives this.
  replayer(const config& all, replay_settings settings, admin_note note);

  ~replayer();

  /// Errors end the whole replay: nobody answers, or the mapping is another
  /// one than that which the lanes are written by.
  admin_result<replay_result> replay(const dead_letter_key& which);

private:
  struct mapping;
  struct decoded;

  admin_result<connection*> target();
  admin_result<connection*> source();
  admin_result<mapping*> mapping_of(const std::string& pipeline);
  admin_result<replay_result> write(mapping& by, const dead_letter_key& which,
                                    decoded event);
  admin_result<bool> take_over(mapping& by, const lane_id& lane,
                               std::string& why);
  admin_result<std::optional<replay_result>>
  resolve(const dead_letter_key& which, const lane_id& lane);
  admin_result<replay_result>
  keep(const dead_letter_key& which, const std::string& stage,
       const std::string& sqlstate, const std::string& reason);
  admin_result<replay_result> taken(const dead_letter_key& which);
  std::vector<std::string> prologue(const dead_letter_key& which) const;
  void pause(int attempt);

  const config& all_;
  replay_settings settings_;
  admin_note note_;
  std::optional<connection> target_;
  std::optional<connection> source_;
  std::map<std::string, std::unique_ptr<mapping>> mappings_;

  /// Rows of lanes that were taken over here.
  std::map<lane_id, lane_row> rows_;
  std::mt19937_64 chance_;
};

} // namespace millrace::cli
