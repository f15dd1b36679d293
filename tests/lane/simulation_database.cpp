#include "tests/lane/simulation_database.hpp"

#include "actors/lane/invariant.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::test {

namespace {

/// A failover forgets one less at most.
constexpr std::size_t versions_kept = 5;

constexpr std::size_t first_lanes = 3;

std::size_t index(slot x) {
  return static_cast<std::size_t>(x.value);
}

std::size_t index(const lane_id& x) {
  return static_cast<std::size_t>(x.number.value);
}

} // namespace

sim_database::sim_database(const std::vector<sim_partition>& partitions,
                           std::array<sabotage, 2> broken)
  : partitions_{partitions},
    broken_{broken} {
  now_.maps.push_back({first_lanes, {}});
  for (std::size_t i = 0; i < first_lanes; ++i)
    add_lane({}, {});
  history_.push_back(now_);
}

void sim_database::begin(sim_habits habits, bool backfill) {
  habits_ = habits;
  backfill_ = backfill;
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    require(partitions_[p].log.size() <= max_events, "there is room for them");
    known_[p].assign(partitions_[p].log.size(), {});
  }
}

void sim_database::add_lane(const std::vector<offset>& next_off, seq next) {
  auto number = static_cast<int32_t>(now_.lanes.size());
  auto& row = now_.lanes.emplace_back();
  row.lane = {"p", "t", shard{number}};
  row.epoch = epoch{1};
  row.next_seq = next;
  row.map_version = version();
  row.shape = now_.shape;
  row.next_off = next_off;
  if (open_.size() < now_.lanes.size())
    open_.emplace_back();
}

void sim_database::remember() {
  history_.push_back(now_);
  if (history_.size() > versions_kept)
    history_.pop_front();
  ever_.resize(std::max(ever_.size(), lanes()));
  for (std::size_t i = 0; i < lanes(); ++i) {
    ever_[i].resize(std::max(ever_[i].size(), slots()));
    for (std::size_t p = 0; p < slots(); ++p)
      ever_[i][p] = std::max(ever_[i][p], effective(i, p));
  }
}

void sim_database::fail(std::string text) {
  if (!failure_)
    failure_ = std::move(text);
}

// -- views --------------------------------------------------------------------

lane_id sim_database::id(std::size_t lane) const {
  return {"p", "t", shard{static_cast<int32_t>(lane)}};
}

offset sim_database::effective(std::size_t lane, std::size_t p) const {
  return std::max(now_.lanes[lane].next_off[p], now_.floors[p].floor);
}

offset sim_database::next(std::size_t lane, std::size_t p) const {
  return now_.lanes[lane].next_off[p];
}

offset sim_database::ever(std::size_t lane, std::size_t p) const {
  return lane < ever_.size() && p < ever_[lane].size() ? ever_[lane][p]
                                                       : offset{0};
}

std::optional<lane_row> sim_database::read(std::size_t lane) const {
  if (lane >= lanes())
    return std::nullopt;
  auto result = now_.lanes[lane];
  for (const auto& x : now_.floors)
    result.floors.push_back(x.floor);
  result.waiting = waiting_entries(lane);
  return result;
}

partition_view sim_database::view(std::size_t p) const {
  partition_view result;
  result.at = slot{static_cast<int32_t>(p)};
  result.floor = now_.floors[p].floor;
  result.token = now_.floors[p].token;
  result.map_version = version();
  result.changing = now_.changing;
  if (backfill_) {
    result.until = now_.until[p];
    result.ends = now_.ends;
  }
  for (std::size_t i = 0; i < lanes(); ++i)
    result.lanes.push_back({id(i), effective(i, p), now_.lanes[i].state});
  return result;
}

std::size_t sim_database::slot_of(const partition_id& x) const {
  auto i = std::ranges::find(partitions_, x, &sim_partition::id);
  return static_cast<std::size_t>(i - partitions_.begin());
}

std::optional<std::size_t> sim_database::lane_of(std::size_t p,
                                                 const sim_event& e) const {
  if (e.route == 0)
    return std::nullopt;
  for (auto i = now_.maps.size(); i-- > 0;) {
    const auto& x = now_.maps[i];
    if (p >= x.from.size() || x.from[p] <= e.at)
      return e.route % x.lanes;
  }
  return std::nullopt;
}

bool sim_database::is_complete() const {
  for (std::size_t p = 0; p < slots(); ++p) {
    if (backfill_ && !(view(p).finished() && is_all_beyond(p)))
      return false;
    for (const auto& e : partitions_[p].log)
      if (auto lane = lane_of(p, e); lane && e.at >= effective(*lane, p)
                                     && !(backfill_ && e.at >= now_.until[p]))
        return false;
  }
  return slots() == partitions_.size() && now_.tables.waiting.empty();
}

std::vector<sim_waiting> sim_database::waiting(std::size_t lane,
                                               seq from) const {
  std::vector<sim_waiting> result;
  for (const auto& x : now_.tables.waiting)
    if (x.lane == lane && x.number >= from)
      result.push_back(x);
  return result;
}

std::vector<waiting_entry>
sim_database::waiting_entries(std::size_t lane) const {
  std::vector<waiting_entry> result;
  for (const auto& x : now_.tables.waiting)
    if (x.lane == lane)
      result.push_back({x.number, 1, *x.touches});
  return result;
}

// -- the claim ----------------------------------------------------------------

uuid sim_database::mint() {
  uuid result;
  auto x = ++minted_;
  for (std::size_t i = 0; i < sizeof(x); ++i)
    result.bytes[i] = static_cast<uint8_t>(x >> (8 * i));
  return result;
}

lane_row sim_database::take_over(std::size_t lane) {
  auto& row = now_.lanes[lane];
  row.owner = mint();
  ++row.epoch.value;
  remember();
  return *read(lane);
}

bool sim_database::claim_holds(const claim& x) const {
  auto is_known = [this](const claim_range& r) {
    return index(r.at) < slots();
  };
  if (index(x.lane) >= lanes() || !std::ranges::all_of(x.ranges, is_known))
    return false;
  if (is_broken(sabotage::no_claim)
      || (x.ranges.empty() && is_broken(sabotage::retry_unclaimed)))
    return true;
  const auto& row = now_.lanes[index(x.lane)];
  auto ours = row.epoch == x.epoch && row.owner == x.owner;
  auto holds = (ours || is_broken(sabotage::offset_only))
               && row.state == lane_state::active
               && row.map_version == x.map_version && row.shape == x.shape;
  if (is_broken(sabotage::epoch_only))
    return holds;
  auto old_counts = !is_broken(sabotage::old_unseen);
  holds = holds && (row.next_seq == x.next_seq || !old_counts);
  for (const auto& r : x.ranges) {
    auto p = index(r.at);
    auto here = effective(index(x.lane), p);
    holds = holds && (row.next_off[p] == r.old_next || !old_counts)
            && r.range.to > here
            && (r.range.from <= here || is_broken(sabotage::no_from_check))
            && (!r.first_event || *r.first_event >= here
                || is_broken(sabotage::first_unseen));
  }
  return holds;
}

// -- open transactions --------------------------------------------------------

void sim_database::leave_open(sim_work x) {
  auto lane = index(x.what.claim.lane);
  open_[lane] = std::move(x);
}

bool sim_database::is_locked(std::size_t lane) const {
  return lane < open_.size() && open_[lane].has_value();
}

void sim_database::settle(std::size_t lane, bool commits) {
  if (!is_locked(lane))
    return;
  auto x = std::exchange(open_[lane], std::nullopt);
  if (commits)
    commit(*x);
}

// -- floors, maps, failovers --------------------------------------------------

floor_answer sim_database::act(std::size_t p, const floor_act& x) {
  auto& row = now_.floors[p];
  auto guarded = row.floor == x.floor
                 && (row.token == x.token || is_broken(sabotage::token_unseen))
                 && version() == x.map_version;
  auto to = x.to;
  if (guarded && x.full) {
    to = effective(0, p);
    for (std::size_t i = 1; i < lanes(); ++i)
      to = std::min(to, effective(i, p));
    guarded = to >= row.floor;
  } else if (guarded) {
    guarded = to > row.floor;
    if (!is_broken(sabotage::floor_unguarded))
      for (const auto& t : x.touched)
        guarded = guarded && next(index(t.id), p) >= t.end;
  }
  if (guarded) {
    check_floor(p, row.floor, to);
    check_end(p, to);
    row.floor = std::max(row.floor, to);
    row.token = mint();
    remember();
  }
  return {guarded, row.floor, row.token, version(), false};
}

void sim_database::toggle_state(std::size_t lane) {
  auto& state = now_.lanes[lane].state;
  state = state == lane_state::active ? lane_state::halted : lane_state::active;
  remember();
}

void sim_database::append_slot() {
  now_.floors.push_back({offset{0}, mint()});
  now_.until.emplace_back(0);
  now_.beyond.emplace_back(0);
  for (auto& x : now_.lanes)
    x.next_off.resize(slots());
  remember();
}

bool sim_database::alter_shape() {
  if (std::ranges::any_of(open_, [](const auto& x) { return x.has_value(); }))
    return false;
  ++now_.shape.value;
  for (auto& x : now_.lanes)
    x.shape = now_.shape;
  remember();
  return true;
}

void sim_database::plan_change() {
  now_.changing = true;
  remember();
}

void sim_database::abort_change() {
  now_.changing = false;
  remember();
}

bool sim_database::switch_map(std::size_t to_lanes) {
  if (!now_.changing)
    return false;
  seq last;
  for (std::size_t i = 0; i < lanes(); ++i) {
    const auto& x = now_.lanes[i];
    last = std::max(last, x.next_seq);
    if (is_locked(i) || x.state != lane_state::active)
      return false;
    for (std::size_t p = 0; p < slots(); ++p)
      if (x.next_off[p] > now_.floors[p].floor
          && !is_broken(sabotage::switch_unready))
        return false;
  }
  std::vector<offset> barrier;
  for (const auto& x : now_.floors)
    barrier.push_back(x.floor);
  for (std::size_t i = 0; i < lanes(); ++i)
    for (std::size_t p = 0; p < slots(); ++p)
      if (now_.lanes[i].next_off[p] > barrier[p])
        fail(
          std::format("DUP: lane {} has written partition {} beyond {}, where "
                      "another map begins",
                      i, p, barrier[p].value));
  now_.maps.push_back({to_lanes, barrier});
  ++now_.version.value;
  now_.changing = false;
  for (auto& x : now_.floors)
    x.token = mint();
  ++last.value;
  while (lanes() < to_lanes)
    add_lane(barrier, last);
  if (!is_broken(sabotage::switch_leaves_waiting))
    move_waiting(last);
  for (auto& x : now_.lanes) {
    ++x.epoch.value;
    x.owner = {};
    x.map_version = version();
    x.next_seq = last;
  }
  remember();
  return true;
}

/// To the lanes of the new map, under numbers that none of them has given: in
/// the order of the offsets within each partition, and between them about as
/// they were put aside.
void sim_database::move_waiting(seq& last) {
  auto& all = now_.tables.waiting;
  auto by_place = [](const sim_waiting& x) { return std::pair{x.of.p, x.at}; };
  std::ranges::sort(all, {}, by_place);
  std::vector<std::pair<sim_time, std::size_t>> order;
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto at = all[i].since;
    if (i > 0 && all[i - 1].of.p == all[i].of.p)
      at = std::max(at, order.back().first);
    order.emplace_back(at, i);
  }
  std::ranges::sort(order);
  std::vector<sim_waiting> moved;
  for (const auto& [at, i] : order) {
    auto& x = moved.emplace_back(std::move(all[i]));
    x.lane = owner_of(event(x.of));
    x.number = last;
    ++last.value;
  }
  all = std::move(moved);
}

void sim_database::fail_over(std::size_t commits) {
  auto back = std::min(commits, history_.size() - 1);
  now_ = history_[history_.size() - 1 - back];
  history_.assign(1, now_);
  for (auto& x : open_)
    x.reset();
}

} // namespace millrace::test
