#include "actors/source/source.hpp"

#include "actors/cluster/log.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Serves librdkafka's callbacks at least this often.
constexpr std::chrono::milliseconds poll_interval{100};

/// Questions about logs that come within this time are asked as one.
constexpr std::chrono::milliseconds question_window{2};

caf::error not_connected() {
  return caf::make_error(source_errc::retry, "not connected yet");
}

} // namespace

caf::error to_source_error(const kafka_error& x) {
  auto code = source_errc::retry;
  if (x.action == kafka_action::halt)
    code = source_errc::halt;
  else if (x.action == kafka_action::quit)
    code = source_errc::quit;
  return caf::make_error(code, x.message);
}

std::string source_state::child_name(const consumer_set::key& x) {
  return x.first + '/' + std::to_string(x.second);
}

source_state::source_state(source_actor::pointer self, source_config config,
                           pool_actor pool, supervisor_actor parent)
  : self_{self},
    config_{std::move(config)},
    pool_{std::move(pool)},
    parent_{std::move(parent)},
    delays_{config_.delays},
    chance_{std::random_device{}()},
    selector_{config_.topics},
    absent_{config_.absence_patience} {
  if (config_.reading.empty())
    config_.reading = config_.pipeline;
}

source_state::~source_state() {
  if (catch_up_)
    catch_up_->close();
  if (consumer_)
    consumer_->close();
}

source_actor::behavior_type source_state::make_behavior() {
  self_->monitor(pool_);
  self_->set_down_handler([this](caf::down_msg&) {
    self_->quit(caf::make_error(caf::sec::runtime_error, "POOL is gone"));
  });
  self_->send(self_, start_atom_v);
  if (!config_.group.empty())
    watch_shares();
  return {
    [this](const log_request& x) { return log(x); },
    [this](const assign_request& x) { return assign(x); },
    [this](const verify_request& x) { return verify(x); },
    [this](const fetch_request& x) { return fetch(x); },
    [this](const position_hint& x) { hint(x); },
    [this](const lanes_changed& x) {
      consumers_.forget(x.source);
      look_later(config_.delays.initial);
    },
    [this](poll_atom) { poll(); },
    [this](start_atom) { look(); },
    [this](inspect_atom) {
      auto report = vitals_.report(
        self_, {{"partitions", static_cast<int64_t>(
                                 group_ ? held_.size() : consumers_.size())},
                {"verified", verified_}});
      report.name = "source";
      return report;
    },
  };
}

// -- questions ----------------------------------------------------------------

caf::result<offset_range> source_state::log(const log_request& x) {
  if (!client_)
    return not_connected();
  auto result = self_->make_response_promise<offset_range>();
  questions_.push_back({x, result});
  if (questions_.size() == 1)
    self_->run_delayed(question_window, [this] { answer_logs(); });
  return result;
}

void source_state::answer_logs() {
  auto asked = std::exchange(questions_, {});
  auto fail = [](log_question& x, const caf::error& why) {
    x.answer.deliver(why);
  };
  if (!client_) {
    for (auto& x : asked)
      fail(x, not_connected());
    return;
  }
  std::vector<std::string> names;
  for (const auto& x : asked)
    names.push_back(x.what.topic);
  std::ranges::sort(names);
  auto rest = std::ranges::unique(names);
  names.erase(rest.begin(), rest.end());
  auto topics = client_->describe_topics(names, config_.kafka_timeout);
  std::vector<kafka_partition> logs;
  std::vector<log_question> sound;
  for (auto& x : asked) {
    auto at = std::ranges::lower_bound(names, x.what.topic) - names.begin();
    auto why = topics ? doubt(x.what, (*topics)[static_cast<std::size_t>(at)])
                      : std::optional{to_source_error(topics.error())};
    if (why) {
      fail(x, *why);
      continue;
    }
    logs.push_back({x.what.topic, x.what.source.number});
    sound.push_back(std::move(x));
  }
  if (made_again_) {
    for (auto& x : sound)
      fail(x, not_connected());
    renew_clients();
    return;
  }
  auto marks = client_->watermarks(logs, config_.kafka_timeout);
  for (std::size_t i = 0; i < sound.size(); ++i)
    if (!marks)
      fail(sound[i], to_source_error(marks.error()));
    else if (const auto& log = (*marks)[i]; !log)
      fail(sound[i], to_source_error(log.error()));
    else
      sound[i].answer.deliver(offset_range{log->low, log->high});
}

/// Rule 3: why the consumer may not read what it asks about.
std::optional<caf::error>
source_state::doubt(const log_request& x,
                    const std::expected<kafka_topic_info, kafka_error>& now) {
  if (!now && now.error().code == kafka_errc::topic_missing) {
    if (absent_.missed(x.topic, absence::clock::now()))
      return caf::make_error(
        source_errc::halt, "topic '" + x.topic + "' is gone from the cluster");
    return caf::make_error(source_errc::retry, now.error().message);
  }
  if (!now)
    return to_source_error(now.error());
  absent_.seen(x.topic);
  if (now->id)
    see_id(x.topic, *now->id);
  if (now->id == x.source.topic)
    return std::nullopt;
  return caf::make_error(
    source_errc::halt,
    "topic recreated: '" + x.topic + "' was " + to_string(x.source.topic)
      + " and is now " + (now->id ? to_string(*now->id) : "without an id")
      + ", so its offsets mean other records; to read the new topic, run "
        "`millrace lanes adopt-topic "
      + config_.pipeline + ' ' + x.topic + " --reason …`");
}

caf::result<partition_queue_ptr> source_state::assign(const assign_request& x) {
  if (!consumer_)
    return not_connected();
  if (x.catch_up && !catch_up_)
    catch_up_.emplace(client_settings(config_.catch_up_queue_bytes),
                      config_.catch_up_idle);
  kafka_assignment wanted{{x.topic, x.number}, x.start};
  auto queue = x.catch_up
                 ? catch_up_->assign(wanted, std::chrono::steady_clock::now())
                 : consumer_->assign(wanted);
  if (!queue)
    return to_source_error(queue.error());
  return std::move(*queue);
}

caf::result<std::vector<offset>> source_state::verify(const verify_request& x) {
  if (!reader_) {
    auto reader = kafka_reader::open(config_.properties);
    if (!reader)
      return to_source_error(reader.error());
    reader_ = std::move(*reader);
  }
  auto seen = reader_->read_offsets({x.topic, x.number}, x.range.from,
                                    x.range.to, config_.kafka_timeout);
  if (!seen)
    return to_source_error(seen.error());
  ++verified_;
  std::vector<offset> result;
  result.reserve(seen->size());
  for (auto at : *seen)
    result.push_back(offset{at});
  return result;
}

void source_state::see_id(const std::string& topic, const uuid& id) {
  auto [known, is_new] = ids_.try_emplace(topic, id);
  made_again_ = made_again_ || (!is_new && known->second != id);
}

/// A client whose topic was made again may take the node along (librdkafka's
/// #4778). Queues go stale; who reads asks for others, and what became of its
/// topic.
void source_state::renew_clients() {
  log::warn("source-renews-clients", {{"pipeline", config_.reading},
                                      {"reason", "a topic was made again"}});
  ids_.clear();
  made_again_ = false;
  if (catch_up_)
    catch_up_->close();
  reader_.reset();
  consumer_.reset();
  client_.reset();
  if (std::exchange(group_, std::nullopt)) {
    lose({held_.begin(), held_.end()});
    subscribe(std::exchange(subscribed_, {}));
  }
  look_later(std::chrono::milliseconds{0});
}

void source_state::keep_polling() {
  self_->run_delayed(poll_interval, [this] {
    keep_polling();
    poll();
  });
}

void source_state::poll() {
  if (!consumer_)
    return;
  serve_group();
  for (const auto& fault : consumer_->poll()) {
    if (fault.action == kafka_action::quit) {
      log::error("source-failed",
                 {{"pipeline", config_.reading}, {"reason", fault.message}});
      self_->quit(to_source_error(fault));
      return;
    }
    // A topic that is gone may come back as another one, and at offsets that
    // are being read.
    if (fault.code == kafka_errc::topic_missing)
      take_away(consumers_.keys());
    log::warn("source-problem",
              {{"pipeline", config_.reading}, {"reason", fault.message}});
  }
  if (consumer_->spoilt() || (group_ && group_->spoilt())) {
    renew_clients();
    return;
  }
  if (catch_up_)
    for (const auto& fault : catch_up_->poll(std::chrono::steady_clock::now()))
      log::warn("source-problem",
                {{"pipeline", config_.reading}, {"reason", fault.message}});
}

caf::actor spawn_source(caf::local_actor* parent, source_config config,
                        pool_actor pool, supervisor_actor owner) {
  return caf::actor_cast<caf::actor>(parent->spawn<source, caf::detached>(
    std::move(config), std::move(pool), std::move(owner)));
}

} // namespace millrace
