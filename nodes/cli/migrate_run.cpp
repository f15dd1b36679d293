#include "config/values.hpp"
#include "nodes/cli/migrate_jobs.hpp"

#include <algorithm>
#include <atomic>
#include <format>
#include <mutex>
#include <thread>
#include <utility>

#include <unistd.h>

namespace millrace::cli {

namespace {

std::string text_of(const postgresql_config& x) {
  return x.name == control_database ? "PostgreSQL"
                                    : "database '" + x.name + '\'';
}

exit_code code_of(const store_error& e) {
  auto passing = e.code == store_errc::unavailable
                 || e.code == store_errc::retry
                 || e.code == store_errc::back_off;
  return passing ? exit_code::unreachable : exit_code::failed;
}

/// A job and what became of it.
struct done_job {
  const migration_job* job = nullptr;
  std::expected<job_outcome, std::string> outcome
    = std::unexpected{"not done, as the control schema's migrations failed"};

  /// Where it was not done, because of another job: that of this job is told.
  exit_code code = exit_code::ok;
};

/// One line of how far a statement is, in place of the last one.
std::string bar_of(const std::string& schema, const work_progress& x) {
  constexpr auto width = 30;
  auto text = std::format("{}: {}", schema, x.phase);
  if (x.total > 0) {
    auto part = std::clamp<int64_t>(x.done * width / x.total, 0, width);
    text
      += std::format(" [{}{}] {} of {}",
                     std::string(static_cast<std::size_t>(part), '#'),
                     std::string(static_cast<std::size_t>(width - part), '.'),
                     x.done, x.total);
  }
  if (x.waits_for != 0)
    text += std::format(", waiting for backend {}", x.waits_for);
  return text;
}

class database_run {
public:
  database_run(const migrate_arguments& what, const migrate_work& work,
               const database_jobs& place, console& to, const job_step& step)
    : what_{what},
      work_{work},
      place_{place},
      to_{to},
      step_{step} {
    for (const auto& x : place.jobs)
      jobs_.push_back({&x});
  }

  std::vector<done_job> run() && {
    std::vector<std::vector<done_job*>> groups;
    std::map<std::string, std::size_t> by_schema;
    std::vector<done_job*> first;
    for (auto& x : jobs_) {
      if (!x.job->target.tenant) {
        first.push_back(&x);
        continue;
      }
      auto [at, fresh] = by_schema.emplace(x.job->target.schema, groups.size());
      if (fresh)
        groups.emplace_back();
      groups[at->second].push_back(&x);
    }
    if (!run_group(first))
      return std::move(jobs_);
    std::atomic<std::size_t> next = 0;
    auto work = [&] {
      for (auto i = next++; i < groups.size(); i = next++)
        run_group(groups[i]);
    };
    {
      std::vector<std::jthread> threads;
      auto count = std::min(static_cast<std::size_t>(what_.parallel),
                            groups.size());
      for (std::size_t i = 1; i < count; ++i)
        threads.emplace_back(work);
      work();
    }
    return std::move(jobs_);
  }

private:
  /// Whether all went well. After a failure the rest of the schema's jobs are
  /// not done: they may need what has failed.
  bool run_group(const std::vector<done_job*>& group) {
    if (group.empty())
      return true;
    auto conn = open_database(place_.database);
    for (auto* x : group)
      x->outcome = std::unexpected{
        conn ? "not done, as an earlier set of the schema failed"
             : text_of(place_.database) + ": " + conn.error().message};
    if (!conn) {
      for (auto* x : group)
        x->code = code_of(conn.error());
      return false;
    }
    for (auto* x : group) {
      migrator worker{*conn, options_for(*x->job)};
      x->outcome = step_(worker, work_.sets.at(x->job->set), *x->job,
                         place_.database);
      if (!x->outcome) {
        x->code = conn->is_open() ? exit_code::failed : exit_code::unreachable;
        return false;
      }
    }
    return true;
  }

  migrator_options options_for(const migration_job& job) {
    migrator_options result;
    result.lock_timeout = work_.lock_timeout.count() > 0
                            ? work_.lock_timeout
                            : place_.database.lock_timeout;
    if (to_.json())
      return result;
    auto place = place_of(job, place_.database);
    if (what_.verbose)
      result.tell = [this, place](const std::string& text) {
        std::lock_guard guard{mutex_};
        to_.note(place + ": " + text);
      };
    if (what_.verbose || ::isatty(STDERR_FILENO) == 1) {
      result.open_watch = [this] { return open_database(place_.database); };
      result.progress = [this, place](const work_progress& x) {
        std::lock_guard guard{mutex_};
        to_.note(bar_of(place, x));
      };
    }
    return result;
  }

  const migrate_arguments& what_;
  const migrate_work& work_;
  const database_jobs& place_;
  console& to_;
  const job_step& step_;
  std::vector<done_job> jobs_;
  std::mutex mutex_;
};

std::string failed_json(const migration_job& job,
                        const postgresql_config& database,
                        const std::string& error) {
  json_writer out;
  begin_job(out, job, database);
  out.key("error").string(error);
  out.end_object();
  return out.str();
}

} // namespace

jobs_done do_jobs(const migrate_arguments& what, const migrate_work& work,
                  console& to, const job_step& step) {
  jobs_done result;
  for (const auto& place : work.databases)
    for (auto& x : database_run{what, work, place, to, step}.run()) {
      std::string part;
      if (x.outcome) {
        result.any = true;
        part = x.outcome->json;
        result.text += x.outcome->text;
        if (!x.outcome->sound && result.code == exit_code::ok)
          result.code = exit_code::failed;
      } else {
        auto text = std::format("migrations of '{}' in schema '{}': {}",
                                x.job->set, x.job->target.schema,
                                x.outcome.error());
        part = failed_json(*x.job, place.database, x.outcome.error());
        result.failures.push_back(make_error(text));
        if (result.code != exit_code::failed && x.code != exit_code::ok)
          result.code = x.code;
      }
      if (!part.empty())
        result.json += (result.json.empty() ? "" : ",") + part;
    }
  return result;
}

exit_code tell_jobs(const jobs_done& done, console& to) {
  if (!to.json())
    to.out(done.text);
  // A document of findings where nothing was done, else one of all jobs.
  if (!to.json() || !done.any)
    to.tell(done.failures);
  if (to.json() && (done.any || done.failures.empty()))
    to.out('[' + done.json + "]\n");
  return done.code;
}

exit_code run_jobs(const migrate_arguments& what, console& to, job_step step) {
  auto work = find_work(what);
  if (!work)
    return tell_failure(work.error(), to);
  return tell_jobs(do_jobs(what, *work, to, step), to);
}

} // namespace millrace::cli
