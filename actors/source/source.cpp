#include "actors/source/source.hpp"

#include "actors/cluster/directory.hpp"
#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <memory>
#include <stdexcept>
#include <utility>

namespace millrace {

namespace {

/// Serves librdkafka's callbacks at least this often.
constexpr std::chrono::milliseconds poll_interval{100};

caf::error to_error(const kafka_error& x) {
  auto code = source_errc::retry;
  if (x.action == kafka_action::halt)
    code = source_errc::halt;
  else if (x.action == kafka_action::quit)
    code = source_errc::quit;
  return caf::make_error(code, x.message);
}

void pass_on(const kafka_log_line& x) {
  if (x.severity <= 3)
    log::error("kafka", {{"facility", x.facility}, {"text", x.text}});
  else if (x.severity <= 4)
    log::warn("kafka", {{"facility", x.facility}, {"text", x.text}});
  else
    log::debug("kafka", {{"facility", x.facility}, {"text", x.text}});
}

std::string child_name(const std::string& topic, partition number) {
  return topic + '/' + std::to_string(number.value);
}

} // namespace

source_state::source_state(source_actor::pointer self, source_config config,
                           pool_actor pool, supervisor_actor parent)
  : self_{self},
    config_{std::move(config)},
    pool_{std::move(pool)},
    parent_{std::move(parent)},
    delays_{config_.delays},
    chance_{std::random_device{}()} {
}

source_state::~source_state() {
  if (consumer_)
    consumer_->close();
}

source_actor::behavior_type source_state::make_behavior() {
  self_->monitor(pool_);
  self_->set_down_handler([this](caf::down_msg&) {
    self_->quit(caf::make_error(caf::sec::runtime_error, "POOL is gone"));
  });
  self_->send(self_, start_atom_v);
  return {
    [this](const log_request& x) { return log(x); },
    [this](const assign_request& x) { return assign(x); },
    [this](const verify_request& x) { return verify(x); },
    [this](const fetch_request& x) { return fetch(x); },
    [this](const position_hint& x) {
      if (consumer_) {
        kafka_assignment hint{{x.topic, x.number}, x.position};
        consumer_->commit_hint({&hint, 1});
      }
    },
    [this](poll_atom) { poll(); },
    [this](start_atom) { start(); },
    [this](inspect_atom) {
      auto report = vitals_.report(self_, {{"partitions", partitions_},
                                           {"verified", verified_}});
      report.name = "source";
      return report;
    },
  };
}

// -- start --------------------------------------------------------------------

void source_state::start() {
  auto request = survey();
  if (!request) {
    if (request.error().action == kafka_action::quit) {
      log::error("source-refused", {{"pipeline", config_.pipeline},
                                    {"reason", request.error().message}});
      self_->quit(to_error(request.error()));
      return;
    }
    try_later(request.error().message);
    return;
  }
  self_->request(pool_, config_.store_timeout, *request)
    .then([this, asked = *request](
            const boot_result& result) { on_booted(asked, result); },
          [this](const caf::error& reason) { try_later(reason_text(reason)); });
}

std::expected<boot_request, kafka_error> source_state::survey() {
  if (!client_) {
    auto client = kafka_client::open(config_.properties);
    if (!client)
      return std::unexpected{client.error()};
    client_ = std::move(*client);
  }
  if (!consumer_) {
    auto weak = self_->address();
    kafka_consumer_config config;
    config.properties = config_.properties;
    config.group = "millrace-" + config_.pipeline;
    config.queue_bytes = config_.queue_bytes;
    config.on_log = pass_on;
    config.on_wakeup = [weak] {
      if (auto strong = caf::actor_cast<caf::actor>(weak))
        caf::anon_send(strong, poll_atom_v);
    };
    auto consumer = kafka_consumer::open(std::move(config));
    if (!consumer)
      return std::unexpected{consumer.error()};
    consumer_ = std::move(*consumer);
    keep_polling();
  }
  boot_request result;
  result.pipeline = config_.pipeline;
  result.map_fingerprint = config_.program->map_fingerprint();
  result.lanes = config_.lanes;
  result.tenants = config_.tenants;
  for (const auto& topic_name : config_.topics) {
    auto info = client_->describe_topic(topic_name, config_.kafka_timeout);
    if (!info)
      return std::unexpected{info.error()};
    if (!info->id)
      return std::unexpected{kafka_error{
        kafka_errc::other, kafka_action::quit, 0,
        "topic '" + topic_name
          + "' has no id: Kafka 2.8 or later is needed, because without ids "
            "a recreated topic cannot be told from the old one"}};
    boot_topic topic{*info->id, topic_name, {}};
    for (int32_t i = 0; i < info->partitions; ++i) {
      auto log = client_->watermarks({topic_name, partition{i}},
                                     config_.kafka_timeout);
      if (!log)
        return std::unexpected{log.error()};
      topic.partitions.push_back(
        {partition{i}, config_.start_at_end ? log->high : log->low});
    }
    result.topics.push_back(std::move(topic));
  }
  return result;
}

void source_state::try_later(const std::string& why) {
  auto delay = delays_.next(std::chrono::seconds{0}, chance_);
  vitals_.become("waiting", why);
  log::warn("source-waiting", {{"pipeline", config_.pipeline},
                               {"reason", why},
                               {"retry_ms", delay.count()}});
  self_->delayed_send(self_, delay, start_atom_v);
}

void source_state::on_booted(const boot_request& asked,
                             const boot_result& result) {
  delays_.reset();
  vitals_.become("running");
  partitions_ = 0;
  for (const auto& which : result.partitions)
    for (const auto& topic : asked.topics)
      if (topic.id == which.source.topic
          && static_cast<std::size_t>(which.source.number.value)
               < topic.partitions.size()) {
        add_consumer(which, result);
        ++partitions_;
      }
  log::info("source-started", {{"pipeline", config_.pipeline},
                               {"partitions", partitions_},
                               {"lanes", result.lanes.size()}});
}

void source_state::add_consumer(const booted_partition& which,
                                const boot_result& all) {
  auto config = config_.consumer;
  auto& feed = config.feed;
  feed.pipeline = config_.pipeline;
  feed.topic = which.topic;
  feed.source = which.source;
  feed.lanes = config_.lanes;
  feed.map_version = all.map_version;
  feed.shape = config_.program->shape();
  feed.lane_ids.clear();
  for (const auto& lane : all.lanes)
    feed.lane_ids.push_back(lane.lane);
  config.program = config_.program;
  child_spec spec;
  spec.name = child_name(which.topic, which.source.number);
  spec.restart = restart_kind::transient;
  spec.factory = [config, pool = pool_,
                  weak = self_->address()](caf::local_actor* parent) {
    auto owner = caf::actor_cast<source_actor>(weak);
    if (!owner)
      throw std::runtime_error{"SOURCE is gone"};
    return spawn_partition_consumer(
      parent, config, {pool, owner, find_router(parent->system())});
  };
  // Consumers of an earlier SOURCE have ended or are about to.
  auto ptr = std::make_shared<const child_spec>(std::move(spec));
  self_->request(parent_, config_.store_timeout, remove_child_atom_v, ptr->name)
    .then([this, ptr] { self_->send(parent_, add_child_atom_v, ptr); },
          [this, ptr](const caf::error&) {
            self_->send(parent_, add_child_atom_v, ptr);
          });
}

// -- questions ----------------------------------------------------------------

caf::result<offset_range> source_state::log(const log_request& x) {
  if (!client_)
    return caf::make_error(source_errc::retry, "not connected yet");
  auto info = client_->describe_topic(x.topic, config_.kafka_timeout);
  if (!info)
    return to_error(info.error());
  if (info->id != x.source.topic)
    return caf::make_error(
      source_errc::halt, "topic '" + x.topic
                           + "' is not the one that was read before: it was "
                           + to_string(x.source.topic) + " and is now "
                           + (info->id ? to_string(*info->id) : "without an id")
                           + "; its offsets mean other records");
  auto log = client_->watermarks({x.topic, x.source.number},
                                 config_.kafka_timeout);
  if (!log)
    return to_error(log.error());
  return offset_range{log->low, log->high};
}

caf::result<partition_queue_ptr> source_state::assign(const assign_request& x) {
  if (!consumer_)
    return caf::make_error(source_errc::retry, "not connected yet");
  auto queue = consumer_->assign({{x.topic, x.number}, x.start});
  if (!queue)
    return to_error(queue.error());
  return std::move(*queue);
}

caf::result<std::vector<offset>> source_state::verify(const verify_request& x) {
  if (!reader_) {
    auto reader = kafka_reader::open(config_.properties);
    if (!reader)
      return to_error(reader.error());
    reader_ = std::move(*reader);
  }
  auto seen = reader_->read_offsets({x.topic, x.number}, x.range.from,
                                    x.range.to, config_.kafka_timeout);
  if (!seen)
    return to_error(seen.error());
  ++verified_;
  std::vector<offset> result;
  result.reserve(seen->size());
  for (auto at : *seen)
    result.push_back(offset{at});
  return result;
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
  for (const auto& fault : consumer_->poll()) {
    if (fault.action == kafka_action::quit) {
      log::error("source-failed",
                 {{"pipeline", config_.pipeline}, {"reason", fault.message}});
      self_->quit(to_error(fault));
      return;
    }
    log::warn("source-problem",
              {{"pipeline", config_.pipeline}, {"reason", fault.message}});
  }
}

caf::actor spawn_source(caf::local_actor* parent, source_config config,
                        pool_actor pool, supervisor_actor owner) {
  return caf::actor_cast<caf::actor>(parent->spawn<source, caf::detached>(
    std::move(config), std::move(pool), std::move(owner)));
}

} // namespace millrace
