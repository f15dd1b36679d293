// The third part of a day: reference data, and records that nobody can use.

#include "nodes/cli/generate_day.hpp"

#include <algorithm>
#include <array>
#include <format>

namespace millrace::cli {

namespace {

constexpr std::array<std::string_view, 4> services{"dbexporter", "eclearapi",
                                                   "pmeoms", "pmeapi"};

} // namespace

/// The record number `opened_` of what everything else needs.
void exchange_day::open() {
  auto n = opened_++;
  auto at = now_ + 1 + below(40);
  // Takes the next so many numbers.
  auto in = [&n](int64_t count) {
    n -= count;
    return n < 0;
  };
  auto back = [&n](int64_t count) { return static_cast<int>(n + count); };
  if (in(std::ssize(services)))
    return start_service(
      at, services[static_cast<std::size_t>(back(std::ssize(services)))]);
  if (in(1))
    return emit(
      "Sod", at,
      std::move(ledger_body{}.time("date", local_midnight(at))).str());
  if (in(1))
    return set_parameter(at);
  if (in(1))
    return set_session(at);
  if (in(1))
    return name_holiday(at);
  if (in(options_.participants)) {
    auto i = back(options_.participants);
    return name_participant(at, i, names_.participant_nid(i));
  }
  if (in(options_.instruments)) {
    auto i = back(options_.instruments);
    return name_instrument(at, i, names_.instrument_nid(i), true);
  }
  if (in(options_.accounts)) {
    auto i = back(options_.accounts);
    return name_account(at, i, names_.account(i).nid, "Fund");
  }
  limit_account(at, static_cast<int>(n));
  if (opened_ == opening_records(options_))
    plan(std::max(options_.opens_ms, at) + 1'000, act::arrive, nullptr);
}

/// In the course of the day. Codes come under other ids, too.
void exchange_day::refer(int64_t at, char what) {
  at = reference_ms_ = std::max(at, reference_ms_ + 1);
  switch (what) {
    case 'P':
      return set_parameter(at);
    case 'S':
      return set_session(at);
    case 'H':
      return name_holiday(at);
    case 'p':
      return name_participant(at,
                              static_cast<int>(below(options_.participants)),
                              at);
    case 'i':
      return name_instrument(at, static_cast<int>(below(options_.instruments)),
                             at, chance(50));
    case 'a':
      return name_account(at, static_cast<int>(below(options_.accounts)), at,
                          "Fund & Sons");
    case 'c':
      return start_service(
        at, services[static_cast<std::size_t>(below(std::ssize(services)))]);
    default:
      limit_account(at, static_cast<int>(below(options_.accounts)));
  }
}

void exchange_day::start_service(int64_t at, std::string_view name) {
  emit("ServiceStart", at,
       std::move(
         ledger_body{}
           .text("id", name)
           .text("start_id", std::format("{}_{}", name, compact_date(at, true)))
           .time("start_time", at - 7))
         .str());
}

void exchange_day::set_parameter(int64_t at) {
  emit("Parameter", at,
       std::move(
         ledger_body{}
           .integer("nid", at)
           .time("update", at)
           .text("description", "fees")
           .number("flat_fee", 0.0005)
           .number("lending_fee", 0.15)
           .number("borrowing_fee", 0.18 + static_cast<double>(below(5)) / 100)
           .number("max_quantity", 1e7)
           .integer("borrow_max_open_day", 90)
           .integer("denomination_limit", 100))
         .str());
}

void exchange_day::set_session(int64_t at) {
  emit("SessionTime", at,
       std::move(ledger_body{}
                   .integer("nid", at)
                   .text("description", "regular")
                   .time("update", at)
                   .time_of_day("session1_start", 9 * 60)
                   .time_of_day("session1_end", 12 * 60)
                   .time_of_day("session2_start", 13 * 60 + 30)
                   .time_of_day("session2_end",
                                15 * 60 + 30 + static_cast<int>(below(30))))
         .str());
}

void exchange_day::name_holiday(int64_t at) {
  auto day = compact_date(local_midnight(at, static_cast<int>(1 + below(20))),
                          false);
  auto year = day.substr(0, 4);
  emit("Holiday", at,
       std::move(ledger_body{}
                   .integer("nid", at)
                   .json("tahun", year)
                   .text("date", std::format("{}-{}-{}T00:00:00Z", year,
                                             day.substr(4, 2), day.substr(6)))
                   .text("description", "no trading"))
         .str());
}

void exchange_day::name_participant(int64_t at, int i, int64_t nid) {
  auto code = names_.participant(i);
  emit("Participant", at,
       std::move(ledger_body{}
                   .integer("nid", nid)
                   .text("code", code)
                   .text("name", code + " Sekuritas")
                   .boolean("borr_eligibility", may_borrow(i))
                   .boolean("lend_eligibility", may_lend(i)))
         .str());
}

void exchange_day::name_instrument(int64_t at, int i, int64_t nid,
                                   bool status) {
  auto code = names_.instrument(i);
  emit("Instrument", at,
       std::move(ledger_body{}
                   .integer("nid", nid)
                   .text("code", code)
                   .text("name", code + " Tbk")
                   .text("type", "STOCK")
                   .boolean("status", status))
         .str());
}

void exchange_day::name_account(int64_t at, int i, int64_t nid,
                                std::string_view name) {
  auto x = names_.account(i);
  emit("Account", at,
       std::move(
         ledger_body{}
           .integer("nid", nid)
           .text("code", x.code)
           .text("sid", x.sid)
           .text("name", std::format("{} {}", name, i))
           .integer("participant_nid", names_.participant_nid(x.participant))
           .text("participant_code", names_.participant(x.participant)))
         .str());
}

void exchange_day::limit_account(int64_t at, int i) {
  auto x = names_.account(i);
  emit("AccountLimit", at,
       std::move(
         ledger_body{}
           .integer("nid", x.nid)
           .text("code", x.code)
           .integer("account_nid", x.nid)
           .number("trade_limit", 1e9 * static_cast<double>(1 + below(10)))
           .number("pool_limit", chance(10)
                                   ? 1e21
                                   : 5e8 * static_cast<double>(1 + below(16))))
         .str());
}

/// A record that nobody can use: cut off, of a type that nobody knows, without
/// its subject, or with words for a number.
void exchange_day::poison() {
  auto at = now_ + 1;
  switch (below(4)) {
    case 0:
      return emit("OrderAck", at,
                  R"({"timestamp":"0001-01-01T00:00:00Z","ord)");
    case 1:
      return emit("OrderExpired", at,
                  std::move(ledger_body{}.integer("order_nid", at)).str());
    case 2:
      return emit("TradeAck", at, std::move(ledger_body{}).str());
    default:
      return emit("OrderPending", at,
                  std::move(ledger_body{}.text("order_nid", "many")).str());
  }
}

} // namespace millrace::cli
