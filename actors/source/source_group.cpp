// The part of a SOURCE that knows of a consumer group: which of the partitions
// that can be read are this node's to read. Being wrong about it for a while
// costs time and nothing else (rule 10).

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/source/source.hpp"

#include <caf/send.hpp>

namespace millrace {

std::string source_state::group_id() const {
  return config_.group.empty() ? "millrace-" + config_.reading : config_.group;
}

/// The topics have rows, so that whatever the group gives can be read.
void source_state::join_group(const topic_survey& found) {
  std::vector<std::string> names;
  for (const auto& x : found.topics)
    names.push_back(x.name);
  if (!config_.group.empty() && names != subscribed_)
    subscribe(std::move(names));
}

void source_state::subscribe(std::vector<std::string> names) {
  if (names.empty())
    return;
  if (!group_) {
    kafka_group_config settings;
    auto as_consumer = client_settings(config_.queue_bytes);
    settings.properties = config_.properties;
    settings.group = group_id();
    settings.instance = config_.instance;
    settings.on_log = as_consumer.on_log;
    settings.on_wakeup = as_consumer.on_wakeup;
    auto group = kafka_group::open(std::move(settings));
    if (!group) {
      refuse(group.error());
      return;
    }
    group_ = std::move(*group);
  }
  if (auto done = group_->subscribe(names); !done) {
    refuse(done.error());
    return;
  }
  subscribed_ = std::move(names);
}

void source_state::serve_group() {
  if (!group_)
    return;
  auto change = group_->poll();
  for (const auto& fault : change.errors) {
    log::warn("source-problem",
              {{"pipeline", config_.pipeline}, {"reason", fault.message}});
    if (fault.action == kafka_action::quit) {
      self_->quit(to_source_error(fault));
      return;
    }
  }
  std::vector<consumer_set::key> lost;
  for (const auto& x : change.lost)
    if (held_.contains({x.topic, x.number.value}))
      lost.emplace_back(x.topic, x.number.value);
  lose(lost);
  for (const auto& x : change.gained) {
    consumer_set::key key{x.topic, x.number.value};
    held_.insert(key);
    if (auto i = readable_.find(key); i != readable_.end())
      add_consumer(i->second.which, i->second.gaps);
  }
  if (!lost.empty() || !change.gained.empty())
    log::info("group-changed", {{"group", config_.group},
                                {"gained", change.gained.size()},
                                {"lost", lost.size()},
                                {"held", held_.size()}});
  if (change.shares)
    on_shares(*change.shares);
}

void source_state::lose(const std::vector<consumer_set::key>& which) {
  take_away(which);
  for (const auto& x : which) {
    held_.erase(x);
    self_->send(parent_, remove_child_atom_v, child_name(x));
  }
}

/// A partition can be read; without a group that is for us to do.
void source_state::hand_out(const booted_partition& which, gap_policy gaps) {
  if (config_.group.empty()) {
    add_consumer(which, gaps);
    return;
  }
  consumer_set::key key{which.topic, which.source.number.value};
  readable_[key] = {which, gaps};
  if (held_.contains(key))
    add_consumer(which, gaps);
}

void source_state::watch_shares() {
  self_->run_delayed(config_.shares_interval, [this] { watch_shares(); });
  if (group_)
    group_->ask_shares();
}

void source_state::on_shares(const kafka_group_shares& told) {
  std::vector<kafka_partition> all;
  for (const auto& [key, x] : readable_)
    all.push_back({x.which.topic, x.which.source.number});
  auto nobodys = shares_.look(told, all, config_.instance);
  if (nobodys.empty())
    return;
  log::warn("group-shares-out-again",
            {{"group", group_id()},
             {"nobodys", nobodys.size()},
             {"first", child_name({nobodys.front().topic,
                                   nobodys.front().number.value})}});
  if (auto done = group_->share_out_again(); !done)
    log::warn("source-problem", {{"pipeline", config_.pipeline},
                                 {"reason", done.error().message}});
}

void source_state::hint(const position_hint& x) {
  kafka_assignment hint{{x.topic, x.number}, x.position};
  if (group_ && held_.contains({x.topic, x.number.value}))
    group_->commit_hint({&hint, 1});
  else if (!group_ && consumer_)
    consumer_->commit_hint({&hint, 1});
}

} // namespace millrace
