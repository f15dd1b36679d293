#include "actors/source/partition_feed.hpp"

#include "actors/lane/invariant.hpp"
#include "actors/lane/mutation.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

bool holds_events(const batch* x) {
  return x && (x->events > 0 || broken(mutation::no_floor));
}

/// Events between two measurements of a batch: what rejects can add in
/// between stays small beside a batch.
constexpr int64_t measure_every = 64;

std::size_t bytes_of_rows(const batch& x) {
  std::size_t result = 0;
  for (const auto& block : x.blocks)
    result += block.bytes.size();
  return result;
}

std::size_t rows_of(const batch& x) {
  auto result = x.rejects.size();
  for (const auto& block : x.blocks)
    result += block.rows();
  return result;
}

} // namespace

partition_feed::partition_feed(feed_config config)
  : config_{std::move(config)},
    cursor_{config_.lane_ids, config_.cursor},
    open_(config_.lane_ids.size()),
    holds_{config_.lane_ids.size(), config_.cursor.detach_after},
    loads_(config_.lane_ids.size()) {
  for (std::size_t i = 0; i < config_.lane_ids.size(); ++i) {
    const auto& id = config_.lane_ids[i];
    index_.emplace(id, i);
    auto credit = config_.credit.find(id.tenant);
    shares_.emplace_back(credit == config_.credit.end() ? nullptr
                                                        : credit->second);
    if (id.tenant == unrouted_tenant) {
      if (id.number.value == 0)
        unrouted_ = i;
      continue;
    }
    auto same = std::ranges::find(tenants_, id.tenant, &tenant_lanes::name);
    if (same == tenants_.end())
      same = tenants_.insert(same, tenant_lanes{id.tenant, {}});
    auto at = static_cast<std::size_t>(id.number.value);
    // A lane beyond the configured number belongs to an older map: it is
    // drained by its floor, never fed.
    if (at < static_cast<std::size_t>(config_.lanes)) {
      if (same->lanes.size() <= at)
        same->lanes.resize(at + 1);
      same->lanes[at] = i;
    }
  }
}

partition_feed::~partition_feed() = default;

// -- reading ------------------------------------------------------------------

void partition_feed::assign(const partition_view& view, offset_range log) {
  for (std::size_t i = 0; i < open_.size(); ++i)
    drop(i);
  full_ = {};
  cursor_.assign(view, log);
  for (auto& x : shares_)
    x.keep(0);
}

record_verdict partition_feed::begin(offset at, reading_kind which) {
  current_ = at;
  current_reading_ = which;
  current_batch_ = nullptr;
  return cursor_.judge(at, which);
}

batch* partition_feed::open(std::string_view tenant, uint64_t route_hash) {
  for (const auto& x : tenants_)
    if (x.name == tenant && !x.lanes.empty())
      return &open_lane(x.lanes[route_hash % x.lanes.size()]);
  return nullptr;
}

batch& partition_feed::unrouted() {
  require(!config_.share || config_.share->unrouted,
          "records of nobody are read for one database");
  return open_lane(unrouted_);
}

batch& partition_feed::open_lane(std::size_t lane) {
  if (current_reading_ == reading_kind::main
      && (cursor_.is_read_by(lane, current_reading_)
          || !broken(mutation::detached_untouched)))
    cursor_.touch(lane, current_);
  if (!cursor_.wants(lane, current_, current_reading_)) {
    for (auto& block : skipped_.blocks)
      block.clear();
    skipped_.rejects.clear();
    return skipped_;
  }
  if (!open_[lane])
    open_[lane] = make_batch(lane);
  current_batch_ = open_[lane].get();
  return *current_batch_;
}

void partition_feed::end() {
  cursor_.advance(current_ + 1, current_reading_);
  // Measuring walks over the rejects, so it is not done for every record.
  if (const auto* x = current_batch_)
    if (x->events % measure_every == 0 || rows_of(*x) >= config_.batch_rows
        || bytes_of_rows(*x) >= config_.batch_bytes) {
      auto& full = full_[current_reading_ == reading_kind::main ? 0 : 1];
      full = full || is_full(*x);
    }
}

bool partition_feed::is_full(const batch& x) const {
  return rows_of(x) >= config_.batch_rows
         || size_bytes(x) >= config_.batch_bytes;
}

void partition_feed::skip_to(offset to, reading_kind which) {
  cursor_.advance(to, which);
}

// -- lanes that hold others up ------------------------------------------------

bool partition_feed::is_blocked(std::size_t lane) const {
  return !has_credit(lane) && open_[lane] && is_full(*open_[lane]);
}

bool partition_feed::is_blocked(reading_kind which,
                                clock::time_point now) const {
  if (which == reading_kind::main && cursor_.main_waits(now))
    return true;
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (cursor_.is_read_by(i, which) && is_blocked(i))
      return true;
  return false;
}

bool partition_feed::has_credit(std::size_t lane) const noexcept {
  return cursor_.has_credit(lane) && shares_[lane].may_take();
}

void partition_feed::settle_credit(clock::time_point now) {
  for (std::size_t i = 0; i < shares_.size(); ++i)
    shares_[i].keep(cursor_.lent_bytes(i));
  for (const auto& [tenant, pool] : config_.credit)
    pool->refill(now);
}

void partition_feed::watch(clock::time_point now) {
  settle_credit(now);
  for (std::size_t i = 0; i < loads_.size(); ++i) {
    loads_[i] = cursor_.load(i);
    loads_[i].blocked = is_blocked(i);
  }
  for (auto lane : holds_.judge(loads_, now))
    detach(lane);
}

void partition_feed::detach(std::size_t lane) {
  drop(lane);
  cursor_.detach(lane);
}

partition_feed::catch_up_plan
partition_feed::tend(bool verified, bool may_start, clock::time_point now) {
  using state = partition_cursor::run_state;
  catch_up_plan result;
  shed_blocked();
  cursor_.join_run();
  auto ran = cursor_.is_running();
  auto ends = cursor_.tend_run(verified, now);
  result.stop = ran && ends != state::going;
  drop_void();
  cursor_.attach_ready();
  if (!cursor_.is_running() && may_start)
    result.start = cursor_.begin_run(now);
  return result;
}

/// A blocked lane of the catch-up waits for its credit, and its run with it,
/// unless that holds others up.
void partition_feed::shed_blocked() {
  auto blocked = false;
  auto others = cursor_.others_wait()
                || cursor_.position(reading_kind::catch_up)
                     == cursor_.position();
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (cursor_.is_read_by(i, reading_kind::catch_up)) {
      blocked = blocked || is_blocked(i);
      others = others || !is_blocked(i);
    }
  if (!blocked || !others)
    return;
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (cursor_.is_read_by(i, reading_kind::catch_up) && is_blocked(i))
      detach(i);
}

void partition_feed::stop_catch_up() {
  if (cursor_.is_running())
    cursor_.end_run();
  drop_void();
}

// -- cutting ------------------------------------------------------------------

template <class Predicate>
std::vector<fed_batch> partition_feed::cut_if(reading_kind which,
                                              clock::time_point now,
                                              Predicate pred) {
  std::vector<fed_batch> result;
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (holds_events(open_[i].get()) && cursor_.is_read_by(i, which)
        && has_credit(i) && pred(i))
      result.push_back(cut(i, now));
  return result;
}

std::vector<fed_batch> partition_feed::cut_full(clock::time_point now,
                                                reading_kind which) {
  full_[which == reading_kind::main ? 0 : 1] = false;
  return cut_if(which, now,
                [this](std::size_t i) { return is_full(*open_[i]); });
}

std::vector<fed_batch> partition_feed::cut_idle(clock::time_point now,
                                                reading_kind which) {
  return cut_if(which, now,
                [this](std::size_t i) { return cursor_.is_idle(i); });
}

std::vector<fed_batch> partition_feed::cut_all(clock::time_point now,
                                               reading_kind which) {
  full_[which == reading_kind::main ? 0 : 1] = false;
  return cut_if(which, now, [](std::size_t) { return true; });
}

std::vector<fed_batch>
partition_feed::cut_behind(clock::time_point now,
                           const partition_cursor::lane_test& has_writer) {
  std::vector<fed_batch> result;
  for (auto lane : cursor_.idle_lanes_behind(now, has_writer)) {
    // One with events is sent as soon as it may be.
    if (holds_events(open_[lane].get()))
      continue;
    if (!open_[lane])
      open_[lane] = make_batch(lane);
    result.push_back(cut(lane, now));
  }
  return result;
}

bool partition_feed::has_open_events() const noexcept {
  return std::ranges::any_of(open_, [](const auto& x) {
    return holds_events(x.get());
  });
}

// -- answers ------------------------------------------------------------------

partition_feed::consequence partition_feed::answer(std::size_t lane,
                                                   const lane_reply& x,
                                                   clock::time_point now) {
  consequence result;
  switch (x.what) {
    case lane_reply::kind::ack:
      cursor_.ack(lane, x.at, now);
      break;
    case lane_reply::kind::nack:
      if (cursor_.would_rewind(lane, x.at, x.number)) {
        // The others' events up to here are sent before the position goes
        // back, or they would be read into their batches twice.
        auto back = cursor_.goes_back(lane);
        drop(lane);
        if (back && x.at < cursor_.position())
          result.batches = cut_all(now);
        result.reread = cursor_.nack(lane, x.at, x.number, now, back);
        if (result.reread)
          take_open_back();
        drop_void();
      }
      break;
    case lane_reply::kind::hand_back:
      cursor_.handed_back(lane, x.number);
      break;
  }
  shares_[lane].keep(cursor_.lent_bytes(lane));
  return result;
}

partition_feed::consequence
partition_feed::audit(const partition_view& view, clock::time_point now,
                      std::span<const offset> acks_then) {
  consequence result;
  result.batches = cut_all(now);
  result.reread = cursor_.audit(view, now, acks_then);
  drop_void();
  if (result.reread)
    take_open_back();
  return result;
}

/// Lanes without credit could not be sent what is open for them: it is read
/// once more.
void partition_feed::take_open_back() {
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (open_[i] && cursor_.is_read_by(i, reading_kind::main)) {
      drop(i);
      cursor_.read_again(i);
    }
}

void partition_feed::writer_changed(std::size_t lane) {
  cursor_.distrust(lane);
}

std::optional<std::size_t> partition_feed::index_of(const lane_id& x) const {
  auto i = index_.find(x);
  if (i == index_.end())
    return std::nullopt;
  return i->second;
}

offset partition_feed::durable_hint() const {
  auto result = cursor_.committed_hint();
  for (const auto& x : open_)
    if (holds_events(x.get()))
      if (auto first = first_event(*x))
        result = std::min(result, *first);
  return result;
}

std::size_t partition_feed::open_bytes() const noexcept {
  std::size_t result = 0;
  for (const auto& x : open_)
    if (x)
      result += size_bytes(*x);
  return result;
}

// -- helpers ------------------------------------------------------------------

std::unique_ptr<batch> partition_feed::make_batch(std::size_t lane) {
  auto result = std::make_unique<batch>();
  result->lane = config_.lane_ids[lane];
  result->source = config_.source;
  result->topic = config_.topic;
  result->map_version = config_.map_version;
  auto other = config_.other_shapes.find(result->lane.tenant);
  result->shape = other == config_.other_shapes.end() ? config_.shape
                                                      : other->second;
  result->rewind = cursor_.number_of(lane);
  return result;
}

fed_batch partition_feed::cut(std::size_t lane, clock::time_point now) {
  std::unique_ptr<batch> data = std::exchange(open_[lane], nullptr);
  auto bytes = size_bytes(*data);
  auto [range, number] = cursor_.cut(lane, bytes, now);
  shares_[lane].take(bytes, rows_of(*data));
  require(data->rewind == number,
          "a batch was collected under the number it is sent with");
  require(!first_event(*data) || range.contains(*first_event(*data)),
          "a batch holds events of its range only");
  data->range = range;
  return {lane, batch_ptr{std::move(data)}};
}

/// What was collected for lanes that nobody reads for, or under a number that
/// is over.
void partition_feed::drop_void() {
  for (std::size_t i = 0; i < open_.size(); ++i) {
    auto mode = cursor_.mode(i);
    auto read = mode == lane_mode::attached || mode == lane_mode::catching_up;
    if (open_[i] && (!read || open_[i]->rewind != cursor_.number_of(i)))
      drop(i);
  }
}

void partition_feed::drop(std::size_t lane) {
  open_[lane].reset();
}

} // namespace millrace
