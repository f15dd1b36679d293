#include "actors/store/copy_stream.hpp"

#include "actors/store/error_text.hpp"
#include "actors/store/pq_result.hpp"
#include "actors/store/sqlstate.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include <libpq-fe.h>
#include <poll.h>

namespace millrace {

namespace {

/// Between two looks whether to go on.
constexpr int slice_ms = 100;

/// Handed to libpq at once.
constexpr std::size_t max_put_bytes = 64 * 1024;

struct pq_free {
  void operator()(char* x) const noexcept {
    PQfreemem(x);
  }
};

/// One COPY between a connection and the program.
class copy_stream {
public:
  copy_stream(connection& conn, const copy_stop& stop)
    : conn_{conn},
      stop_{stop} {
  }

  store_result<int64_t> out(const std::string& statement, const copy_sink& to) {
    if (auto begun = begin(statement, PGRES_COPY_OUT); !begun)
      return std::unexpected{std::move(begun.error())};
    for (;;) {
      char* piece = nullptr;
      auto size = PQgetCopyData(raw_, &piece, 1);
      std::unique_ptr<char, pq_free> owned{piece};
      if (size < 0)
        return end();
      if (size == 0) {
        if (!await(POLLIN))
          return lose();
        continue;
      }
      if (!broken_off_ && asked_to_stop())
        cancel();
      if (broken_off_)
        continue;
      if (auto taken = to({piece, static_cast<std::size_t>(size)}); !taken) {
        broken_off_ = std::move(taken.error());
        cancel();
      }
    }
  }

  store_result<int64_t> in(const std::string& statement,
                           const copy_source& from) {
    if (auto begun = begin(statement, PGRES_COPY_IN); !begun)
      return std::unexpected{std::move(begun.error())};
    for (;;) {
      auto piece = from();
      if (!piece)
        broken_off_ = std::move(piece.error());
      if (broken_off_ || asked_to_stop()) {
        PQputCopyEnd(raw_, "broken off");
        return end();
      }
      if (piece->empty()) {
        PQputCopyEnd(raw_, nullptr);
        return end();
      }
      for (std::size_t at = 0; at < piece->size(); at += max_put_bytes) {
        auto part = piece->substr(at, max_put_bytes);
        if (PQputCopyData(raw_, part.data(), static_cast<int>(part.size()))
            != 1)
          return lose();
      }
    }
  }

private:
  store_result<void> begin(const std::string& statement,
                           ExecStatusType wanted) {
    raw_ = conn_.raw();
    if (!raw_ || PQsendQuery(raw_, statement.c_str()) == 0) {
      auto lost = lose();
      return std::unexpected{std::move(lost.error())};
    }
    auto first = next();
    if (!first)
      return std::unexpected{std::move(first.error())};
    if (*first && PQresultStatus(first->get()) == wanted)
      return {};
    auto failed = conclude(std::move(*first));
    return std::unexpected{
      failed ? store_error{store_errc::failed, {}, "not a COPY of this kind"}
             : std::move(failed.error())};
  }

  /// The next answer, which is none when there is none.
  store_result<pq_result> next() {
    while (PQisBusy(raw_) == 1) {
      if (!broken_off_ && asked_to_stop())
        cancel();
      if (!await(POLLIN)) {
        auto lost = lose();
        return std::unexpected{std::move(lost.error())};
      }
    }
    return pq_result{PQgetResult(raw_)};
  }

  store_result<int64_t> end() {
    auto last = next();
    if (!last)
      return std::unexpected{std::move(last.error())};
    return conclude(std::move(*last));
  }

  /// Reads what is left, and makes of the answer what it means.
  store_result<int64_t> conclude(pq_result answer) {
    for (;;) {
      auto more = next();
      if (!more)
        return std::unexpected{std::move(more.error())};
      if (!*more)
        break;
    }
    if (PQstatus(raw_) != CONNECTION_OK)
      return lose();
    if (broken_off_)
      return std::unexpected{
        store_error{store_errc::refused, {}, *broken_off_}};
    if (!answer || PQresultStatus(answer.get()) != PGRES_COMMAND_OK) {
      store_error error;
      error.sqlstate = error_field(answer.get(), PG_DIAG_SQLSTATE);
      error.message = describe_error(answer.get());
      error.code = to_errc(error.sqlstate);
      return std::unexpected{std::move(error)};
    }
    int64_t rows = 0;
    std::string_view count{PQcmdTuples(answer.get())};
    std::from_chars(count.data(), count.data() + count.size(), rows);
    return rows;
  }

  bool asked_to_stop() {
    if (!broken_off_ && stop_)
      broken_off_ = stop_();
    return broken_off_.has_value();
  }

  /// What is on its way still has to be read.
  void cancel() {
    std::array<char, 256> why{};
    if (auto* x = PQgetCancel(raw_)) {
      PQcancel(x, why.data(), static_cast<int>(why.size()));
      PQfreeCancel(x);
    }
  }

  /// For a slice of time at most. False when the connection is lost.
  bool await(short events) {
    pollfd waits{PQsocket(raw_), events, 0};
    auto ready = ::poll(&waits, 1, slice_ms);
    if (ready == 0 && !broken_off_ && asked_to_stop())
      cancel();
    return ready <= 0 || PQconsumeInput(raw_) == 1;
  }

  store_result<int64_t> lose() {
    auto why = raw_ ? one_line(PQerrorMessage(raw_)) : "not connected";
    conn_.close();
    return std::unexpected{
      store_error{store_errc::unavailable, {}, std::move(why)}};
  }

  connection& conn_;
  const copy_stop& stop_;
  PGconn* raw_ = nullptr;

  /// Why it is not gone on with.
  std::optional<std::string> broken_off_;
};

} // namespace

store_result<int64_t> copy_out(connection& conn, const std::string& statement,
                               const copy_sink& to, const copy_stop& stop) {
  return copy_stream{conn, stop}.out(statement, to);
}

store_result<int64_t> copy_in(connection& conn, const std::string& statement,
                              const copy_source& from, const copy_stop& stop) {
  return copy_stream{conn, stop}.in(statement, from);
}

} // namespace millrace
