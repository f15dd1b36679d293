#include "actors/coordinator/work_watch.hpp"

#include "actors/store/sql_values.hpp"

namespace millrace {

namespace {

using namespace std::chrono_literals;

constexpr auto interval = 500ms;

/// One row at most: a backend runs one command at a time. A phase counts in
/// lockers, tuples or blocks, whichever it has a total for.
constexpr auto question
  = "SELECT command || ': ' || phase, CASE WHEN lockers_total > 0 THEN "
    "lockers_done WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END, "
    "CASE WHEN lockers_total > 0 THEN lockers_total WHEN tuples_total > 0 THEN "
    "tuples_total ELSE blocks_total END, current_locker_pid FROM "
    "pg_catalog.pg_stat_progress_create_index WHERE pid = $1 UNION ALL SELECT "
    "'VACUUM: ' || phase, heap_blks_scanned, heap_blks_total, 0 FROM "
    "pg_catalog.pg_stat_progress_vacuum WHERE pid = $1 UNION ALL SELECT "
    "command || ': ' || phase, heap_blks_scanned, heap_blks_total, 0 FROM "
    "pg_catalog.pg_stat_progress_cluster WHERE pid = $1 UNION ALL SELECT "
    "'ANALYZE: ' || phase, sample_blks_scanned, sample_blks_total, 0 FROM "
    "pg_catalog.pg_stat_progress_analyze WHERE pid = $1 LIMIT 1";

} // namespace

store_result<std::optional<work_progress>> read_progress(connection& conn,
                                                         int32_t backend_pid) {
  auto found = conn.query(question, {sql(backend_pid)});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (found->rows.empty())
    return std::nullopt;
  const auto& row = found->rows[0];
  auto number = [](const std::optional<std::string>& x) {
    return x ? int_of(x) : 0;
  };
  return work_progress{row[0].value_or(""), number(row[1]), number(row[2]),
                       static_cast<int32_t>(number(row[3]))};
}

work_watch::work_watch(const migrator_options& options, int32_t backend_pid)
  : options_{options},
    pid_{backend_pid} {
  if (options_.open_watch && options_.progress)
    thread_ = std::jthread{[this] { run(); }};
}

work_watch::~work_watch() {
  std::lock_guard guard{mutex_};
  end_ = true;
  ended_.notify_all();
}

void work_watch::run() {
  std::optional<connection> conn;
  std::unique_lock guard{mutex_};
  while (!ended_.wait_for(guard, interval, [this] { return end_; })) {
    guard.unlock();
    if (!conn)
      if (auto opened = options_.open_watch(); opened)
        conn = std::move(*opened);
    auto found = conn ? read_progress(*conn, pid_)
                      : store_result<std::optional<work_progress>>{};
    guard.lock();
    if (found && *found && !end_)
      options_.progress(**found);
  }
}

} // namespace millrace
