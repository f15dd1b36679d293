#include "actors/cluster/json_writer.hpp"
#include "actors/source/partition_feed.hpp"
#include "config/values.hpp"
#include "nodes/cli/dlq_command.hpp"
#include "nodes/cli/dlq_event.hpp"
#include "nodes/cli/dlq_replay.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <iterator>
#include <map>
#include <memory>

namespace millrace::cli {

std::string to_string(replay_verdict x) {
  switch (x) {
    case replay_verdict::replayed:
      return "replayed";
    case replay_verdict::failed:
      return "failed";
    case replay_verdict::refused:
      return "refused";
    case replay_verdict::gone:
      return "gone";
  }
  return "?";
}

namespace {

/// Keys read at a time.
constexpr int64_t page_size = 10'000;

/// Dead letters that stay and are told one by one; the rest is counted.
constexpr std::size_t max_told = 1'000;

/// What became of all.
class account {
public:
  explicit account(bool json) : json_{json} {
    out_.begin_array();
  }

  void add(const dead_letter_id& id, const replay_result& x, console& to) {
    ++counts_[static_cast<std::size_t>(x.what)];
    if (x.what == replay_verdict::replayed || ++told_ > max_told)
      return;
    if (!json_) {
      to.note(to_string(id) + ' ' + to_string(x.what) + ": " + x.reason);
      return;
    }
    out_.begin_object();
    out_.key("lane").string(to_string(id.lane));
    out_.key("seq").integer(id.number.value);
    out_.key("verdict").string(to_string(x.what));
    out_.key("reason").string(x.reason);
    out_.end_object();
  }

  int64_t count(replay_verdict x) const {
    return counts_[static_cast<std::size_t>(x)];
  }

  int64_t all() const {
    return counts_[0] + counts_[1] + counts_[2] + counts_[3];
  }

  void tell(console& to) {
    auto numbers = [&](const char* form) {
      return std::vformat(form, std::make_format_args(counts_[0], counts_[1],
                                                      counts_[2], counts_[3]));
    };
    out_.end_array();
    if (json_)
      to.out(numbers("{{\"replayed\":{},\"failed\":{},\"refused\":{},"
                     "\"gone\":{},\"others\":")
             + out_.str() + "}\n");
    else
      to.out(numbers("replayed {}, failed {}, refused {}, gone {}\n"));
  }

private:
  bool json_;
  json_writer out_;
  std::size_t told_ = 0;

  /// By verdict.
  std::array<int64_t, 4> counts_{};
};

} // namespace

namespace {

/// Replays the dead letters of one database, each into the one that its tenant
/// is in.
class database_replay {
public:
  database_replay(admin_session& source, bool force, admin_note note)
    : source_{source},
      force_{force},
      note_{std::move(note)} {
  }

  admin_result<replay_result> replay(const dead_letter_key& which) {
    auto target = target_of(which);
    if (!target)
      return std::unexpected{target.error()};
    return worker(**target).replay(which);
  }

private:
  /// Those of a tenant are where its rows are. Only `_unrouted` holds others'.
  admin_result<const postgresql_config*>
  target_of(const dead_letter_key& which) {
    const auto& all = *source_.all;
    const auto* here = find_database(all, source_.database);
    if (which.id.lane.tenant != unrouted_tenant || all.databases.empty())
      return here;
    auto routing = routing_of(which.id.lane.pipeline);
    if (routing == nullptr)
      return here;
    auto x = dead_letters{source_.conn, note_}.find(which.id);
    if (!x)
      return admin_fail(x.error());
    if (!*x)
      return here;
    auto tenant = tenant_named_by(*routing, **x);
    return tenant ? &database_of(all, *tenant) : here;
  }

  /// Nothing for a pipeline that is not configured, or cannot be read.
  decoder* routing_of(const std::string& pipeline) {
    if (auto known = routings_.find(pipeline); known != routings_.end())
      return &known->second;
    auto config = std::ranges::find(source_.all->pipelines, pipeline,
                                    &pipeline_config::name);
    if (config == source_.all->pipelines.end())
      return nullptr;
    auto program = compile_routing(*config);
    if (!program)
      return nullptr;
    return &routings_.emplace(pipeline, decoder{*program}).first->second;
  }

  replayer& worker(const postgresql_config& target) {
    auto& result = workers_[target.name];
    if (result)
      return *result;
    replay_settings settings{.session = admin_session_config(target,
                                                             source_.patience),
                             .database = target.name,
                             .force = force_};
    if (target.name != source_.database)
      settings.source = admin_session_config(
        *find_database(*source_.all, source_.database), source_.patience);
    result = std::make_unique<replayer>(*source_.all, std::move(settings),
                                        note_);
    return *result;
  }

  admin_session& source_;
  bool force_;
  admin_note note_;
  std::map<std::string, decoder> routings_;

  /// By database.
  std::map<std::string, std::unique_ptr<replayer>> workers_;
};

/// All that the filter leaves in one database.
admin_result<void>
replay_all(const dlq_arguments& what, const dead_letter_filter& which,
           admin_session& session, account& sum, console& to) {
  auto note = note_of(what, "dlq replay");
  database_replay worker{session, what.force, note};
  dead_letters rows{session.conn, note};
  std::optional<dead_letter_key> last;
  for (;;) {
    // Those that are kept stay behind the last key: none is tried twice.
    auto page = rows.page(which, last, page_size);
    if (!page)
      return admin_fail(page.error());
    for (const auto& key : *page) {
      auto result = worker.replay(key);
      if (!result)
        return std::unexpected{result.error()};
      sum.add(key.id, *result, to);
    }
    if (std::ssize(*page) < page_size)
      return {};
    last = page->back();
  }
}

} // namespace

exit_code run_dlq_replay(const dlq_arguments& what, console& to) {
  auto which = narrow_filter_of(what);
  if (!which)
    return tell(which.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  account sum{to.json()};
  for (auto& session : sessions->open)
    if (auto done = replay_all(what, *which, session, sum, to); !done) {
      // What is done is done, and is told as well.
      if (!to.json())
        sum.tell(to);
      return tell(done.error(), to);
    }
  if (which->one && sum.all() == 0)
    return to.fail(exit_code::failed,
                   "there is no dead letter " + to_string(*which->one));
  sum.tell(to);
  return sum.count(replay_verdict::failed) + sum.count(replay_verdict::refused)
             == 0
           ? exit_code::ok
           : exit_code::failed;
}

} // namespace millrace::cli
