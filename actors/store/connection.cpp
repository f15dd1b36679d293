#include "actors/store/connection.hpp"

#include "actors/store/connection_impl.hpp"
#include "actors/store/error_text.hpp"
#include "actors/store/pq_result.hpp"
#include "actors/store/sqlstate.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

namespace millrace {

using namespace std::chrono_literals;

namespace {

std::unexpected<store_error> no_connection(const std::string& why) {
  return std::unexpected{store_error{store_errc::unavailable,
                                     {}, //
                                     one_line(why)}};
}

} // namespace

connection::impl::~impl() {
  PQfinish(raw);
}

connection::connection(std::unique_ptr<impl> x) : impl_{std::move(x)} {
}

connection::connection(connection&&) noexcept = default;

connection& connection::operator=(connection&&) noexcept = default;

connection::~connection() = default;

void connection::close() noexcept {
  if (!impl_)
    return;
  PQfinish(std::exchange(impl_->raw, nullptr));
  impl_->staging.clear();
}

void connection::close_and_wait(std::chrono::milliseconds patience) noexcept {
  if (!is_open())
    return close();
  // The socket ends when the backend's process does, after it has left all
  // tables of the server. libpq closes its own handle of it.
  auto copy = ::dup(PQsocket(impl_->raw));
  close();
  if (copy < 0)
    return;
  auto until = connection_clock::now() + patience;
  std::array<char, 256> rest{};
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      until - connection_clock::now());
    pollfd events{copy, POLLIN, 0};
    if (left <= 0ms || ::poll(&events, 1, static_cast<int>(left.count())) <= 0
        || ::recv(copy, rest.data(), rest.size(), 0) <= 0)
      break;
  }
  ::close(copy);
}

bool connection::is_open() const noexcept {
  return impl_ && impl_->raw && PQstatus(impl_->raw) == CONNECTION_OK;
}

bool connection::still_there() noexcept {
  if (!is_open())
    return false;
  pollfd events{PQsocket(impl_->raw), POLLIN, 0};
  if (::poll(&events, 1, 0) == 1
      && (PQconsumeInput(impl_->raw) == 0 || !is_open())) {
    close();
    return false;
  }
  return true;
}

bool connection::is_free() noexcept {
  return still_there() && PQtransactionStatus(impl_->raw) == PQTRANS_IDLE;
}

pg_conn* connection::raw() noexcept {
  return impl_ ? impl_->raw : nullptr;
}

int32_t connection::backend_pid() const noexcept {
  return is_open() ? PQbackendPID(impl_->raw) : 0;
}

int64_t connection::server_started_us() const noexcept {
  return is_open() ? impl_->server_started_us : 0;
}

int32_t connection::server_version() const noexcept {
  return is_open() ? PQserverVersion(impl_->raw) : 0;
}

bool connection::has_staging(const std::string& name) const {
  return impl_->staging.contains(name);
}

void connection::note_staging(const std::string& name) {
  impl_->staging.insert(name);
}

// -- statements ---------------------------------------------------------------

namespace {

/// Waits until the answer can be read. False when the connection broke or the
/// server did not answer in time: its own timeouts do not help where it is
/// frozen or cut off.
bool await_answer(PGconn* raw, connection_clock::time_point until) {
  for (;;) {
    auto unsent = PQflush(raw);
    if (unsent < 0)
      return false;
    if (PQisBusy(raw) == 0)
      return true;
    pollfd events{PQsocket(raw), POLLIN, 0};
    if (unsent == 1)
      events.events = POLLIN | POLLOUT;
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      until - connection_clock::now());
    if (left <= 0ms)
      return false;
    // Far deadlines stand for none; poll takes an int.
    auto slice = std::min<std::chrono::milliseconds>(left, 1h);
    auto ready = ::poll(&events, 1, static_cast<int>(slice.count()));
    if (ready > 0 && (events.revents & ~POLLOUT) != 0
        && PQconsumeInput(raw) == 0)
      return false;
  }
}

sql_result read_rows(const PGresult* x) {
  sql_result result;
  auto affected = std::string_view{PQcmdTuples(const_cast<PGresult*>(x))};
  std::from_chars(affected.data(), affected.data() + affected.size(),
                  result.affected);
  result.rows.resize(static_cast<std::size_t>(PQntuples(x)));
  for (int row = 0; row < PQntuples(x); ++row)
    for (int column = 0; column < PQnfields(x); ++column) {
      auto& out = result.rows[static_cast<std::size_t>(row)];
      if (PQgetisnull(x, row, column) == 1)
        out.emplace_back();
      else
        out.emplace_back(
          std::string{PQgetvalue(x, row, column),
                      static_cast<std::size_t>(PQgetlength(x, row, column))});
    }
  return result;
}

} // namespace

std::unexpected<store_error> connection::lose(const std::string& why) {
  close();
  return no_connection(why);
}

/// The last of the answers to what was sent; the first error among them.
store_result<pq_result> connection::answer() {
  auto* raw = impl_->raw;
  auto until = connection_clock::now() + impl_->answer_timeout;
  pq_result last;
  for (auto failed = false;;) {
    if (!await_answer(raw, until)) {
      auto why = one_line(PQerrorMessage(raw));
      return lose(why.empty()
                    ? "no answer within "
                        + std::to_string(impl_->answer_timeout.count()) + " ms"
                    : why);
    }
    pq_result next{PQgetResult(raw)};
    if (!next)
      break;
    auto kind = PQresultStatus(next.get());
    if (kind == PGRES_COPY_IN || kind == PGRES_COPY_OUT
        || kind == PGRES_COPY_BOTH) {
      // It would answer so for ever; only the end of the connection helps.
      close();
      return std::unexpected{store_error{store_errc::refused,
                                         {}, //
                                         "COPY from or to the client cannot "
                                         "be used here"}};
    }
    if (failed)
      continue;
    failed = kind == PGRES_FATAL_ERROR;
    last = std::move(next);
  }
  if (!last || PQstatus(raw) != CONNECTION_OK)
    return lose(PQerrorMessage(raw));
  auto status = PQresultStatus(last.get());
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK
      || status == PGRES_EMPTY_QUERY)
    return last;
  store_error error;
  error.sqlstate = error_field(last.get(), PG_DIAG_SQLSTATE);
  error.message = describe_error(last.get());
  error.code = ends_connection(last.get()) ? store_errc::unavailable
                                           : to_errc(error.sqlstate);
  if (error.code == store_errc::unavailable)
    close();
  return std::unexpected{std::move(error)};
}

store_result<sql_result> connection::query(const std::string& sql,
                                           const sql_params& params) {
  if (!is_open())
    return no_connection("not connected");
  std::vector<const char*> values;
  for (const auto& x : params)
    values.push_back(x ? x->c_str() : nullptr);
  return rows(PQsendQueryParams(impl_->raw, sql.c_str(),
                                static_cast<int>(values.size()), nullptr,
                                values.data(), nullptr, nullptr, 0));
}

store_result<sql_result> connection::query(const std::string& sql,
                                           std::span<const sql_value> params) {
  if (!is_open())
    return no_connection("not connected");
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const auto& x : params) {
    types.push_back(x.type_oid);
    // A value of no bytes is not NULL.
    values.push_back(
      x.bytes.empty() ? "" : reinterpret_cast<const char*>(x.bytes.data()));
    lengths.push_back(static_cast<int>(x.bytes.size()));
  }
  std::vector<int> binary(params.size(), 1);
  return rows(PQsendQueryParams(impl_->raw, sql.c_str(),
                                static_cast<int>(values.size()), types.data(),
                                values.data(), lengths.data(), binary.data(),
                                0));
}

store_result<sql_result> connection::rows(int sent) {
  if (sent == 0)
    return lose(PQerrorMessage(impl_->raw));
  auto result = answer();
  if (!result)
    return std::unexpected{std::move(result.error())};
  return read_rows(result->get());
}

store_result<void> connection::run(const std::string& script) {
  if (!is_open())
    return no_connection("not connected");
  if (PQsendQuery(impl_->raw, script.c_str()) == 0)
    return lose(PQerrorMessage(impl_->raw));
  auto result = answer();
  if (!result)
    return std::unexpected{std::move(result.error())};
  return {};
}

store_result<void> connection::begin() {
  return run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
}

store_result<void> connection::commit() {
  if (!is_open())
    return no_connection("not connected");
  if (PQsendQuery(impl_->raw, "COMMIT") == 0)
    return lose(PQerrorMessage(impl_->raw));
  auto result = answer();
  if (!result)
    return std::unexpected{std::move(result.error())};
  // A failed transaction answers COMMIT with ROLLBACK and without an error.
  if (std::string_view tag{PQcmdStatus(result->get())}; tag != "COMMIT")
    return std::unexpected{store_error{
      store_errc::failed, {}, "COMMIT was answered by " + std::string{tag}}};
  return {};
}

void connection::roll_back() noexcept {
  if (!is_open())
    return;
  if (!run("ROLLBACK") || PQtransactionStatus(impl_->raw) != PQTRANS_IDLE)
    close();
}

} // namespace millrace
