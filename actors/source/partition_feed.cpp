#include "actors/source/partition_feed.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace millrace {

namespace {

bool holds_events(const batch* x) {
  return x && x->events > 0;
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
    open_(config_.lane_ids.size()) {
  for (std::size_t i = 0; i < config_.lane_ids.size(); ++i) {
    const auto& id = config_.lane_ids[i];
    index_.emplace(id, i);
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
  cursor_.assign(view, log);
}

record_verdict partition_feed::begin(offset at) {
  auto result = cursor_.judge(at);
  current_ = at;
  return result;
}

batch* partition_feed::open(std::string_view tenant, uint64_t route_hash) {
  for (const auto& x : tenants_)
    if (x.name == tenant && !x.lanes.empty())
      return &open_lane(x.lanes[route_hash % x.lanes.size()]);
  return nullptr;
}

batch& partition_feed::unrouted() {
  return open_lane(unrouted_);
}

batch& partition_feed::open_lane(std::size_t lane) {
  cursor_.touch(lane, current_);
  current_lane_ = lane;
  if (!cursor_.wants(lane, current_)) {
    for (auto& block : skipped_.blocks)
      block.clear();
    skipped_.rejects.clear();
    return skipped_;
  }
  if (!open_[lane])
    open_[lane] = make_batch(lane);
  return *open_[lane];
}

void partition_feed::end() {
  cursor_.advance(current_ + 1);
  // Measuring walks over the rejects, so it is not done for every record.
  if (const auto* x = open_[current_lane_].get())
    if (x->events % measure_every == 0 || rows_of(*x) >= config_.batch_rows
        || bytes_of_rows(*x) >= config_.batch_bytes)
      full_ = full_ || is_full(*x);
}

bool partition_feed::is_full(const batch& x) const {
  return rows_of(x) >= config_.batch_rows
         || size_bytes(x) >= config_.batch_bytes;
}

void partition_feed::skip_to(offset to) {
  cursor_.advance(to);
}

bool partition_feed::has_credit() const noexcept {
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (!cursor_.has_credit(i))
      return false;
  return true;
}

// -- cutting ------------------------------------------------------------------

std::vector<fed_batch> partition_feed::cut_full(clock::time_point now) {
  std::vector<fed_batch> result;
  full_ = false;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const auto* x = open_[i].get();
    if (holds_events(x) && is_full(*x))
      result.push_back(cut(i, now));
  }
  return result;
}

std::vector<fed_batch> partition_feed::cut_idle(clock::time_point now) {
  std::vector<fed_batch> result;
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (holds_events(open_[i].get()) && cursor_.is_idle(i))
      result.push_back(cut(i, now));
  return result;
}

std::vector<fed_batch> partition_feed::cut_all(clock::time_point now) {
  std::vector<fed_batch> result;
  full_ = false;
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (holds_events(open_[i].get()))
      result.push_back(cut(i, now));
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
        drop(lane);
        if (x.at < cursor_.position())
          result.batches = cut_all(now);
        result.reread = cursor_.nack(lane, x.at, x.number, now);
      }
      break;
    case lane_reply::kind::hand_back:
      cursor_.handed_back(lane, x.number);
      break;
  }
  return result;
}

partition_feed::consequence
partition_feed::audit(const partition_view& view, clock::time_point now,
                      std::span<const offset> acks_then) {
  consequence result;
  result.batches = cut_all(now);
  result.reread = cursor_.audit(view, now, acks_then);
  return result;
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
  result->shape = config_.shape;
  return result;
}

fed_batch partition_feed::cut(std::size_t lane, clock::time_point now) {
  std::unique_ptr<batch> data = std::exchange(open_[lane], nullptr);
  auto [range, number] = cursor_.cut(lane, size_bytes(*data), now);
  data->range = range;
  data->rewind = number;
  return {lane, batch_ptr{std::move(data)}};
}

void partition_feed::drop(std::size_t lane) {
  open_[lane].reset();
}

} // namespace millrace
