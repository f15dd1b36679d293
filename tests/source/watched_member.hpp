#pragma once

// A member of a consumer group, as tests see it.

#include "actors/source/kafka_group.hpp"
#include "tests/source/kafka_must.hpp"

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

struct watched_member {
  kafka_group group;

  /// What it has, by what it is told.
  std::set<kafka_partition> has;

  /// What all have, once somebody has answered.
  kafka_group_shares all;

  watched_member(const kafka_properties& properties, const std::string& name,
                 const std::string& instance, const std::string& topic)
    : group{must(kafka_group::open({.properties = properties,
                                    .group = name,
                                    .instance = instance,
                                    .on_log = {},
                                    .on_wakeup = {}}))} {
    must(group.subscribe(std::vector{topic}));
  }

  void poll() {
    auto change = group.poll();
    for (const auto& lost : change.lost)
      has.erase(lost);
    has.insert(change.gained.begin(), change.gained.end());
    if (change.shares)
      all = std::move(*change.shares);
    group.ask_shares();
  }
};

} // namespace millrace::test
