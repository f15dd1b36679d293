#pragma once

// The bodies of an exchange's ledger events, as its services write them: the
// order of the members, the texts of numbers and times.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// Writes one body as Go's encoder does: no blanks, `<`, `>` and `&` escaped,
/// doubles with the fewest digits, in exponent form from 1e21 and below 1e-6.
/// Begins with the `timestamp` that producers never set.
class ledger_body {
public:
  ledger_body();

  ledger_body& text(std::string_view name, std::string_view x);
  ledger_body& integer(std::string_view name, int64_t x);
  ledger_body& number(std::string_view name, double x);
  ledger_body& boolean(std::string_view name, bool x);

  /// RFC 3339 at +07:00 from milliseconds since 1970; the year 1 for nothing.
  ledger_body& time(std::string_view name, std::optional<int64_t> ms);

  /// `0000-01-01T09:30:00Z`.
  ledger_body& time_of_day(std::string_view name, int minutes);

  /// The JSON as it is.
  ledger_body& json(std::string_view name, std::string_view x);

  std::string str() &&;

private:
  ledger_body& member(std::string_view name);

  std::string out_;
};

/// Local midnight of the day that is so many days after the one of `ms`.
int64_t local_midnight(int64_t ms, int days = 0);

/// `YYYYMMDD` or, with `time`, `YYYYMMDDhhmmss`, in local time.
std::string compact_date(int64_t ms, bool time);

// -- the exchange's things ----------------------------------------------------

/// Everything about an account follows from its number.
struct exchange_account {
  int64_t nid = 0;
  std::string code;
  std::string sid;
  int participant = 0;
};

struct exchange_order {
  int64_t nid = 0;
  int64_t prev_nid = 0;
  std::string reff;
  int account = 0;
  int instrument = 0;
  bool borrows = true;
  int64_t quantity = 0;

  /// Nothing for a lender who names no dates.
  std::optional<int> days;
  std::optional<int64_t> settles_ms;
  std::optional<int64_t> reimburses_ms;
  int64_t price = 0;
  bool aro = false;

  // Where it stands.
  char state = 'S';
  int64_t done = 0;

  /// What may still be matched. More than `quantity - done` after the source
  /// has matched a part twice.
  int64_t open = 0;

  /// Time of its last event: of two events about an order one is later.
  int64_t last_ms = 0;

  bool is_open() const noexcept {
    return state == 'O' || state == 'P';
  }
};

struct exchange_trade {
  int64_t nid = 0;
  std::string reff;
  int64_t quantity = 0;
  int64_t matched_ms = 0;
  int64_t last_ms = 0;
};

/// Codes, names and ids of what an exchange has; nothing of it is stored.
class exchange_names {
public:
  exchange_names(int64_t opens_ms, int participants)
    : opens_ms_{opens_ms},
      participants_{participants} {
  }

  std::string participant(int i) const;
  std::string instrument(int i) const;
  exchange_account account(int i) const;

  int64_t participant_nid(int i) const noexcept {
    return opens_ms_ - 7'000'000 + i;
  }

  int64_t instrument_nid(int i) const noexcept {
    return opens_ms_ - 6'000'000 + i;
  }

private:
  int64_t opens_ms_;
  int participants_;
};

/// One in five may not lend, and another one may not borrow.
bool may_borrow(int participant);
bool may_lend(int participant);

std::string order_body(const exchange_names& all, const exchange_order& x);

/// One side's contract; `state` and `accumulated` as a Contract of its own may
/// have them.
std::string contract_body(const exchange_names& all, const exchange_trade& x,
                          const exchange_order& of, const exchange_order& lends,
                          std::string_view state = "S", double accumulated = 0);

std::string trade_body(const exchange_names& all, const exchange_trade& x,
                       const exchange_order& borrows,
                       const exchange_order& lends);

} // namespace millrace::cli
