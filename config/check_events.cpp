// Events, each in itself and those of a pipeline beside each other.

#include "config/checks.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <string>

namespace millrace {

void check_event(reader& in, const event_config& x, const std::string& path) {
  if (!x.every && !in.given(path + ".route"))
    in.add(x.at, path + ".route", "nothing", "an expression in quotes");
  if (x.every && !x.types.empty())
    in.add(in.where(path + ".types", x.at), path + ".types",
           "types beside every", "none: it is made for all of them");
  if (x.every && !x.crossed_bid.text.empty())
    in.add(in.where(path + ".crossed_bid", x.at), path + ".crossed_bid",
           "crossed quotes beside every", "them where the event is taken");
}

namespace {

void check_tombstones(reader& in, const event_config& x,
                      const std::string& path) {
  if (!x.every && !x.writes.empty()
      && std::ranges::none_of(x.writes, [](const write_config& y) {
           return y.on == write_occasion::record;
         }))
    in.add(x.at, path + ".write", "writes for tombstones alone",
           "a write for records too: they must become something");
}

} // namespace

void check_events(reader& in, const pipeline_config& x,
                  const std::string& path) {
  auto typed = !x.event_type.text.empty();
  auto takes = false;
  // By type: the event that takes all of them.
  std::map<std::string, std::size_t> taken;
  for (std::size_t i = 0; i < x.events.size(); ++i) {
    const auto& event = x.events[i];
    auto event_path = std::format("{}.event[{}]", path, i);
    check_tombstones(in, event, event_path);
    if (event.every)
      continue;
    takes = true;
    if (!typed && !event.types.empty())
      in.add(in.where(event_path + ".types", event.at), event_path + ".types",
             "types",
             std::format("{}.event_type too, which says what type an "
                         "event is",
                         path));
    auto types = event.types;
    if (types.empty())
      types.push_back(typed ? event.name : "");
    for (const auto& type : types) {
      auto first = taken.find(type);
      if (first == taken.end() && event.when.text.empty())
        taken.emplace(type, i);
      // Of two with one name that is said already.
      if (first == taken.end() || x.events[first->second].name == event.name)
        continue;
      auto other = std::format("{}.event[{}]", path, first->second);
      in.add(event.at, event_path,
             typed ? in_quotes(type) + " after " + other
                   : "an event after " + other,
             "one that can be reached: that one has no when");
    }
  }
  if (!x.events.empty() && !takes)
    in.add(x.at, path + ".event", "events for every event alone",
           "one that takes them");
}

} // namespace millrace
