#include "actors/store/connection.hpp"
#include "actors/store/connection_impl.hpp"
#include "actors/store/error_text.hpp"

#include <algorithm>
#include <charconv>
#include <format>
#include <memory>
#include <string_view>
#include <utility>

#include <libpq-fe.h>
#include <poll.h>

namespace millrace {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Pipelines, target_session_attrs and client_connection_check_interval.
constexpr int32_t oldest_server = 140'000;

/// Beyond the server's own limit for a statement.
constexpr auto answer_margin = 5s;

std::unexpected<store_error> refused(std::string message) {
  return std::unexpected{store_error{store_errc::refused,
                                     {}, //
                                     std::move(message)}};
}

/// How our side finds out that the server's host is gone is how the server does
/// with ours: a session that waits for rows of a COPY heeds no timeout of
/// PostgreSQL, and would stand for the two hours of most systems.
std::string same_keepalives(PGconn* raw) {
  std::string result;
  std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
    PQconninfo(raw), PQconninfoFree};
  for (const auto* x = options.get(); x && x->keyword; ++x) {
    auto name = std::string_view{x->keyword};
    auto value = std::string_view{x->val ? x->val : ""};
    int64_t number = 0;
    if (name.starts_with("keepalives_")
        && std::from_chars(value.data(), value.data() + value.size(), number).ec
             == std::errc{})
      result += std::format("SET tcp_{} = {};", name, number);
  }
  return result;
}

void ignore_notice(void*, const char*) {
  // Notices tell of tables that exist already and the like.
}

} // namespace

class connector::impl {
public:
  explicit impl(session_config config)
    : config_{std::move(config)},
      deadline_{clock::now() + config_.connect_timeout} {
    if (auto problem = validate(config_)) {
      failure_ = store_error{store_errc::refused, {}, *problem};
      return;
    }
    // Of one name the last counts.
    std::vector<const char*> names, values;
    auto add = [&](const char* name, const char* value) {
      names.push_back(name);
      values.push_back(value);
    };
    // A host that is gone must be noticed while we wait for its answer, too.
    add("keepalives_idle", "10");
    add("keepalives_interval", "5");
    add("keepalives_count", "4");
    for (const auto& [name, value] : config_.keywords)
      add(name.c_str(), value.c_str());
    auto tcp_timeout = std::to_string(config_.tcp_user_timeout.count());
    add("application_name", config_.application_name.c_str());
    add("client_encoding", "UTF8");
    add("target_session_attrs", "read-write");
    add("tcp_user_timeout", tcp_timeout.c_str());
    names.push_back(nullptr);
    values.push_back(nullptr);
    raw_ = PQconnectStartParams(names.data(), values.data(), 1);
    if (raw_ != nullptr)
      PQsetNoticeProcessor(raw_, ignore_notice, nullptr);
  }

  impl(const impl&) = delete;

  ~impl() {
    PQfinish(raw_);
  }

  std::optional<store_result<connection>>
  advance(std::chrono::milliseconds budget) {
    if (failure_)
      return std::unexpected{*failure_};
    if (raw_ == nullptr || PQstatus(raw_) == CONNECTION_BAD)
      return give_up(raw_ ? PQerrorMessage(raw_) : "out of memory");
    auto until = std::min(deadline_, clock::now() + budget);
    for (;;) {
      if (step_ != PGRES_POLLING_OK && !wait(until)) {
        if (clock::now() < deadline_)
          return std::nullopt;
        return give_up("no connection within "
                       + std::to_string(config_.connect_timeout.count())
                       + " ms");
      }
      step_ = PQconnectPoll(raw_);
      if (step_ == PGRES_POLLING_FAILED)
        return give_up(PQerrorMessage(raw_));
      if (step_ == PGRES_POLLING_OK)
        return finish();
    }
  }

private:
  /// False when nothing happened until then.
  bool wait(clock::time_point until) {
    short wanted = step_ == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    pollfd events{PQsocket(raw_), wanted, 0};
    auto left
      = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now());
    return ::poll(&events, 1, static_cast<int>(std::max(left, 0ms).count()))
           > 0;
  }

  store_result<connection> give_up(const std::string& message) {
    failure_ = store_error{store_errc::unavailable,
                           {}, //
                           one_line(message)};
    return std::unexpected{*failure_};
  }

  store_result<connection> finish();

  session_config config_;
  clock::time_point deadline_;
  PGconn* raw_ = nullptr;
  PostgresPollingStatusType step_ = PGRES_POLLING_WRITING;
  std::optional<store_error> failure_;

  friend class connector;
};

store_result<connection> connector::impl::finish() {
  auto encoding = PQparameterStatus(raw_, "server_encoding");
  if (PQserverVersion(raw_) < oldest_server)
    return refused("the server is PostgreSQL "
                   + std::to_string(PQserverVersion(raw_) / 10'000)
                   + "; Millrace needs 14 or newer");
  if (encoding == nullptr || std::string_view{encoding} != "UTF8")
    return refused("the database's encoding is "
                   + std::string{encoding ? encoding : "unknown"}
                   + "; Millrace needs UTF8");
  auto announced_pid = PQbackendPID(raw_);
  return connector::wrap(std::exchange(raw_, nullptr), announced_pid, config_);
}

store_result<connection> connector::wrap(pg_conn* raw, int announced_pid,
                                         const session_config& config) {
  auto held = std::make_unique<connection::impl>();
  held->raw = raw;
  if (config.statement_timeout > 0ms)
    held->answer_timeout = config.statement_timeout + answer_margin;
  connection result{std::move(held)};
  auto facts = result.query("SELECT pg_backend_pid(), "
                            "current_setting('transaction_read_only'), "
                            "(extract(epoch FROM pg_postmaster_start_time()) * "
                            "1000000)::bigint");
  if (!facts)
    return std::unexpected{facts.error()};
  // A pooler invents the process id that it announces.
  if (facts->rows[0][0] != std::to_string(announced_pid))
    return refused("a connection pooler such as PgBouncer stands between "
                   "Millrace and PostgreSQL; connect to PostgreSQL itself");
  if (facts->rows[0][1] == "on")
    return std::unexpected{
      store_error{store_errc::unavailable, "25006",
                  "the server accepts no writes (a standby, or "
                  "default_transaction_read_only is on)"}};
  auto started = facts->rows[0][2].value_or("0");
  std::from_chars(started.data(), started.data() + started.size(),
                  result.impl_->server_started_us);
  auto set = [](const char* name, std::chrono::milliseconds value) {
    return std::string{"SET "} + name + " = " + std::to_string(value.count())
           + ';';
  };
  auto script = set("statement_timeout", config.statement_timeout)
                + set("lock_timeout", config.lock_timeout)
                + set("idle_in_transaction_session_timeout",
                      config.idle_in_transaction_timeout)
                + "SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; "
                  // Staging tables have no statistics: plans look dearer than
                  // they are, and would be compiled anew for each flush.
                  "SET jit = off;"
                + same_keepalives(result.impl_->raw);
  if (result.server_version() >= 170'000)
    script += set("transaction_timeout", config.transaction_timeout);
  if (auto done = result.run(script); !done)
    return std::unexpected{done.error()};
  // Servers on some systems cannot do this one; it only spares waiting.
  auto checked = result.run(
    set("client_connection_check_interval", config.connection_check_interval));
  if (!checked && !result.is_open())
    return std::unexpected{checked.error()};
  return result;
}

connector::connector(session_config config)
  : impl_{std::make_unique<impl>(std::move(config))} {
}

connector::connector(connector&&) noexcept = default;

connector& connector::operator=(connector&&) noexcept = default;

connector::~connector() = default;

std::optional<store_result<connection>>
connector::advance(std::chrono::milliseconds budget) {
  return impl_->advance(budget);
}

store_result<connection> connection::open(const session_config& config) {
  connector attempt{config};
  for (;;)
    if (auto result = attempt.advance(1s))
      return std::move(*result);
}

// -- limits -------------------------------------------------------------------

std::optional<std::string> validate(const session_config& config) {
  if (config.connect_timeout <= 0ms)
    return "connect_timeout must be positive";
  if (config.row_lock_timeout <= 0ms)
    return "row_lock_timeout must be positive";
  if (config.flush_timeout <= 0ms)
    return "flush_timeout must be positive";
  for (auto x : {config.statement_timeout, config.lock_timeout,
                 config.idle_in_transaction_timeout, config.transaction_timeout,
                 config.connection_check_interval, config.tcp_user_timeout})
    if (x < 0ms || x > 24h)
      return "timeouts must be between 0 and 24 hours";
  return std::nullopt;
}

} // namespace millrace
