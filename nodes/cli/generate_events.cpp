#include "nodes/cli/generate_events.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <format>

namespace millrace::cli {

namespace {

using namespace std::chrono;

constexpr hours zone{7};
constexpr std::string_view no_time = "0001-01-01T00:00:00Z";

// Rates when nobody has set any (2.4 of the source's arithmetic).
constexpr double flat_rate = 0.0005;
constexpr double borrow_rate = 0.18;
constexpr double lend_rate = 0.15;

// What the source makes of a period whose dates are not given.
constexpr int64_t no_period = -106751;

sys_time<milliseconds> local(int64_t ms) {
  return sys_time<milliseconds>{milliseconds{ms} + zone};
}

void append_text(std::string& out, std::string_view x) {
  out += '"';
  for (auto c : x)
    switch (c) {
      case '<':
      case '>':
      case '&':
        out += std::format("\\u{:04x}", static_cast<unsigned>(c));
        break;
      case '"':
      case '\\':
        out += '\\';
        [[fallthrough]];
      default:
        out += c;
    }
  out += '"';
}

double fee(const exchange_order& of, int64_t quantity, double rate) {
  return static_cast<double>(of.price) * static_cast<double>(quantity) * rate;
}

} // namespace

ledger_body::ledger_body() : out_{"{"} {
  text("timestamp", no_time);
}

ledger_body& ledger_body::member(std::string_view name) {
  if (out_.size() > 1)
    out_ += ',';
  append_text(out_, name);
  out_ += ':';
  return *this;
}

ledger_body& ledger_body::text(std::string_view name, std::string_view x) {
  member(name);
  append_text(out_, x);
  return *this;
}

ledger_body& ledger_body::integer(std::string_view name, int64_t x) {
  member(name);
  out_ += std::to_string(x);
  return *this;
}

ledger_body& ledger_body::number(std::string_view name, double x) {
  auto size = std::abs(x);
  auto plain = x == 0 || (size >= 1e-6 && size < 1e21);
  // The longest is 1e-6 with seventeen digits, or 21 digits and a fraction.
  std::array<char, 64> digits{};
  auto end = std::to_chars(digits.data(), digits.data() + digits.size(), x,
                           plain ? std::chars_format::fixed
                                 : std::chars_format::scientific)
               .ptr;
  member(name);
  out_.append(digits.data(), end);
  return *this;
}

ledger_body& ledger_body::boolean(std::string_view name, bool x) {
  return json(name, x ? "true" : "false");
}

ledger_body& ledger_body::time(std::string_view name,
                               std::optional<int64_t> ms) {
  if (!ms)
    return text(name, no_time);
  auto at = local(*ms);
  auto out = std::format("{:%FT%T}", floor<seconds>(at));
  if (auto rest = at - floor<seconds>(at); rest.count() > 0) {
    out += std::format(".{:03}", rest.count());
    out.resize(out.find_last_not_of('0') + 1);
  }
  return text(name, out + "+07:00");
}

ledger_body& ledger_body::time_of_day(std::string_view name, int minutes) {
  return text(name, std::format("0000-01-01T{:02}:{:02}:00Z", minutes / 60,
                                minutes % 60));
}

ledger_body& ledger_body::json(std::string_view name, std::string_view x) {
  member(name);
  out_ += x;
  return *this;
}

std::string ledger_body::str() && {
  out_ += '}';
  return std::move(out_);
}

int64_t local_midnight(int64_t ms, int later) {
  auto day = floor<days>(local(ms)) + days{later};
  return duration_cast<milliseconds>(day.time_since_epoch() - zone).count();
}

std::string compact_date(int64_t ms, bool time) {
  auto at = floor<seconds>(local(ms));
  return time ? std::format("{:%Y%m%d%H%M%S}", at)
              : std::format("{:%Y%m%d}", at);
}

// -- names --------------------------------------------------------------------

std::string exchange_names::participant(int i) const {
  std::string result{static_cast<char>('A' + i % 26),
                     static_cast<char>('A' + (i * 7 + 3) % 26)};
  return i < 26 ? result : result + std::to_string(i / 26);
}

std::string exchange_names::instrument(int i) const {
  constexpr std::array<std::string_view, 10> known{"MLRC", "GRND", "WEIR",
                                                   "FLUM", "LEAT", "POND",
                                                   "SLUC", "STON", "WHEL",
                                                   "TAIL"};
  auto n = static_cast<std::size_t>(i);
  return n < known.size() ? std::string{known[n]} : std::format("MR{:05}", i);
}

exchange_account exchange_names::account(int i) const {
  auto owner = i % participants_;
  return {opens_ms_ - 5'000'000 + i,
          std::format("{}-{:06}", participant(owner), i + 117),
          std::format("SIDQ{:012X}", i + 170), owner};
}

bool may_borrow(int participant) {
  return participant % 5 != 4;
}

bool may_lend(int participant) {
  return participant % 5 != 3;
}

// -- bodies -------------------------------------------------------------------

std::string order_body(const exchange_names& all, const exchange_order& x) {
  auto account = all.account(x.account);
  ledger_body out;
  out.integer("nid", x.nid).integer("prev_nid", x.prev_nid);
  out.text("reff_request_id", x.reff);
  out.integer("account_nid", account.nid).text("account_code", account.code);
  out.integer("participant_nid", all.participant_nid(account.participant));
  out.text("participant_code", all.participant(account.participant));
  out.integer("instrument_nid", all.instrument_nid(x.instrument));
  out.text("instrument_code", all.instrument(x.instrument));
  out.text("side", x.borrows ? "BORR" : "LEND");
  out.number("quantity", static_cast<double>(x.quantity));
  out.time("settlement_date", x.settles_ms);
  out.time("reimbursement_date", x.reimburses_ms);
  out.integer("periode", x.days.value_or(0)).text("state", "S");
  out.number("market_price", static_cast<double>(x.price));
  out.number("rate", x.borrows ? borrow_rate : lend_rate);
  out.text("instruction", x.aro ? "roll over & keep <open>" : "");
  out.boolean("aro", x.aro);
  return std::move(out).str();
}

std::string contract_body(const exchange_names& all, const exchange_trade& x,
                          const exchange_order& of, const exchange_order& lends,
                          std::string_view state, double accumulated) {
  auto account = all.account(of.account);
  auto side = of.borrows ? std::string_view{"BORR"} : std::string_view{"LEND"};
  ledger_body out;
  out.integer("nid", x.nid * 10 + (of.borrows ? 1 : 2));
  out.integer("trade_nid", x.nid);
  out.text("kpei_reff", std::format("{}-{}", x.reff, side));
  out.text("side", side);
  out.integer("account_nid", account.nid).text("account_code", account.code);
  out.text("account_sid", "");
  out.integer("account_participant_nid",
              all.participant_nid(account.participant));
  out.text("account_participant_code", all.participant(account.participant));
  out.integer("order_nid", of.nid);
  out.integer("instrument_nid", all.instrument_nid(of.instrument));
  out.text("instrument_code", all.instrument(of.instrument));
  out.number("quantity", static_cast<double>(x.quantity));
  out.integer("periode", lends.days ? *lends.days : no_period);
  out.text("state", state);
  out.number("fee_flat_val", of.borrows ? fee(of, x.quantity, flat_rate) : 0.0);
  out.number("fee_val_daily",
             fee(of, x.quantity, of.borrows ? borrow_rate : lend_rate) / 365);
  out.number("fee_val_accumulated", accumulated);
  // Each of the three is made from a clock of its own.
  out.time("matched_at", x.matched_ms + (of.borrows ? 1 : 2));
  out.time("reimburse_at", lends.reimburses_ms);
  return std::move(out).str();
}

std::string trade_body(const exchange_names& all, const exchange_trade& x,
                       const exchange_order& borrows,
                       const exchange_order& lends) {
  ledger_body out;
  out.integer("nid", x.nid).text("kpei_reff", x.reff);
  out.integer("instrument_nid", all.instrument_nid(borrows.instrument));
  out.text("instrument_code", all.instrument(borrows.instrument));
  out.number("quantity", static_cast<double>(x.quantity));
  out.integer("periode", lends.days ? *lends.days : no_period);
  out.text("state", "S").number("fee_flat_rate", flat_rate);
  out.number("fee_borr_rate", borrow_rate).number("fee_lend_rate", lend_rate);
  out.time("matched_at", x.matched_ms);
  out.time("reimburse_at", lends.reimburses_ms);
  out.json("Lender", '[' + contract_body(all, x, lends, lends) + ']');
  out.json("Borrower", '[' + contract_body(all, x, borrows, lends) + ']');
  return std::move(out).str();
}

} // namespace millrace::cli
