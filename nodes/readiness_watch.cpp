#include "nodes/readiness_watch.hpp"

#include "actors/admin/metrics.hpp"
#include "actors/coordinator/task_result.hpp"
#include "actors/lane/cursor_types.hpp"
#include "actors/lane/lane_writer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

namespace millrace {

namespace {

constexpr std::chrono::seconds patience{3};

constexpr std::array<std::string_view, 7> unwell_states{
  "halted",      "parked",    "waiting", "waiting for PostgreSQL",
  "backing off", "no answer", "refused"};

/// Puts the figures into their gauges, and zero into those that have none any
/// more.
template <class Gauge>
void show(const std::map<std::string, int64_t>& last,
          const std::map<std::string, int64_t>& figures, Gauge gauge) {
  for (const auto& [label, _] : last)
    if (!figures.contains(label))
      gauge(label)->value(0);
  for (const auto& [label, n] : figures)
    gauge(label)->value(n);
}

} // namespace

bool is_well(const std::string& state) noexcept {
  return std::ranges::find(unwell_states, state) == unwell_states.end();
}

readiness_watch::readiness_watch(caf::actor_system& sys, supervisor_actor root,
                                 std::shared_ptr<readiness_board> board)
  : self_{sys},
    root_{std::move(root)},
    board_{std::move(board)} {
  board_->require("tree");
}

readiness_watch::~readiness_watch() {
  board_->drop("tree");
}

void readiness_watch::look() {
  std::set<std::string> posted;
  self_->request(root_, patience, inspect_atom_v)
    .receive(
      [&](const actor_report& tree) {
        visit(tree, "", posted);
        count(tree);
        board_->set("tree", true);
      },
      [&](const caf::error& reason) {
        board_->set("tree", false,
                    "the supervisors do not answer: " + caf::to_string(reason));
      });
  for (const auto& name : posted_)
    if (!posted.contains(name))
      board_->drop(name);
  posted_ = std::move(posted);
}

void readiness_watch::visit(const actor_report& x, const std::string& path,
                            std::set<std::string>& posted) {
  auto name = path.empty() ? x.name : path + " / " + x.name;
  // Each partition tells of it; it is one lane.
  auto is_row = x.kind == lane_row_kind;
  if (is_row)
    name = "lane " + x.name;
  if (!is_well(x.state)) {
    auto detail = x.note.empty() ? x.state : x.state + ": " + x.note;
    // A lane is named as the command wants it.
    if ((is_row || x.kind == lane_writer_state::name) && x.state == "halted")
      detail += "; once mended: millrace lanes resume " + x.name;
    board_->set(name, false, std::move(detail));
    posted.insert(name);
  }
  if (x.state == behind_state) {
    board_->set(name, true, "warning: " + x.note);
    posted.insert(name);
  }
  for (const auto& child : x.children)
    visit(child, name, posted);
}

void readiness_watch::count(const actor_report& tree) {
  auto& sys = self_->home_system();
  auto next = tally_halts(tree);
  show(counted_.lanes_halted, next.lanes_halted,
       [&](const std::string& x) { return lanes_halted_gauge(sys, x); });
  show(counted_.lanes_parked, next.lanes_parked,
       [&](const std::string& x) { return lanes_parked_gauge(sys, x); });
  show(counted_.partitions_halted, next.partitions_halted,
       [&](const std::string& x) { return partitions_halted_gauge(sys, x); });
  counted_ = std::move(next);
}

} // namespace millrace
