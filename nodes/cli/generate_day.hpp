#pragma once

#include "nodes/cli/generate_events.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::cli {

struct exchange_day_options {
  uint64_t seed = 1;

  /// Exactly so many records, poison among them; more than the opening has.
  /// 0: as many as the orders lead to.
  int64_t events = 10'000;

  /// The day ends when all is over that so many orders led to; those that they
  /// led to by themselves are not counted. 0: no limit.
  int64_t orders = 0;

  int participants = 5;
  int instruments = 10;
  int accounts = 8;
  int partitions = 3;

  /// Share of the records that nobody can use, below 1.
  double poison = 0;

  /// When the session begins: 2025-12-03 09:00 at +07:00.
  int64_t opens_ms = 1'764'727'200'000;
};

/// One record as Kafka has it.
struct exchange_record {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  int64_t timestamp_ms = 0;
  int32_t partition = 0;
};

/// A trading day of the exchange as the records of its ledger, one by one:
/// reference data, then orders and what becomes of them, until the end of the
/// day. All 23 types of events come, within some 200 records. The same options
/// make the same day on every machine.
///
/// Beside plain trading it has what the source is known to do: amendments that
/// a trade overtakes, withdrawals of what is matched by then, trades that match
/// more than an order has, repeats, orders that come back by recall and
/// roll-over, lenders without dates, business codes under several ids, times
/// that go back by a millisecond or two.
///
/// Of two events about one order, trade or code one is later by Kafka's time,
/// so the day's outcome does not depend on how it is spread over partitions.
///
/// Memory: bounded by `max_book` orders per instrument and side, and by what is
/// under way; not by the number of records.
class exchange_day {
public:
  static constexpr std::size_t max_book = 256;

  explicit exchange_day(const exchange_day_options& options);

  /// Nothing at the end.
  std::optional<exchange_record> next();

  int64_t records() const noexcept {
    return emitted_;
  }

  /// Records before the first order.
  static int64_t opening_records(const exchange_day_options& options);

private:
  struct live_order : exchange_order {
    /// What it amends.
    std::shared_ptr<live_order> before;

    /// It goes its way without incidents.
    bool plain = false;
  };
  using order = std::shared_ptr<live_order>;

  struct deal : exchange_trade {
    order borrows;
    order lends;
  };
  using trade = std::shared_ptr<deal>;

  enum class act : uint8_t {
    arrive,
    submit,
    submit_again,
    accept,
    reject,
    hold,
    amend,
    ask_withdrawal,
    refuse_withdrawal,
    grant_withdrawal,
    match,
    match_late,
    wait,
    approve,
    drop,
    roll_over,
    reimburse,
    recall,
    charge,
    refer,
  };

  /// Something that will happen; most make a record.
  struct task {
    int64_t at = 0;

    /// When its record is sent, by the log's own order.
    int64_t sent = 0;
    uint64_t number = 0;
    act what = act::arrive;
    order about = {};
    trade deals = {};

    friend bool operator>(const task& x, const task& y) noexcept {
      return std::pair{x.sent, x.number} > std::pair{y.sent, y.number};
    }
  };

  /// What comes out of a bag comes in the shares that were put into it, also
  /// when only a few are drawn.
  struct bag {
    std::vector<char> all;
    std::vector<char> left;
  };

  struct book {
    std::deque<order> borrowers;
    std::deque<order> lenders;
  };

  // Each says whether it made a record.
  bool run(task x);
  bool on_order(const task& x);
  bool on_trade(const task& x);
  bool match(const task& x);

  bool moves_on(task& x);
  void arrive(const task& x);
  order make_order(int64_t at, bool borrows, int instrument);
  void plan_order(const order& x, int64_t from);
  void accept(const task& x);

  // In generate_day_trades.cpp.
  order first_against(const exchange_order& x);
  void plan_trade(const trade& x, int64_t from);
  void reopen(const order& x, int64_t quantity);
  order come_back(const deal& x, std::string_view ending, bool aro);

  void end();

  // In generate_day_reference.cpp.
  void open();
  void refer(int64_t at, char what);
  void start_service(int64_t at, std::string_view name);
  void set_parameter(int64_t at);
  void set_session(int64_t at);
  void name_holiday(int64_t at);
  void name_participant(int64_t at, int i, int64_t nid);
  void name_instrument(int64_t at, int i, int64_t nid, bool status);
  void name_account(int64_t at, int i, int64_t nid, std::string_view name);
  void limit_account(int64_t at, int i);
  void poison();

  void plan(int64_t at, act what, order about, trade deals = {});
  void emit(std::string_view type, int64_t at, std::string body);
  int64_t later(int64_t from, int64_t least, int64_t most);
  int64_t below(int64_t n);
  bool chance(int percent);
  char draw(bag& from);

  exchange_day_options options_;
  exchange_names names_;
  std::mt19937_64 random_;
  int64_t now_;
  int64_t opened_ = 0;
  int64_t emitted_ = 0;
  int64_t arrived_ = 0;
  bool over_ = false;

  /// Time between two orders, about.
  int64_t gap_;

  std::priority_queue<task, std::vector<task>, std::greater<>> tasks_;
  uint64_t tasks_made_ = 0;
  std::vector<book> books_;
  bag orders_;
  bag trades_;
  bag references_;
  std::optional<exchange_record> out_;

  // The last of each kind of id, and of each kind of reference data its time.
  int64_t last_order_nid_ = 0;
  int64_t last_ms_nid_ = 0;
  int64_t last_trade_nid_ = 0;
  int64_t requests_ = 0;
  int64_t reference_ms_ = 0;
};

} // namespace millrace::cli
