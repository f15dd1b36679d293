#include "tests/lane/simulation_tables.hpp"

#include <algorithm>

namespace millrace::test {

namespace {

constexpr std::size_t keyed_routes = 2;
constexpr std::size_t keys_per_route = 2;

std::size_t number(sim_deed x) {
  return static_cast<std::size_t>(x);
}

bool is_keyed(sim_deed x) {
  return x == sim_deed::upsert || x == sim_deed::update || x == sim_deed::erase;
}

sim_write draw_keyed(choices& draws, std::size_t key) {
  constexpr sim_deed all[] = {sim_deed::upsert, sim_deed::update,
                              sim_deed::update, sim_deed::erase};
  return {all[draws.pick(4)], key};
}

/// Events that write rows by key, at most once each.
void draw_keyed_writes(choices& draws, sim_event& to) {
  to.route = 1 + draws.pick(keyed_routes);
  auto first = (to.route - 1) * keys_per_route;
  auto key = draws.pick(keys_per_route);
  to.writes = {draw_keyed(draws, first + key)};
  if (draws.chance(30)) {
    if (draws.chance(40))
      to.writes.push_back({sim_deed::child, draws.pick(sim_parents)});
    else
      to.writes.push_back(draw_keyed(draws, first + 1 - key));
  }
}

} // namespace

// -- events -------------------------------------------------------------------

bool sim_event::writes_note() const {
  return std::ranges::contains(writes, sim_deed::note, &sim_write::what);
}

bool sim_event::is_ordered() const {
  return std::ranges::any_of(writes, is_keyed, &sim_write::what);
}

sim_event draw_event(choices& draws, offset at, bool mixed) {
  sim_event result{at, draws.pick(13), draws.chance(8), {}};
  auto kind = mixed ? draws.pick(12) : 0;
  if (kind < 6) {
    result.writes = {{sim_deed::append}};
  } else if (kind < 7) {
    auto key = draws.pick(sim_parents);
    result.route = 3 + key;
    result.writes = {{sim_deed::parent, key}};
  } else if (kind < 8) {
    result.writes = {{sim_deed::child, draws.pick(sim_parents)}};
  } else {
    draw_keyed_writes(draws, result);
  }
  if (kind >= 6 && draws.chance(30))
    result.writes.push_back({sim_deed::note});
  return result;
}

const write_traits& sim_traits() {
  using enum missing_row;
  static const write_traits all{
    {1, true, wait, false},    {2, true, wait, false}, {2, false, wait, false},
    {2, false, ignore, false}, {3, true, wait, false}, {4, true, wait, false},
    {5, true, wait, true}};
  return all;
}

void add_rows(batch& to, const sim_event& e, bool with_note) {
  to.blocks.resize(sim_deeds);
  for (const auto& x : e.writes) {
    if (x.what == sim_deed::note && !with_note)
      continue;
    auto& block = to.blocks[number(x.what)];
    block.bytes.push_back({});
    block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
    block.offsets.push_back(e.at.value);
    if (is_keyed(x.what) || x.what == sim_deed::parent)
      block.keys.push_back({0, x.key});
  }
}

// -- tables -------------------------------------------------------------------

void sim_rows::add_parents(const std::vector<sim_effect>& xs) {
  for (const auto& x : xs)
    if (x.what == sim_fate::written)
      for (const auto& w : x.event->writes)
        if (w.what == sim_deed::parent)
          parents[w.key] = true;
}

bool sim_rows::write(const sim_write& x) {
  switch (x.what) {
    case sim_deed::upsert:
      keyed[x.key] = true;
      return true;
    case sim_deed::update:
      return keyed[x.key];
    case sim_deed::erase:
      keyed[x.key] = false;
      return true;
    case sim_deed::child:
      return parents[x.key];
    case sim_deed::append:
    case sim_deed::parent:
    case sim_deed::note:
      break;
  }
  return true;
}

bool sim_tables::follows(const sim_write& x, std::size_t p, offset at) {
  if (!is_keyed(x.what))
    return true;
  auto& row = order[x.key][p];
  // Only what makes the row passes an update that waits for it.
  auto result = at >= row.changed
                && (at >= row.made || x.what == sim_deed::update);
  auto& to = x.what == sim_deed::upsert ? row.made : row.changed;
  to = std::max(to, at + 1);
  return result;
}

} // namespace millrace::test
