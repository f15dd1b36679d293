#include "tests/packs/pme_lane_hand.hpp"

#include "actors/decode/header_bytes.hpp"
#include "actors/store/lane_store.hpp"
#include "actors/store/missing_parents.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <stdexcept>
#include <utility>

namespace millrace::test {

namespace {

using namespace std::chrono_literals;

constexpr auto row_lock_timeout = 2s;
constexpr auto flush_timeout = 20s;
constexpr int64_t keep_waiting_ms = 3'600'000;

template <class T>
T must(store_result<T> x) {
  if (!x)
    throw std::runtime_error(x.error().sqlstate + ' ' + x.error().message);
  return std::move(*x);
}

/// One lane's batch; the others' events go astray.
class lane_sink final : public batch_sink {
public:
  explicit lane_sink(int shard) : shard_{shard} {
  }

  batch* open(std::string_view, uint64_t route_hash) override {
    return static_cast<int>(route_hash % lane_world::lanes) == shard_ ? &mine
                                                                      : &other;
  }

  batch& unrouted() override {
    throw std::logic_error("the tenant is a constant");
  }

  batch mine;
  batch other;

private:
  int shard_;
};

record_view view_of(const recorded_line& x, int partition, int64_t at,
                    std::vector<header_view>& headers) {
  headers.clear();
  for (const auto& [name, value] : x.headers)
    headers.push_back({name, value});
  record_view result;
  result.topic = "pme-ledger";
  result.partition = partition;
  result.offset = at;
  result.timestamp_ms = x.timestamp_ms.value_or(-1);
  result.key = x.key;
  result.value = x.value;
  result.headers = headers;
  return result;
}

} // namespace

lane_hand::lane_hand(lane_world& world, int number, const pass_options& options,
                     pass_account& account)
  : world_{world},
    id_{"pme", "demo", shard{number}},
    options_{options},
    account_{account},
    mapper_{world.make_mapper()},
    decoder_{world.pipeline().program} {
  begin();
}

void lane_hand::begin() {
  conn_ = std::make_unique<connection>(world_.open());
  lane_store store{*conn_, row_lock_timeout};
  lane_limits limits;
  limits.flush_bytes = options_.flush_bytes;
  // A small day has few events to be a share of.
  limits.max_reject_ratio = 1;
  core_ = std::make_unique<lane_core>(
    id_, limits, world_.pipeline().plans.at("demo")->traits);
  send_again();
  if (must(store.waiting({id_, seq{}, 0, 0, 0})).count > 0)
    core_->expect_waiting();
}

void lane_hand::crash() {
  ++account_.crashes;
  rests_ = false;
  if (run_)
    ++account_.cut_flushes;
  // The run closes the connection with the transaction in it.
  run_.reset();
  conn_->close();
  begin();
}

// -- the consumers' part ------------------------------------------------------

int64_t lane_hand::end_of(int of) const {
  return std::ssize(world_.log().at(static_cast<std::size_t>(of)));
}

/// From what the database has (rule 2).
void lane_hand::send_again() {
  lane_store store{*conn_, row_lock_timeout};
  auto row = must(store.load({id_, false}));
  for (int i = 0; i < lane_world::partitions; ++i) {
    auto& to = feeds_[static_cast<std::size_t>(i)];
    to.from = to.durable = row.effective(world_.slot_of(i)).value;
    ++to.number.value;
  }
}

batch_ptr lane_hand::make_batch(int of, int64_t from, int64_t to) {
  lane_sink sink{id_.number.value};
  std::vector<header_view> headers;
  const auto& log = world_.log().at(static_cast<std::size_t>(of));
  for (auto at = from; at < to; ++at)
    decoder_.decode(
      view_of(log.at(static_cast<std::size_t>(at)), of, at, headers), sink);
  auto result = std::make_shared<batch>(std::move(sink.mine));
  result->lane = id_;
  result->source = world_.source(of);
  result->topic = "pme-ledger";
  result->range = {offset{from}, offset{to}};
  result->map_version = world_.version();
  result->shape = world_.pipeline().program->shape();
  result->rewind = feeds_[static_cast<std::size_t>(of)].number;
  result->blocks.resize(world_.pipeline().program->writes().size());
  return result;
}

void lane_hand::send() {
  auto of = static_cast<int>(world_.below(lane_world::partitions));
  auto& x = feeds_[static_cast<std::size_t>(of)];
  if (x.from == end_of(of))
    return;
  auto to = std::min(end_of(of),
                     x.from + 1 + world_.below(options_.batch_records));
  core_->receive(make_batch(of, x.from, to), world_.slot_of(of));
  x.from = to;
}

void lane_hand::take_replies() {
  for (const auto& y : core_->take_replies()) {
    const auto& reply = y.reply;
    auto& x = feeds_[static_cast<std::size_t>(reply.source.number.value)];
    if (reply.what == lane_reply::kind::ack) {
      x.durable = std::max(x.durable, reply.at.value);
    } else if (reply.what == lane_reply::kind::nack) {
      if (reply.number == x.number) {
        x.from = reply.at.value;
        ++x.number.value;
      }
    } else {
      throw std::runtime_error("handed back: " + core_->halt_reason());
    }
  }
}

// -- the writer's part --------------------------------------------------------

bool lane_hand::is_fed() const {
  auto result = core_->queued_batches() == 0;
  for (int i = 0; i < lane_world::partitions; ++i)
    result = result && feeds_[static_cast<std::size_t>(i)].from == end_of(i);
  return result;
}

bool lane_hand::is_durable() const {
  for (int i = 0; i < lane_world::partitions; ++i)
    if (feeds_[static_cast<std::size_t>(i)].durable != end_of(i))
      return false;
  return true;
}

std::string lane_hand::state() const {
  auto result = std::format("lane {}: flushes {}, waiting {}, queued {}, {}",
                            id_.number.value, flushes(),
                            core_->waiting().entries().size(),
                            core_->queued_batches(), core_->halt_reason());
  for (const auto& x : feeds_)
    result += std::format(" [{} {}]", x.durable, x.from);
  return result;
}

void lane_hand::go_on() {
  rests_ = false;
  if (run_)
    advance();
  else if (!step())
    feed_or_retry();
  take_replies();
}

/// The core has nothing to do.
void lane_hand::feed_or_retry() {
  if (core_->should_retry() && (is_fed() || world_.below(10) == 0)) {
    core_->retry_waiting();
  } else if (!is_fed()) {
    // Some at once, so that a flush may have several.
    do
      send();
    while (world_.below(4) != 0);
  } else if (!is_durable()) {
    send_again();
  } else {
    rests_ = true;
  }
}

bool lane_hand::step() {
  lane_store store{*conn_, row_lock_timeout};
  auto what = core_->next_step();
  if (core_->halted() != lane_halt::none)
    throw std::runtime_error("halted: " + core_->halt_reason());
  switch (what) {
    case lane_step::none:
      return false;
    case lane_step::take_over:
      core_->took_over(must(store.takeover({id_, uuid::random(), "test"})));
      break;
    case lane_step::load:
      core_->loaded(must(store.load({id_, false})));
      break;
    case lane_step::resolve:
      core_->loaded(must(store.load({id_, true})));
      break;
    case lane_step::flush: {
      auto request = core_->flight();
      request.plan = world_.pipeline().plans.at("demo");
      run_ = std::make_unique<flush_run>(*conn_, std::move(request),
                                         flush_timeout);
      break;
    }
    case lane_step::fetch:
      fetch();
      break;
    case lane_step::read_waiting:
      read_waiting();
      break;
  }
  return true;
}

void lane_hand::advance() {
  if (run_->advance(1ms) == flush_progress::pending)
    return;
  auto result = run_->result();
  judge_missing_parents(*conn_, result, run_->work());
  run_.reset();
  switch (result.verdict) {
    case flush_verdict::committed:
      ++account_.flushes;
      core_->committed();
      break;
    case flush_verdict::refused:
      core_->refused();
      break;
    case flush_verdict::failed:
      on_failed(result);
      break;
    default:
      throw std::runtime_error("connection lost: " + result.message);
  }
}

void lane_hand::on_failed(const flush_result& result) {
  switch (result.action) {
    case failure_action::bisect:
      core_->data_refused({result.sqlstate, result.message, result.reason});
      break;
    case failure_action::missing:
      core_->rows_missing(result.missing, result.reason,
                          result.sqlstate == "23503" ? result.sqlstate : "");
      break;
    default:
      // Not even a deadlock: all who write these tables lock in one order.
      throw std::runtime_error(result.sqlstate + ": " + result.message);
  }
}

void lane_hand::fetch() {
  auto wanted = core_->wanted();
  const auto& x = world_.log()
                    .at(static_cast<std::size_t>(wanted.source.number.value))
                    .at(static_cast<std::size_t>(wanted.at.value));
  record_copy result;
  result.found = true;
  result.has_key = x.key.has_value();
  result.has_value = x.value.has_value();
  result.key = x.key.value_or("");
  result.value = x.value.value_or("");
  for (const auto& [name, value] : x.headers)
    append_header(result.headers, {name, value});
  result.timestamp_ms = x.timestamp_ms.value_or(-1);
  core_->fetched(result);
}

void lane_hand::read_waiting() {
  lane_store store{*conn_, row_lock_timeout};
  auto found = must(store.waiting(
    {id_, core_->wanted_waiting(), 128, 1 << 20, keep_waiting_ms}));
  std::vector<retried_event> events;
  for (auto& x : found.events) {
    auto data = mapper_(x, *core_->row());
    events.push_back({std::move(x), std::move(data)});
  }
  core_->waiting_read(std::move(events));
}

} // namespace millrace::test
