// The simulated shells of PARTITION CONSUMERS: what they ask, hear late, read
// and send.

#include "tests/lane/simulation.hpp"

#include <algorithm>
#include <ranges>

namespace millrace::test {

namespace {

constexpr std::size_t percent_lost_answers = 10;

} // namespace

// -- life ---------------------------------------------------------------------

std::size_t simulation::add_consumer(std::size_t p) {
  feed_config config;
  config.source = partitions_[p].id;
  config.lanes = static_cast<int32_t>(db_.map().lanes);
  for (std::size_t i = 0; i < db_.lanes(); ++i)
    config.lane_ids.push_back(db_.id(i));
  config.map_version = db_.version();
  config.shape = db_.shape();
  // Small ones, so that lanes run out of credit.
  config.batch_rows = 1 + draws_.pick(4);
  config.cursor.credit_bytes = draws_.chance(50) ? 500 : 4 << 20;
  config.cursor.near_offsets = static_cast<int64_t>(draws_.pick(8));
  config.cursor.floor_patience
    = std::chrono::milliseconds{draws_.chance(50) ? 5'000 : 300'000};
  auto& x = consumers_.emplace_back();
  x.partition = p;
  x.feed = std::make_unique<partition_feed>(std::move(config));
  say("consumer {} of partition {} begins, map {}", consumers_.size() - 1, p,
      db_.version().value);
  return consumers_.size() - 1;
}

/// It ends, and SOURCE makes another one by what the lanes are now.
void simulation::retire(std::size_t who, const char* why) {
  auto p = consumers_[who].partition;
  auto is_last = last_consumer(p) == who;
  consumers_[who].alive = consumers_[who].assigned = false;
  say("consumer {} ends: {}", who, why);
  if (is_last)
    add_consumer(p);
}

bool simulation::lanes_as_made(const consumer& x,
                               const partition_view& view) const {
  const auto& config = x.feed->config();
  return view.map_version == config.map_version
         && std::ranges::equal(view.lanes, config.lane_ids, {},
                               &lane_position::lane);
}

/// View, assignment and the full act before the first batch (rules 2 to 4b);
/// each answer may come late.
void simulation::start(std::size_t who) {
  auto& x = consumers_[who];
  auto p = x.partition;
  x.assigned = false;
  x.seen.reset();
  if (!x.start_view && !x.asked) {
    x.start_view = db_.view(p);
    if (draws_.chance(15))
      return;
  }
  if (x.start_view) {
    if (!lanes_as_made(x, *x.start_view)) {
      retire(who, "the lanes are others");
      return;
    }
    // It is looked at again now and then.
    if (x.start_view->finished()) {
      x.start_view.reset();
      return;
    }
    x.feed->assign(*x.start_view, {offset{0}, partitions_[p].end});
    x.start_view.reset();
    if (auto act = x.feed->cursor().propose())
      x.asked = asked_floor{*act, db_.act(p, *act)};
    if (x.asked && draws_.chance(15))
      return;
  }
  if (x.asked && !settle_floor(who))
    return;
  if (is_broken(sabotage::kafka_resume)
      && kafka_commits_[p] > x.feed->cursor().position())
    x.feed->skip_to(kafka_commits_[p]);
  if (auto late = std::exchange(x.stale, std::nullopt))
    x.feed->cursor().floor_answer(late->act, late->answer);
  x.assigned = true;
  say("consumer {} reads partition {} from {}{}", who, p,
      x.feed->cursor().position().value,
      x.feed->cursor().holds_floor() ? "" : ", its floor is frozen");
}

/// False when the consumer has to begin anew.
bool simulation::settle_floor(std::size_t who) {
  auto& x = consumers_[who];
  auto asked = std::exchange(x.asked, std::nullopt);
  if (draws_.chance(percent_lost_answers)) {
    say("consumer {} does not hear what became of its floor act", who);
    return x.assigned;
  }
  x.feed->cursor().floor_answer(asked->act, asked->answer);
  say("consumer {}: {} floor act {}, the floor is {}", who,
      asked->act.full ? "full" : "touched",
      asked->answer.accepted ? "accepted" : "refused",
      asked->answer.floor.value);
  return !x.feed->cursor().needs_assign();
}

// -- reading ------------------------------------------------------------------

void simulation::read_some(std::size_t who, std::size_t limit) {
  auto& x = consumers_[who];
  if (!x.alive)
    return;
  // Now and then its client wants another start, whatever is asked just now.
  if (x.assigned && (x.feed->cursor().needs_assign() || draws_.chance(2))) {
    x.assigned = false;
    auto late = std::exchange(x.asked, std::nullopt);
    if (is_broken(sabotage::late_floor))
      x.stale = std::move(late);
  }
  if (!x.assigned) {
    start(who);
    return;
  }
  // Whatever is decided about it: any lane may be left behind at any time.
  if (draws_.chance(5)) {
    auto lane = draws_.pick(x.feed->cursor().lane_ids().size());
    if (x.feed->cursor().mode(lane) == lane_mode::attached) {
      say("consumer {} leaves lane {} behind", who, lane);
      x.feed->detach(lane);
    }
  }
  tend(who);
  read(who, reading_kind::main, limit);
  read(who, reading_kind::catch_up, limit);
  tend(who);
}

void simulation::read(std::size_t who, reading_kind which, std::size_t limit) {
  auto& x = consumers_[who];
  auto& feed = *x.feed;
  if (which == reading_kind::catch_up && !feed.cursor().is_running())
    return;
  if (which == reading_kind::catch_up && is_broken(sabotage::blind_catch_up)
      && draws_.chance(20)) {
    feed.skip_to(feed.cursor().position(), which);
    return;
  }
  auto from = feed.cursor().position(which);
  auto stop = std::min(partitions_[x.partition].end,
                       feed.cursor().ceiling(which).value_or(
                         partitions_[x.partition].end));
  std::size_t done = 0;
  auto at_end = true;
  for (const auto& e : partitions_[x.partition].log) {
    if (e.at < feed.cursor().position(which))
      continue;
    if (which == reading_kind::main && e.at >= stop)
      break;
    if (done == limit || feed.is_blocked(which, now_)) {
      at_end = false;
      break;
    }
    if (is_broken(sabotage::seek_jump) && draws_.chance(2))
      continue;
    ++done;
    auto verdict = feed.begin(e.at, which);
    if (verdict == record_verdict::beyond)
      break;
    if (verdict == record_verdict::hole) {
      feed.skip_to(e.at, which);
      feed.begin(e.at, which);
    }
    take(x, e);
    send(who, feed.cut_full(now_, which));
  }
  if (at_end && feed.cursor().position(which) < stop)
    feed.skip_to(stop, which);
  if (feed.cursor().position(which) != from)
    say("consumer {} {} [{},{})", who,
        which == reading_kind::main ? "reads" : "catches up", from.value,
        feed.cursor().position(which).value);
  if (!draws_.chance(20))
    send(who, feed.cut_all(now_, which));
}

/// What the decoder does with a record.
void simulation::take(consumer& x, const sim_event& e) {
  auto& feed = *x.feed;
  auto lanes = static_cast<std::size_t>(feed.config().lanes);
  if (broken(mutation::no_floor))
    for (std::size_t i = 0; i < feed.cursor().lane_ids().size(); ++i)
      feed.open_lane(i).blocks.resize(sim_deeds);
  if (e.route > 0) {
    auto& b = feed.open_lane(e.route % lanes);
    add_rows(b, e);
    ++b.events;
  }
  feed.end();
}

void simulation::tend(std::size_t who) {
  auto& feed = *consumers_[who].feed;
  feed.tend(true, !draws_.chance(10), now_);
  for (const auto& x : feed.take_changes()) {
    say("consumer {}: lane {} is {} at {}", who, x.lane, to_string(x.to),
        x.cut.value);
    if (x.from == lane_mode::catching_up && x.to == lane_mode::attached)
      ++counts_.rejoined;
  }
}

void simulation::send(std::size_t who, std::vector<fed_batch> batches) {
  for (auto& x : batches) {
    ++counts_.sent;
    say("consumer {} sends lane {} [{},{}) #{}", who, x.lane,
        x.data->range.from.value, x.data->range.to.value, x.data->rewind.value);
    parcels_.push_back({x.lane, who, std::move(x.data)});
  }
}

// -- answers and upkeep -------------------------------------------------------

void simulation::upkeep(std::size_t who) {
  auto& x = consumers_[who];
  if (!x.alive || !x.assigned || x.feed->cursor().needs_assign())
    return;
  auto p = x.partition;
  kafka_commits_[p] = std::max(kafka_commits_[p], x.feed->durable_hint());
  // One question at a time.
  if (!x.asked && !x.seen)
    if (auto act = x.feed->cursor().propose()) {
      x.asked = asked_floor{*act, db_.act(p, *act)};
      if (draws_.chance(20))
        return;
    }
  if (x.asked && !settle_floor(who))
    return;
  if (!x.seen) {
    x.seen = asked_view{db_.view(p), x.feed->cursor().acks()};
    if (draws_.chance(20))
      return;
  }
  judge_view(who);
}

void simulation::judge_view(std::size_t who) {
  auto& x = consumers_[who];
  auto seen = *std::exchange(x.seen, std::nullopt);
  if (!lanes_as_made(x, seen.view)) {
    retire(who, "the lanes are others");
    return;
  }
  // Reading again needs no act here: the log is read by position.
  auto before = cuts(x);
  auto result = x.feed->audit(seen.view, now_, seen.acks);
  count_rewinds(x, before);
  if (result.reread)
    say("consumer {} reads again from {}", who,
        x.feed->cursor().position().value);
  send(who, std::move(result.batches));
  if (!x.feed->cursor().needs_assign())
    send(who, x.feed->cut_behind(now_, [](std::size_t) { return true; }));
  if (seen.view.finished() && x.feed->cursor().lent_bytes() == 0) {
    x.assigned = false;
    say("consumer {} is at the end of the backfill", who);
    return;
  }
  if (x.feed->cursor().is_stuck_at_barrier() && !x.feed->has_open_events()) {
    x.assigned = false;
    say("consumer {} begins anew, for the floor to come to the barrier", who);
  }
}

void simulation::deliver(const letter& x) {
  static constexpr const char* words[] = {"acks", "nacks", "hands back"};
  auto& c = consumers_[x.consumer];
  if (!c.assigned)
    return;
  say("consumer {} hears: lane {} {} {} #{}", x.consumer, x.lane,
      words[static_cast<std::size_t>(x.reply.what)], x.reply.at.value,
      x.reply.number.value);
  if (x.reply.what == lane_reply::kind::hand_back
      && c.feed->config().shape != db_.shape() && !draws_.chance(50)) {
    retire(x.consumer, "the shape is another one");
    return;
  }
  auto before = cuts(c);
  send(x.consumer, c.feed->answer(x.lane, x.reply, now_).batches);
  count_rewinds(c, before);
}

std::vector<offset> simulation::cuts(const consumer& x) const {
  std::vector<offset> result;
  for (std::size_t i = 0; i < x.feed->cursor().lane_ids().size(); ++i)
    result.push_back(x.feed->cursor().cut_of(i));
  return result;
}

void simulation::count_rewinds(const consumer& x,
                               const std::vector<offset>& before) {
  for (std::size_t i = 0; i < before.size(); ++i)
    counts_.rewinds += x.feed->cursor().cut_of(i) < before[i] ? 1 : 0;
}

std::size_t simulation::last_consumer(std::size_t p) const {
  for (auto i = consumers_.size(); i-- > 0;)
    if (consumers_[i].partition == p)
      return i;
  std::abort();
}

bool simulation::is_done(std::size_t p) const {
  if (config_.backfill)
    return db_.view(p).finished();
  const auto& c = consumers_[last_consumer(p)];
  return c.assigned && !c.feed->cursor().needs_assign()
         && c.feed->cursor().position() >= partitions_[p].end
         && c.feed->cursor().detached_lanes() == 0 && !c.feed->has_open_events()
         && c.feed->cursor().lent_bytes() == 0;
}

} // namespace millrace::test
