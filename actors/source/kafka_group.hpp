#pragma once

#include "actors/source/kafka_consumer.hpp"

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace {

/// Set-up of a kafka_group.
struct kafka_group_config {
  /// What the user wrote. Must not contain a property of membership
  /// (`group.id`, `group.instance.id`, `group.protocol`,
  /// `partition.assignment.strategy`).
  kafka_properties properties;

  std::string group;

  /// Static membership: whoever comes back under this name within the
  /// session's timeout gets what it had, and nobody else notices. Empty: each
  /// start is a new member, which leaves when it ends.
  std::string instance;

  /// Called with librdkafka's log lines, from any of its threads.
  std::function<void(const kafka_log_line&)> on_log;

  /// Called from any thread when `poll` has something to do; must only signal.
  std::function<void()> on_wakeup;
};

/// A member of a consumer group, which shares partitions out (cooperative
/// sticky). It reads nothing: its partitions are paused, and what it says is
/// only who should read them by `kafka_consumer`. To act on it late, twice or
/// not at all costs time and never an effect.
///
/// Owned by one thread, which calls `poll` after each wake-up and every few
/// hundred milliseconds besides.
class kafka_group {
public:
  static std::expected<kafka_group, kafka_error> open(kafka_group_config x);

  kafka_group(kafka_group&&) noexcept;

  kafka_group& operator=(kafka_group&&) noexcept;

  /// Ends without waiting. A member without an instance leaves the group; one
  /// with an instance is missed when its session times out.
  ~kafka_group();

  /// Which topics to share, by name; replaces the former ones.
  std::expected<void, kafka_error>
  subscribe(std::span<const std::string> names);

  /// What has changed since the last call: first `lost`, then `gained`.
  struct change {
    std::vector<kafka_partition> lost;
    std::vector<kafka_partition> gained;
    std::vector<kafka_error> errors;

    /// The answer to `ask_shares`, if it has come.
    std::optional<kafka_group_shares> shares;
  };

  change poll();

  /// Asks who has what in the group; `poll` tells. Does nothing while an answer
  /// is missing, before the group has told this member what it has, and where
  /// nobody can answer (the mock).
  void ask_shares();

  /// Has the group share everything out once more, which takes some seconds of
  /// `poll`. The broker does that when somebody comes or goes, and who is there
  /// cannot ask it: somebody comes without a name, and goes.
  std::expected<void, kafka_error> share_out_again();

  /// As `kafka_consumer::spoilt`.
  bool spoilt() const noexcept;

  /// As `kafka_consumer::commit_hint`; the group takes offsets from its members
  /// alone.
  void commit_hint(std::span<const kafka_assignment> positions);

private:
  struct impl;

  explicit kafka_group(std::unique_ptr<impl> x) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace
