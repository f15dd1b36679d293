#include "nodes/cli/dlq_replay.hpp"

#include "actors/store/copy_rows.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"
#include "nodes/cli/dlq_event.hpp"
#include "nodes/shares.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <thread>

namespace millrace::cli {

namespace {

using namespace std::chrono_literals;

/// Raised by what takes a dead letter when it is gone.
constexpr std::string_view gone_state = "MR002";

/// Tries per dead letter: a writer that runs, another replay, a server that
/// starts again. Together more than ten seconds.
constexpr int max_attempts = 40;

/// As much of a reason as a dead letter keeps.
constexpr std::size_t max_reason_bytes = 8'192;

/// A flush of one event that moves no offsets.
flush flush_of(const lane_row& row, std::shared_ptr<batch> data,
               const write_plan_ptr& plan) {
  data->map_version = row.map_version;
  data->shape = row.shape;
  flush result;
  result.claim.lane = row.lane;
  result.claim.epoch = row.epoch;
  result.claim.owner = row.owner;
  result.claim.next_seq = row.next_seq;
  result.claim.map_version = row.map_version;
  result.claim.shape = row.shape;
  result.sources = {{std::move(data), offset{0}}};
  result.plan = plan;
  return result;
}

std::string text_of(const flush_result& x) {
  return x.sqlstate.empty() ? x.message : x.sqlstate + ": " + x.message;
}

} // namespace

/// A pipeline as it is written now.
struct replayer::mapping {
  prepared_pipeline by;
  decoder decode;
};

/// An event with its rows, and where it belongs.
struct replayer::decoded {
  std::shared_ptr<batch> data;
  write_plan_ptr plan;
};

replayer::replayer(const config& all, replay_settings settings, admin_note note)
  : all_{all},
    settings_{std::move(settings)},
    note_{std::move(note)},
    chance_{std::random_device{}()} {
}

replayer::~replayer() = default;

// -- connections --------------------------------------------------------------

namespace {

admin_result<connection*> opened(std::optional<connection>& slot,
                                 const session_config& config) {
  // A server that starts again takes some seconds.
  for (auto left = 20; !slot || !slot->is_open(); --left) {
    auto conn = connection::open(config);
    if (conn)
      slot.emplace(std::move(*conn));
    else if (left == 0 || conn.error().code == store_errc::refused)
      return admin_fail(conn.error());
    else
      std::this_thread::sleep_for(500ms);
  }
  return &*slot;
}

} // namespace

admin_result<connection*> replayer::target() {
  return opened(target_, settings_.session);
}

admin_result<connection*> replayer::source() {
  if (!settings_.source)
    return target();
  return opened(source_, *settings_.source);
}

void replayer::pause(int attempt) {
  // Two replays, or a replay and a writer, must not fence each other in step.
  auto most = std::min(500, 20 << std::min(attempt, 8));
  auto delay = std::uniform_int_distribution{most / 4, most}(chance_);
  std::this_thread::sleep_for(std::chrono::milliseconds{delay});
}

// -- one dead letter ----------------------------------------------------------

admin_result<replayer::mapping*>
replayer::mapping_of(const std::string& pipeline) {
  if (auto known = mappings_.find(pipeline); known != mappings_.end())
    return known->second.get();
  auto config = std::ranges::find(all_.pipelines, pipeline,
                                  &pipeline_config::name);
  if (config == all_.pipelines.end())
    return nullptr;
  auto conn = target();
  if (!conn)
    return std::unexpected{conn.error()};
  const auto* database = find_database(all_, settings_.database);
  if (!database || !is_read_for(all_, *config, settings_.database))
    return nullptr;
  auto by = prepare_pipeline(**conn, all_, *database, *config);
  if (!by) {
    admin_failure failure{
      by.error().passing ? exit_code::unreachable : exit_code::failed, {}};
    for (const auto& text : by.error().problems)
      failure.all.push_back(make_error(text));
    return std::unexpected{std::move(failure)};
  }
  auto stored = (*conn)->query("SELECT map_fingerprint, lanes FROM "
                               "millrace.pipeline WHERE pipeline = $1",
                               {pipeline});
  if (!stored)
    return admin_fail(stored.error());
  auto mine = sql(shape{by->map_fingerprint});
  if (stored->rows.empty() || stored->rows[0][0] != mine
      || stored->rows[0][1] != sql(config->lanes))
    return admin_fail(exit_code::failed,
                      "pipeline " + pipeline
                        + " has another mapping in the database than in the "
                          "configuration: replay with the one that its node "
                          "runs with");
  auto decode = decoder{by->program};
  auto added = mappings_.emplace(
    pipeline, std::make_unique<mapping>(std::move(*by), std::move(decode)));
  return added.first->second.get();
}

admin_result<replay_result> replayer::replay(const dead_letter_key& which) {
  auto by = mapping_of(which.id.lane.pipeline);
  if (!by)
    return std::unexpected{by.error()};
  if (!*by)
    return replay_result{replay_verdict::refused,
                         "the configuration has no pipeline "
                           + which.id.lane.pipeline
                           + " that writes this database"};
  auto from = source();
  if (!from)
    return std::unexpected{from.error()};
  auto x = dead_letters{**from, note_}.find(which.id);
  if (!x)
    return admin_fail(x.error());
  if (!*x || (*x)->source != which.source || (*x)->at != which.at)
    return replay_result{replay_verdict::gone, "it is gone"};
  if (auto why = why_incomplete(**x))
    return replay_result{replay_verdict::refused, std::move(*why)};
  const auto& prepared = (*by)->by;
  auto event = decode_event((*by)->decode, prepared, **x);
  if (event.what == outcome::filtered)
    return replay_result{replay_verdict::refused,
                         "it makes no rows: no event of the pipeline takes it, "
                         "or no condition holds; discard it"};
  if (event.what != outcome::written) {
    const auto& why = event.data.rejects.front();
    return keep(which, to_string(why.stage), {}, why.reason);
  }
  auto conn = target();
  if (!conn)
    return std::unexpected{conn.error()};
  auto later = dead_letters{**conn, note_}.begun_later(which);
  if (!later)
    return admin_fail(later.error());
  if (leave_out(*later, prepared, event.data))
    return replay_result{replay_verdict::refused,
                         std::string{begun_later_text}};
  if (!settings_.force && may_overwrite(*prepared.program, event.data))
    return replay_result{replay_verdict::refused,
                         "an older event could replace a newer row, as the "
                         "write has no only_if_newer: --force"};
  auto plan = prepared.plans.at(event.data.lane.tenant);
  if ((*x)->always_made)
    for (std::size_t i = 0; i < event.data.blocks.size(); ++i)
      if (plan->traits.at(i).always)
        event.data.blocks[i].clear();
  return write(**by, which,
               {std::make_shared<batch>(std::move(event.data)), plan});
}

admin_result<replay_result>
replayer::write(mapping& by, const dead_letter_key& which, decoded event) {
  const auto lane = event.data->lane;
  std::string why;
  for (auto attempt = 0; attempt < max_attempts; ++attempt) {
    if (attempt > 0)
      pause(attempt);
    auto conn = target();
    if (!conn)
      return std::unexpected{conn.error()};
    if (!rows_.contains(lane)) {
      auto mine = take_over(by, lane, why);
      if (!mine)
        return std::unexpected{mine.error()};
      if (!*mine)
        return replay_result{replay_verdict::refused, why};
      if (!rows_.contains(lane))
        continue;
    }
    flush_run run{**conn, flush_of(rows_.at(lane), event.data, event.plan),
                  settings_.session.flush_timeout, prologue(which)};
    while (run.advance(1s) == flush_progress::pending)
      continue;
    const auto& result = run.result();
    why = text_of(result);
    switch (result.verdict) {
      case flush_verdict::committed:
        ++rows_.at(lane).next_seq.value;
        return taken(which);
      case flush_verdict::refused:
        // The lane's writer, or another replay, has taken it over.
        rows_.erase(lane);
        break;
      case flush_verdict::disconnected:
        rows_.clear();
        break;
      case flush_verdict::in_doubt: {
        rows_.clear();
        auto known = resolve(which, lane);
        if (!known)
          return std::unexpected{known.error()};
        if (*known)
          return **known;
        break;
      }
      case flush_verdict::failed:
        if (result.sqlstate == gone_state) {
          if (settings_.source)
            return taken(which);
          return replay_result{replay_verdict::gone, "it is gone"};
        }
        if (result.action == failure_action::bisect
            || result.action == failure_action::missing)
          return keep(which, to_string(reject_stage::store), result.sqlstate,
                      result.action == failure_action::missing
                        ? result.reason
                        : result.message);
        if (result.action == failure_action::park
            || result.action == failure_action::wait_partition)
          return replay_result{replay_verdict::refused, why};
        if (result.action == failure_action::halt)
          return admin_fail(exit_code::failed,
                            to_string(which.id) + ": " + why);
        break;
    }
  }
  return replay_result{replay_verdict::refused, "given up: " + why};
}

/// False with a reason when the lane cannot be written. True without a row in
/// `rows_` when asking again may help.
admin_result<bool> replayer::take_over(mapping& by, const lane_id& lane,
                                       std::string& why) {
  lane_store lanes{*target_, settings_.session.row_lock_timeout};
  auto row = lanes.takeover({lane, uuid::random(), note_.host + " dlq replay"});
  if (!row) {
    why = row.error().message;
    switch (row.error().code) {
      case store_errc::unavailable:
      case store_errc::retry:
      case store_errc::back_off:
        return true;
      case store_errc::lane_inactive:
        why += "; 'millrace lanes resume' makes it go on";
        return false;
      case store_errc::no_lane:
        why += "; the node makes it at its start";
        return false;
      default:
        return admin_fail(row.error());
    }
  }
  if (row->shape != by.by.program->of(lane.tenant).shape()) {
    why = "the columns of the lane's tables are other ones than those its node "
          "writes; restart the node first";
    return false;
  }
  rows_.emplace(lane, std::move(*row));
  return true;
}

std::vector<std::string>
replayer::prologue(const dead_letter_key& which) const {
  const auto& id = which.id;
  auto source = std::format("'{}',{},{}",
                            millrace::to_string(which.source.topic),
                            which.source.number.value, which.at.value);
  if (settings_.source)
    return {std::format("SELECT millrace.note_replayed({},{},{})",
                        quote_literal(id.lane.pipeline), source,
                        id.number.value)};
  return {std::format("SELECT millrace.take_dead_letter({},{},{},{},{},{},{},"
                      "{})",
                      quote_literal(id.lane.pipeline),
                      quote_literal(id.lane.tenant), id.lane.number.value,
                      id.number.value, source, quote_literal(note_.os_user),
                      quote_literal(note_.host), quote_literal(note_.reason))};
}

/// Rule 21: first whoever still holds the lane's row ends, then it is looked
/// whether the dead letter was taken.
admin_result<std::optional<replay_result>>
replayer::resolve(const dead_letter_key& which, const lane_id& lane) {
  auto conn = target();
  if (!conn)
    return admin_fail(exit_code::unreachable,
                      "PostgreSQL went away while " + to_string(which.id)
                        + " was committed; run the command again, it is safe "
                          "to repeat");
  lane_store lanes{**conn, settings_.session.row_lock_timeout};
  if (auto held = lanes.load({lane, true}); !held)
    return admin_fail(held.error());
  if (settings_.source) {
    auto noted = (*conn)->query(
      "SELECT 1 FROM millrace.replayed WHERE pipeline = $1 AND topic = $2 AND "
      "partition = $3 AND \"offset\" = $4 AND seq = $5",
      {which.id.lane.pipeline, millrace::to_string(which.source.topic),
       sql(which.source.number.value), sql(which.at.value),
       sql(which.id.number.value)});
    if (!noted)
      return admin_fail(noted.error());
    if (noted->rows.empty())
      return std::nullopt;
  } else {
    auto there = dead_letters{**conn, note_}.find(which.id);
    if (!there)
      return admin_fail(there.error());
    if (*there && (*there)->source == which.source && (*there)->at == which.at)
      return std::nullopt;
  }
  auto result = taken(which);
  if (!result)
    return std::unexpected{result.error()};
  return std::optional{*result};
}

/// The rows are written. A dead letter of another database goes now; if this
/// is not reached, the next replay finds it in `replayed`.
admin_result<replay_result> replayer::taken(const dead_letter_key& which) {
  if (settings_.source) {
    auto from = source();
    if (!from)
      return std::unexpected{from.error()};
    auto done = dead_letters{**from, note_}.remove_replayed(which);
    if (!done)
      return admin_fail(done.error());
  }
  return replay_result{replay_verdict::replayed, {}};
}

admin_result<replay_result>
replayer::keep(const dead_letter_key& which, const std::string& stage,
               const std::string& sqlstate, const std::string& reason) {
  auto from = source();
  if (!from)
    return std::unexpected{from.error()};
  auto text = clean_text(reason, max_reason_bytes);
  auto there = dead_letters{**from, note_}.explain(which, stage, sqlstate,
                                                   text);
  if (!there)
    return admin_fail(there.error());
  if (!*there)
    return replay_result{replay_verdict::gone, "it is gone"};
  return replay_result{replay_verdict::failed,
                       sqlstate.empty() ? text : sqlstate + ": " + text};
}

} // namespace millrace::cli
