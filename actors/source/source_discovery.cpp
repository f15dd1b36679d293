// The first half of a SOURCE: what it finds in the cluster, and what it starts
// for that. The second half, source.cpp, answers questions.

#include "actors/cluster/directory.hpp"
#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/source/source.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

namespace millrace {

namespace {

void pass_on(const kafka_log_line& x) {
  if (x.severity <= 3)
    log::error("kafka", {{"facility", x.facility}, {"text", x.text}});
  else if (x.severity <= 4)
    log::warn("kafka", {{"facility", x.facility}, {"text", x.text}});
  else
    log::debug("kafka", {{"facility", x.facility}, {"text", x.text}});
}

std::string joined(const std::vector<std::string>& names) {
  std::string result;
  for (const auto& x : names)
    result += (result.empty() ? "'" : ", '") + x + '\'';
  return result;
}

kafka_error without_id(const std::string& topic) {
  return {kafka_errc::other, kafka_action::quit, 0,
          "topic '" + topic
            + "' has no id: Kafka 2.8 or later is needed, because without ids "
              "a recreated topic cannot be told from the old one; "
              "kafka.allow_unidentified_topics reads it all the same"};
}

} // namespace

// -- when ---------------------------------------------------------------------

void source_state::look() {
  if (booting_) {
    look_again_ = true;
    return;
  }
  ++looks_;
  if (auto opened = open_client(); !opened) {
    refuse(opened.error());
    return;
  }
  auto found = survey();
  if (found)
    if (auto opened = open_consumer(partitions_here(*found)); !opened) {
      refuse(opened.error());
      return;
    }
  // Before anything else is asked: not a record more of another topic.
  if (found)
    take_away(consumers_.strangers(*found));
  if (found)
    for (const auto& x : found->topics)
      see_id(x.name, x.id);
  if (made_again_) {
    renew_clients();
    return;
  }
  if (found && booted_ && !consumers_.lacks(*found)) {
    settle(*found);
    return;
  }
  auto request = found.and_then([this](const auto& x) { return prepare(x); });
  if (!request) {
    const auto& why = request.error();
    if (why.action == kafka_action::quit && !booted_)
      refuse(why);
    else
      try_later(why.message);
    return;
  }
  booting_ = true;
  self_->request(pool_, config_.store_timeout, *request)
    .then(
      [this, found = *found, asked = *request](const boot_result& result) {
        booting_ = false;
        on_booted(found, asked, result);
      },
      [this](const caf::error& reason) {
        booting_ = false;
        on_boot_failed(reason);
      });
}

void source_state::on_boot_failed(const caf::error& reason) {
  if (reason == store_errc::no_start) {
    starts_wanted_ = true;
    look();
    return;
  }
  if (reason == store_errc::other_map)
    on_other_map(reason_text(reason));
  try_later(reason_text(reason));
}

void source_state::refuse(const kafka_error& why) {
  log::error("source-refused",
             {{"pipeline", config_.reading}, {"reason", why.message}});
  self_->quit(to_source_error(why));
}

void source_state::look_later(std::chrono::milliseconds delay) {
  self_->run_delayed(delay, [this, n = ++looks_] {
    if (n == looks_)
      look();
  });
}

void source_state::try_later(const std::string& why) {
  auto delay = delays_.next(std::chrono::seconds{0}, chance_);
  // What runs already goes on.
  vitals_.become(consumers_.size() > 0 ? "running" : "waiting", why);
  log::warn("source-waiting", {{"pipeline", config_.reading},
                               {"reason", why},
                               {"retry_ms", delay.count()}});
  look_again_ = false;
  look_later(delay);
}

/// Rule 25: all that is read here is read for lanes that are no more.
void source_state::on_other_map(const std::string& why) {
  for (const auto& [topic, number] : consumers_.keys())
    self_->send(parent_, remove_child_atom_v, child_name({topic, number}));
  consumers_.forget_all();
  if (config_.on_other_map)
    config_.on_other_map(config_.reading, why);
}

void source_state::settle(const topic_survey& found) {
  if (std::exchange(look_again_, false)) {
    look_later(config_.delays.initial);
    return;
  }
  auto next = config_.metadata_interval;
  std::string lacking;
  if (!found.missing.empty())
    lacking = "not in the cluster: " + joined(found.missing);
  else if (consumers_.size() == 0)
    lacking = "no topic matches";
  if (lacking.empty())
    delays_.reset();
  else
    next = std::min(next, std::chrono::milliseconds{
                            delays_.next(std::chrono::seconds{0}, chance_)});
  if (lacking != lacking_ && !lacking.empty())
    log::warn("source-lacks-topics",
              {{"pipeline", config_.reading}, {"reason", lacking}});
  lacking_ = lacking;
  vitals_.become(consumers_.size() > 0 ? "running" : "waiting", lacking);
  look_later(next);
}

// -- what ---------------------------------------------------------------------

kafka_consumer_config
source_state::client_settings(std::size_t queue_bytes) const {
  kafka_consumer_config result;
  result.properties = config_.properties;
  result.group = group_id();
  result.queue_bytes = queue_bytes;
  result.on_log = pass_on;
  result.on_wakeup = [weak = self_->address()] {
    if (auto strong = caf::actor_cast<caf::actor>(weak))
      caf::anon_send(strong, poll_atom_v);
  };
  return result;
}

std::expected<void, kafka_error> source_state::open_client() {
  if (client_)
    return {};
  auto client = kafka_client::open(config_.properties,
                                   config_.allow_unidentified);
  if (!client)
    return std::unexpected{client.error()};
  client_ = std::move(*client);
  return {};
}

std::size_t source_state::partitions_here(const topic_survey& found) const {
  std::size_t result = 0;
  for (const auto& x : found.topics)
    for (int32_t n = 0; n < x.partitions; ++n)
      if (!config_.reads || config_.reads(x.name, partition{n}))
        ++result;
  return result;
}

/// Only when there is something to read: then it is known how many partitions
/// share its memory.
std::expected<void, kafka_error>
source_state::open_consumer(std::size_t partitions) {
  if (consumer_ || partitions == 0)
    return {};
  auto share = queue_share(config_.queue_total_bytes, partitions,
                           config_.queue_bytes);
  auto consumer = kafka_consumer::open(client_settings(share));
  if (!consumer)
    return std::unexpected{consumer.error()};
  consumer_ = std::move(*consumer);
  if (!std::exchange(polling_, true))
    keep_polling();
  return {};
}

std::expected<topic_survey, kafka_error> source_state::survey() {
  auto names = selector_.names();
  if (selector_.has_patterns()) {
    auto all = client_->topics(config_.kafka_timeout);
    if (!all)
      return std::unexpected{all.error()};
    names = selector_.select(*all);
  }
  auto described = client_->describe_topics(names, config_.kafka_timeout);
  if (!described)
    return std::unexpected{described.error()};
  topic_survey result;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& x = (*described)[i];
    if (x && !x->id)
      return std::unexpected{without_id(names[i])};
    if (x)
      result.topics.push_back({names[i], *x->id, x->partitions});
    else if (x.error().code != kafka_errc::topic_missing)
      return std::unexpected{x.error()};
    else if (std::ranges::contains(selector_.names(), names[i]))
      result.missing.push_back(names[i]);
  }
  return result;
}

void source_state::on_booted(const topic_survey& found,
                             const boot_request& asked,
                             const boot_result& result) {
  std::vector<lane_id> lanes;
  for (const auto& x : result.lanes)
    lanes.push_back(x.lane);
  if (lanes != lanes_ || result.map_version != map_version_)
    consumers_.forget_all();
  lanes_ = std::move(lanes);
  map_version_ = result.map_version;
  auto change
    = consumers_.follow(consumer_set::wanted(selector_, found, result));
  for (const auto& x : change.remove) {
    readable_.erase(x);
    self_->send(parent_, remove_child_atom_v, child_name(x));
  }
  for (const auto& x : change.add) {
    // Known here, so that nobody waits for it, but read by another node.
    if (config_.reads && !config_.reads(x.topic, x.source.number))
      continue;
    auto i = std::ranges::find(asked.topics, x.source.topic, &boot_topic::id);
    auto expected_holes = i != asked.topics.end()
                          && i->gaps == to_string(gap_policy::allow);
    hand_out(x, expected_holes ? gap_policy::allow : config_.gaps);
  }
  if (!booted_ || !change.add.empty() || !change.remove.empty())
    log::info(booted_ ? "source-extended" : "source-started",
              {{"pipeline", config_.reading},
               {"partitions", consumers_.size()},
               {"added", change.add.size()},
               {"lanes", lanes_.size()}});
  for (const auto& x : result.lacking)
    for (const auto& part : judge_gap(x, asked))
      log::warn("backfill-lacks-records",
                {{"pipeline", config_.reading},
                 {"topic", x.topic},
                 {"partition", x.number.value},
                 {"from", part.range.from.value},
                 {"to", part.range.to.value},
                 {"reason", part.chosen
                              ? "they lie before its start"
                              : "Kafka does not have them any more"}});
  booted_ = true;
  join_group(found);
  tell_recreated(found, result);
  settle(found);
}

/// The consumers start again from durable truth and ask what became of their
/// topics.
void source_state::take_away(const std::vector<consumer_set::key>& which) {
  std::vector<kafka_partition> names;
  for (const auto& [topic, number] : which)
    names.push_back({topic, partition{number}});
  if (consumer_)
    consumer_->unassign(names);
  if (catch_up_)
    catch_up_->take_away(names);
}

void source_state::tell_recreated(const topic_survey& found,
                                  const boot_result& result) {
  std::vector<std::string> names;
  for (const auto& x : found.topics)
    if (x.partitions > 0
        && !std::ranges::contains(result.partitions, x.id,
                                  [](const auto& p) { return p.source.topic; }))
      names.push_back(x.name);
  if (names != recreated_ && !names.empty())
    log::error("topic-recreated",
               {{"pipeline", config_.reading},
                {"topics", joined(names)},
                {"mend", "millrace lanes adopt-topic " + config_.pipeline
                           + " TOPIC --reason …"}});
  recreated_ = std::move(names);
}

// -- consumers ----------------------------------------------------------------

void source_state::add_consumer(const booted_partition& which,
                                gap_policy gaps) {
  auto config = config_.consumer;
  auto& feed = config.feed;
  feed.pipeline = config_.pipeline;
  feed.reading = config_.reading;
  feed.credit = config_.credit;
  feed.share = config_.share;
  if (feed.share)
    for (auto& tenant : feed.share->elsewhere)
      for (const auto& x : config_.share_starts)
        if (x.tenant == tenant.name && x.source == which.source)
          tenant.from = x.from.value;
  feed.topic = which.topic;
  feed.source = which.source;
  feed.lanes = config_.lanes;
  feed.map_version = map_version_;
  feed.shape = config_.program->shape();
  for (const auto& [tenant, program] : config_.program->others())
    feed.other_shapes[tenant] = program->shape();
  feed.lane_ids = lanes_;
  config.program = config_.program;
  config.reading.gaps = gaps;
  child_spec spec;
  spec.name = child_name({which.topic, which.source.number.value});
  spec.restart = restart_kind::transient;
  spec.factory = [config, pool = pool_,
                  weak = self_->address()](caf::local_actor* parent) {
    auto owner = caf::actor_cast<source_actor>(weak);
    if (!owner)
      throw std::runtime_error{"SOURCE is gone"};
    return spawn_partition_consumer(
      parent, config, {pool, owner, find_router(parent->system())});
  };
  // Consumers of an earlier SOURCE, or of another topic of the name, have
  // ended or are about to.
  auto ptr = std::make_shared<const child_spec>(std::move(spec));
  self_->request(parent_, config_.store_timeout, remove_child_atom_v, ptr->name)
    .then([this, ptr] { self_->send(parent_, add_child_atom_v, ptr); },
          [this, ptr](const caf::error&) {
            self_->send(parent_, add_child_atom_v, ptr);
          });
}

} // namespace millrace
