#pragma once

#include "actors/store/connection.hpp"
#include "messages/ids.hpp"
#include "messages/waiting.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace {

/// What another map makes of a waiting event.
struct remapped_event {
  lane_id lane;

  /// By the writes of that map.
  std::vector<touched_row> touches;

  /// Why it becomes a dead letter of the lane; empty: it waits on there.
  std::string reason;
};

/// Maps an event that waits in `from`.
using waiting_remap
  = std::function<remapped_event(const waiting_event&, const lane_id& from)>;

/// What became of the waiting events of a pipeline.
struct moved_waiting {
  /// They wait on, in the lanes of the new map.
  int64_t moved = 0;
  int64_t dead = 0;
};

/// Moves the waiting events of a pipeline to the lanes of another map (rule
/// 25), within a transaction that has locked all its lanes: nobody else can
/// change `millrace.waiting` for them.
///
/// All get fresh seqs, in an order that is that of the offsets within each
/// partition, and where that leaves a choice that in which they were put
/// aside. So an event stays behind those of its partition that it waits
/// behind. What the new map cannot write becomes a dead letter.
///
/// Refused when two events of one lane write the same row and would be in
/// different lanes afterwards: nothing would keep their order there.
///
/// Holds one page of records at a time. The order is in a temporary table.
class waiting_move {
public:
  /// Bounds of a page; one record may be larger.
  static constexpr int64_t page_events = 128;
  static constexpr int64_t page_bytes = int64_t{4} << 20;

  /// These outlive it.
  waiting_move(connection& conn, const std::string& pipeline,
               const waiting_remap& remap);

  /// Gives the events their seqs, from `first` on, and returns what follows.
  /// Throws failed_statement, as `run` does.
  seq number(seq first);

  /// To be called when the lanes of the new map are there.
  moved_waiting run();

private:
  bool remap_page();
  void check_order();
  void check_lanes();
  int64_t bury();
  int64_t move();

  connection& conn_;
  const std::string& pipeline_;
  const waiting_remap& remap_;
  seq next_;
  int64_t number_ = 0;
};

} // namespace millrace
