#pragma once

// A lane's core beside a database that is a map: events that upsert, update,
// delete, refer to parents and leave a note, and parents that come from
// elsewhere.

#include "actors/lane/lane_core.hpp"
#include "tests/lane/samples.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

/// The blocks of its batches.
enum class deed : std::size_t { upsert, update, erase, child, note };

struct deed_of_key {
  deed what;
  uint64_t key;
};

struct waiting_world {
  using deeds = std::vector<deed_of_key>;

  static write_traits traits() {
    using enum missing_row;
    return {{7, true, wait, false},
            {7, false, wait, false},
            {7, false, ignore, false},
            {8, true, wait, false},
            {9, true, wait, true}};
  }

  explicit waiting_world(lane_limits limits = {})
    : core{std::make_unique<lane_core>(sample_lane, limits, traits())} {
  }

  /// A row's value: who wrote it last.
  struct tables {
    std::map<uint64_t, int64_t> rows;
    std::multiset<uint64_t> children;
    std::multiset<int64_t> notes;

    /// Per key of `rows`, the events that wrote it, in order.
    std::map<uint64_t, std::vector<int64_t>> history;
    std::multiset<int64_t> written;
    std::multiset<int64_t> dead;
    std::map<int64_t, waiting_event> waiting;
    std::map<int64_t, std::vector<touched_row>> touches;
    lane_row row = sample_row({0, 0}, {0, 0});
  };

  /// What a flush would do; the verdict is in `result`.
  struct trial {
    tables after;
    std::vector<missing_write> missing;
    std::vector<missing_write> orphans;
    bool bad_note = false;
  };

  int64_t add(deeds what) {
    log.push_back(std::move(what));
    return std::ssize(log) - 1;
  }

  batch_ptr batch_of(int64_t from, int64_t to, bool again = false) const {
    auto data = std::make_shared<batch>();
    data->lane = sample_lane;
    data->source = sample_source();
    data->range = {offset{from}, offset{to}};
    data->map_version = sample_version;
    data->shape = sample_shape;
    data->rewind = {1};
    data->blocks.resize(5);
    for (auto at = from; at < to; ++at) {
      if (rejects.contains(at))
        data->rejects.emplace_back().at = offset{at};
      for (const auto& x : log[static_cast<std::size_t>(at)]) {
        if (x.what == deed::note ? again : rejects.contains(at))
          continue;
        auto& block = data->blocks[static_cast<std::size_t>(x.what)];
        block.bytes.push_back({});
        block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
        block.offsets.push_back(at);
        if (x.what != deed::note && x.what != deed::child)
          block.keys.push_back({0, x.key});
      }
    }
    data->events = to - from;
    return data;
  }

  /// All that was not sent yet, as one batch.
  void send() {
    auto to = std::ssize(log);
    if (sent == to)
      return;
    core->receive(batch_of(sent, to), slot{0});
    sent = to;
  }

  void apply_event(const flush_source& source, std::size_t index, int64_t at,
                   bool notes_only, trial& to) const {
    auto& into = to.after;
    auto number = at;
    for (const auto& x : log[static_cast<std::size_t>(at)]) {
      auto block = static_cast<std::size_t>(x.what);
      const auto& offsets = source.data->blocks[block].offsets;
      if (!std::ranges::contains(offsets, at)
          || (notes_only && x.what != deed::note))
        continue;
      auto there = into.rows.contains(x.key);
      switch (x.what) {
        case deed::update:
          if (!there) {
            to.missing.push_back({index, block, offset{at}});
            continue;
          }
          [[fallthrough]];
        case deed::upsert:
          into.rows[x.key] = number;
          into.history[x.key].push_back(number);
          break;
        case deed::erase:
          into.rows.erase(x.key);
          into.history[x.key].push_back(number);
          break;
        case deed::child:
          if (!parents.contains(x.key))
            to.orphans.push_back({index, block, offset{at}});
          into.children.insert(x.key);
          break;
        case deed::note:
          to.bad_note = to.bad_note || bad_notes.contains(number);
          into.notes.insert(number);
          break;
      }
    }
    if (!notes_only)
      into.written.insert(number);
  }

  trial try_flush(const flush& x) const {
    trial result{db, {}, {}, false};
    auto& to = result.after;
    const auto& c = x.claim;
    REQUIRE(c.next_seq == db.row.next_seq);
    to.row.next_seq.value += c.seqs;
    for (const auto& r : c.ranges)
      to.row.next_off[static_cast<std::size_t>(r.at.value)] = r.range.to;
    for (auto number : x.taken)
      REQUIRE(to.waiting.erase(number.value) == 1);
    auto next = first_waiting(x);
    for (std::size_t i = 0; i < x.sources.size(); ++i) {
      const auto& source = x.sources[i];
      auto out = left_out(source, false);
      for (const auto& r : source.refused)
        to.dead.insert(r.at.value);
      for (const auto& r : source.data->rejects)
        if (source.keeps(r.at)) {
          to.dead.insert(r.at.value);
          out.push_back(r.at);
        }
      for (const auto& w : source.waiting) {
        auto& kept = to.waiting[next.value];
        kept.number = next;
        kept.source = source.data->source;
        kept.record = w.record;
        to.touches[next.value] = w.touches;
        next.value += 1;
      }
      for (auto at : events_with_rows({source.data.get(), slot{0},
                                       source.trim_below, source.keep_below}))
        if (!std::ranges::contains(source.silent, offset{at}))
          apply_event(source, i, at, std::ranges::contains(out, offset{at}),
                      result);
    }
    return result;
  }

  lane_row read_row() const {
    auto result = db.row;
    for (const auto& [number, x] : db.waiting)
      result.waiting.push_back(
        {seq{number}, std::ssize(x.record.value), db.touches.at(number)});
    return result;
  }

  std::vector<retried_event> read_waiting(seq from) const {
    std::vector<retried_event> result;
    for (const auto& [number, x] : db.waiting)
      if (number >= from.value && result.size() < chunk) {
        auto event = x;
        event.expired = expired;
        auto at = x.record.at.value;
        result.push_back({event, batch_of(at, at + 1, true)});
      }
    return result;
  }

  record_copy record() const {
    record_copy result;
    result.found = !lost_records.contains(core->wanted().at.value);
    result.has_value = result.found;
    result.value = result.found ? "v" : "";
    return result;
  }

  /// Carries one step out. False when there was none.
  bool step() {
    switch (core->next_step()) {
      case lane_step::none:
        return false;
      case lane_step::take_over:
        ++db.row.epoch.value;
        core->took_over(read_row());
        break;
      case lane_step::load:
      case lane_step::resolve:
        core->loaded(read_row());
        break;
      case lane_step::fetch:
        core->fetched(record());
        break;
      case lane_step::read_waiting:
        core->waiting_read(read_waiting(core->wanted_waiting()));
        break;
      case lane_step::flush:
        flush_now();
        break;
    }
    REQUIRE(core->halted() == lane_halt::none);
    return true;
  }

  void flush_now() {
    auto x = try_flush(core->flight());
    ++flushes;
    if (!x.missing.empty()) {
      core->rows_missing(x.missing, "no row");
    } else if (x.bad_note) {
      core->data_refused({"23514", "bad note", "bad note"});
    } else if (!x.orphans.empty() && finds_orphans) {
      core->rows_missing(x.orphans, "no parent", "23503");
    } else if (!x.orphans.empty()) {
      core->data_refused({"23503", "no parent", "no parent"});
    } else if (doubt && doubt(random)) {
      // Committed, and nobody was told; or lost before.
      if (random() % 2 == 0)
        db = std::move(x.after);
      core->lost();
    } else {
      db = std::move(x.after);
      core->committed();
    }
  }

  void run() {
    for (int i = 0; step(); ++i)
      REQUIRE(i < 100'000);
  }

  void retry() {
    core->retry_waiting();
    run();
  }

  std::vector<int64_t> waiting() const {
    std::vector<int64_t> result;
    for (const auto& [number, x] : db.waiting)
      result.push_back(x.record.at.value);
    return result;
  }

  std::vector<deeds> log;
  int64_t sent = 0;
  std::set<uint64_t> parents;
  std::set<int64_t> lost_records;
  std::set<int64_t> bad_notes;

  /// Events that could not be mapped: their notes are made all the same.
  std::set<int64_t> rejects;
  std::size_t chunk = 5;
  bool expired = false;

  /// The database says which events lack a parent, not only that one does.
  bool finds_orphans = false;
  int flushes = 0;
  std::mt19937_64 random{1};
  bool (*doubt)(std::mt19937_64&) = nullptr;
  tables db;
  std::unique_ptr<lane_core> core;
};

} // namespace millrace::test
