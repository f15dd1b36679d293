#include "nodes/halts.hpp"

#include "actors/lane/cursor_types.hpp"
#include "actors/lane/lane_writer.hpp"
#include "actors/source/partition_consumer.hpp"

#include <algorithm>

namespace millrace {

namespace {

/// The worst that is said of a lane counts.
enum class standing : uint8_t { well, parked, halted };

standing standing_of(const actor_report& x) {
  if (x.state == "halted")
    return standing::halted;
  return x.state == "parked" ? standing::parked : standing::well;
}

void visit(const actor_report& x, std::map<std::string, standing>& lanes,
           std::map<std::string, int64_t>& partitions) {
  if (x.kind == lane_row_kind || x.kind == lane_writer_state::name) {
    auto& worst = lanes[x.name];
    worst = std::max(worst, standing_of(x));
  } else if (x.kind == partition_consumer_state::name) {
    // Named TOPIC/NUMBER.
    auto& halted = partitions[x.name.substr(0, x.name.rfind('/'))];
    halted += standing_of(x) == standing::halted;
  }
  for (const auto& child : x.children)
    visit(child, lanes, partitions);
}

} // namespace

halt_tally tally_halts(const actor_report& tree) {
  halt_tally result;
  std::map<std::string, standing> lanes;
  visit(tree, lanes, result.partitions_halted);
  for (const auto& [name, how] : lanes) {
    // PIPELINE/TENANT/SHARD
    auto pipeline = name.substr(0, name.find('/'));
    result.lanes_halted[pipeline] += how == standing::halted;
    result.lanes_parked[pipeline] += how == standing::parked;
  }
  return result;
}

} // namespace millrace
