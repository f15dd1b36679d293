#include "actors/coordinator/migration_session.hpp"

#include "actors/coordinator/jitter.hpp"
#include "actors/coordinator/work_watch.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace millrace {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto first_pause = 100ms;
constexpr auto longest_pause = 5s;

/// How often another migrator's lock is asked for.
constexpr auto poll_interval = 50ms;

} // namespace

std::string text_of_error(const store_error& x) {
  return x.sqlstate.empty() ? x.message
                            : x.message + " (SQLSTATE " + x.sqlstate + ')';
}

migration_session::migration_session(connection& conn, migration_target target,
                                     const migrator_options& options)
  : conn_{conn},
    target_{std::move(target)},
    options_{options} {
}

void migration_session::tell(const std::string& text) const {
  if (options_.tell)
    options_.tell(text);
}

bool migration_session::is_told_to_stop() const {
  return options_.stop && options_.stop();
}

store_result<void> migration_session::guard() {
  return options_.guard ? options_.guard(conn_) : store_result<void>{};
}

store_result<void> migration_session::lock() {
  auto until = clock::now() + options_.migrator_wait;
  for (auto told = false;; told = true) {
    auto got = conn_.query("SELECT pg_try_advisory_lock(hashtext("
                           "'millrace.migrations'), hashtext($1))",
                           {target_.schema});
    if (!got)
      return std::unexpected{std::move(got.error())};
    if (bool_of(got->rows[0][0])) {
      locked_ = true;
      return {};
    }
    if (clock::now() >= until || is_told_to_stop())
      return std::unexpected{
        store_error{store_errc::retry,
                    {},
                    "another migrator is still at work in this schema"}};
    if (!told)
      tell("waiting for another migrator of schema " + target_.schema);
    std::this_thread::sleep_for(jittered(2 * poll_interval));
  }
}

migration_session::~migration_session() {
  if (!locked_ || !conn_.is_open())
    return;
  try {
    auto done = conn_.query("SELECT pg_advisory_unlock(hashtext("
                            "'millrace.migrations'), hashtext($1))",
                            {target_.schema});
    if (!done)
      conn_.close();
  } catch (...) {
    conn_.close();
  }
}

store_result<void>
migration_session::retry(std::function<store_result<void>()> once) {
  std::chrono::milliseconds pause = first_pause;
  for (auto attempt = 1;; ++attempt) {
    auto done = once();
    if (done || done.error().code != store_errc::retry
        || attempt >= options_.max_attempts || is_told_to_stop())
      return done;
    tell("attempt " + std::to_string(attempt) + " of "
         + std::to_string(options_.max_attempts) + ": "
         + text_of_error(done.error()) + "; trying again");
    std::this_thread::sleep_for(jittered(pause));
    pause = std::min<std::chrono::milliseconds>(2 * pause, longest_pause);
  }
}

store_result<void>
migration_session::transaction(std::function<store_result<void>()> body) {
  auto settings = "SET LOCAL lock_timeout = "
                  + std::to_string(options_.lock_timeout.count())
                  + "; SET LOCAL search_path = "
                  + quote_identifier(target_.schema) + ", public";
  return retry([&] {
    return conn_.in_transaction([&]() -> store_result<void> {
      if (auto ready = conn_.run(settings); !ready)
        return ready;
      if (auto allowed = guard(); !allowed)
        return allowed;
      if (target_.tenant) {
        // In the order that all who lock several lanes have.
        auto paused = conn_.query("SELECT 1 FROM millrace.lane WHERE tenant = "
                                  "$1 ORDER BY pipeline, tenant, shard FOR "
                                  "UPDATE",
                                  {*target_.tenant});
        if (!paused)
          return std::unexpected{std::move(paused.error())};
      }
      return body();
    });
  });
}

store_result<void> migration_session::outside(
  const std::string& statement,
  std::optional<std::chrono::milliseconds> lock_timeout) {
  if (options_.guard)
    if (auto allowed = conn_.in_transaction([this] { return guard(); });
        !allowed)
      return allowed;
  auto before = conn_.query("SELECT current_setting('lock_timeout'), "
                            "current_setting('search_path')");
  if (!before)
    return std::unexpected{std::move(before.error())};
  auto set = [this](const sql_params& values) -> store_result<void> {
    auto done = conn_.query("SELECT set_config('lock_timeout', $1, false), "
                            "set_config('search_path', $2, false)",
                            values);
    if (!done)
      return std::unexpected{std::move(done.error())};
    return {};
  };
  auto path = quote_identifier(target_.schema) + ", public";
  auto wait = lock_timeout.value_or(std::chrono::milliseconds{0});
  auto done = set({sql(wait.count()), path});
  if (done) {
    work_watch watch{options_, conn_.backend_pid()};
    done = conn_.run(statement);
  }
  if (conn_.is_open())
    if (auto restored = set(before->rows[0]); !restored && done)
      return restored;
  return done;
}

} // namespace millrace
