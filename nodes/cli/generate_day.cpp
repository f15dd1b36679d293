#include "nodes/cli/generate_day.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

/// Of orders by their number: milliseconds since 2024, instance, sequence.
constexpr int64_t snowflake_epoch_ms = 1'704'067'200'000;
constexpr int64_t instance = 7;

constexpr int64_t session_ms = int64_t{6 * 60 + 50} * 60'000;

/// Records that one order leads to, about.
constexpr int64_t records_per_order = 6;

// What becomes of orders: plain, rejected, held, held and rejected, amended,
// withdrawn, not withdrawn, withdrawn when it is matched, sent twice, amended
// while it is matched.
constexpr std::string_view order_courses = "ooooooooooooonnphaaawwkltm";

// What becomes of trades: approved, waited for and approved, dropped, waited
// for and dropped, reimbursed, waited for and reimbursed, approved twice,
// approved when it is closed, recalled, rolled over, charged, left.
constexpr std::string_view trade_courses = "aaawwdxrrrersyztucl";

// A small day has the rare ones, too.
constexpr std::string_view first_orders = "onowokooaooph";
constexpr std::string_view first_trades = "xcer";

// Reference data that comes in the course of the day.
constexpr std::string_view references = "PSHpiacL";

/// Time between two orders when they fill the session.
int64_t gap_of(const exchange_day_options& x) {
  auto orders = x.orders > 0 ? x.orders : x.events / records_per_order;
  return std::max<int64_t>(1, session_ms / std::max<int64_t>(1, orders));
}

std::vector<char> letters(std::string_view x) {
  return {x.begin(), x.end()};
}

} // namespace

exchange_day::exchange_day(const exchange_day_options& options)
  : options_{options},
    names_{options.opens_ms, options.participants},
    random_{options.seed},
    now_{options.opens_ms - 300'000},
    gap_{gap_of(options)},
    books_(static_cast<std::size_t>(options.instruments)),
    orders_{letters(order_courses), letters(first_orders)},
    trades_{letters(trade_courses), letters(first_trades)},
    references_{letters(references), {}} {
}

int64_t exchange_day::opening_records(const exchange_day_options& options) {
  return int64_t{8} + options.participants + options.instruments
         + int64_t{2} * options.accounts;
}

std::optional<exchange_record> exchange_day::next() {
  if (over_)
    return std::nullopt;
  if (emitted_ + 1 == options_.events)
    end();
  else if (opened_ < opening_records(options_))
    open();
  else if (options_.poison > 0
           && std::generate_canonical<double, 53>(random_) < options_.poison)
    poison();
  while (!out_) {
    if (tasks_.empty()) {
      end();
      break;
    }
    auto x = tasks_.top();
    tasks_.pop();
    run(std::move(x));
  }
  ++emitted_;
  return std::exchange(out_, std::nullopt);
}

void exchange_day::end() {
  over_ = true;
  emit("Eod", now_ + 10,
       std::move(ledger_body{}.time("date", local_midnight(now_))).str());
}

// -- chance and time ----------------------------------------------------------

// Of the standard distributions nobody says what they yield.
int64_t exchange_day::below(int64_t n) {
  return static_cast<int64_t>(random_() % static_cast<uint64_t>(n));
}

bool exchange_day::chance(int percent) {
  return below(100) < percent;
}

int64_t exchange_day::later(int64_t from, int64_t least, int64_t most) {
  return from + least + below(most - least + 1);
}

char exchange_day::draw(bag& from) {
  if (from.left.empty())
    from.left = from.all;
  auto i = from.left.begin() + below(std::ssize(from.left));
  auto result = *i;
  *i = from.left.back();
  from.left.pop_back();
  return result;
}

void exchange_day::plan(int64_t at, act what, order about, trade deals) {
  // Sent a little after its time was taken: the log's times go back by as much.
  tasks_.push({at, at + below(3), ++tasks_made_, what, std::move(about),
               std::move(deals)});
}

void exchange_day::emit(std::string_view type, int64_t at, std::string body) {
  now_ = std::max(now_, at);
  out_ = exchange_record{{{"event-type", std::string{type}}},
                         std::move(body),
                         at,
                         static_cast<int32_t>(below(options_.partitions))};
}

/// Puts a task off that would be as early as what it follows.
bool exchange_day::moves_on(task& x) {
  std::vector<int64_t*> about;
  if (x.about)
    about.push_back(&x.about->last_ms);
  if (x.about && x.about->before)
    about.push_back(&x.about->before->last_ms);
  if (x.deals)
    about.insert(about.end(), {&x.deals->last_ms, &x.deals->borrows->last_ms,
                               &x.deals->lends->last_ms});
  for (auto* last : about)
    if (x.at <= *last) {
      plan(*last + 1, x.what, std::move(x.about), std::move(x.deals));
      return false;
    }
  for (auto* last : about)
    *last = x.at;
  return true;
}

bool exchange_day::run(task x) {
  switch (x.what) {
    case act::arrive:
      arrive(x);
      return false;
    case act::refer:
      refer(x.at, draw(references_));
      return true;
    case act::match:
    case act::match_late:
      return match(x);
    default:
      if (!moves_on(x))
        return false;
  }
  return x.deals ? on_trade(x) : on_order(x);
}

// -- orders -------------------------------------------------------------------

void exchange_day::arrive(const task& x) {
  // Most of the trade is in a few instruments.
  auto instrument = static_cast<int>(
    chance(60) ? 0 : below(std::min(options_.instruments, 1000)));
  plan(x.at, act::submit, make_order(x.at, chance(50), instrument));
  if (chance(15))
    plan(later(x.at, 1, gap_), act::refer, nullptr);
  if (++arrived_ == options_.orders)
    return;
  // Often several at once.
  plan(chance(30) ? x.at : later(x.at, 1, 3 * gap_), act::arrive, nullptr);
}

exchange_day::order exchange_day::make_order(int64_t at, bool borrows,
                                             int instrument) {
  auto x = std::make_shared<live_order>();
  last_order_nid_ = std::max(last_order_nid_ + 1,
                             (at - snowflake_epoch_ms) << 22 | instance << 12);
  x->nid = last_order_nid_;
  x->reff = std::format("RQ-{:07}", ++requests_);
  x->instrument = instrument;
  x->borrows = borrows;
  auto allowed = [&](int account) {
    auto owner = names_.account(account).participant;
    return borrows ? may_borrow(owner) : may_lend(owner);
  };
  // The first participant may do both, and has the first account.
  x->account = static_cast<int>(below(options_.accounts));
  if (!allowed(x->account))
    x->account = 0;
  x->quantity = (1 + below(borrows ? 20 : 60)) * 100;
  x->price = 500 + 35 * instrument;
  if (borrows || chance(50)) {
    x->days = static_cast<int>(7 + below(60));
    x->settles_ms = local_midnight(at);
    x->reimburses_ms = local_midnight(at, *x->days);
  }
  x->aro = borrows && chance(10);
  return x;
}

void exchange_day::plan_order(const order& x, int64_t from) {
  auto soon = later(from, 2, 40);
  auto in_time = later(from, gap_, 4 * gap_) + 50;
  auto course = x->plain ? 'o' : draw(orders_);
  if (course == 'n')
    return plan(soon, act::reject, x);
  if (course == 'p' || course == 'h') {
    plan(soon, act::hold, x);
    return plan(in_time, course == 'p' ? act::accept : act::reject, x);
  }
  plan(soon, act::accept, x);
  if (course == 'a')
    plan(in_time, act::amend, x);
  if (course == 'm')
    plan(soon + 5, act::amend, x);
  if (course == 't')
    plan(in_time, act::submit_again, x);
  if (course == 'w' || course == 'k' || course == 'l')
    plan(course == 'l' ? soon + 5 : in_time, act::ask_withdrawal, x);
  if (course == 'k')
    plan(in_time + 20, act::refuse_withdrawal, x);
  if (course == 'w' || course == 'l')
    plan(in_time + 20, act::grant_withdrawal, x);
}

void exchange_day::accept(const task& x) {
  auto& of = *x.about;
  of.state = 'O';
  of.open = of.quantity;
  emit("OrderAck", x.at,
       std::move(ledger_body{}.integer("order_nid", of.nid)).str());
  if (of.before) {
    if (of.before->is_open())
      of.before->state = 'A';
    // Whoever matches may not have heard of it.
    if (chance(50))
      plan(x.at + 1, act::match_late, of.before);
    of.before = nullptr;
  }
  auto& here = books_[static_cast<std::size_t>(of.instrument)];
  auto& side = of.borrows ? here.borrowers : here.lenders;
  if (side.size() == max_book)
    side.pop_front();
  side.push_back(x.about);
  plan(later(x.at, 4, 30), act::match, x.about);
}

bool exchange_day::on_order(const task& x) {
  auto& of = *x.about;
  auto told = [&](std::string_view type, std::string_view name = {},
                  std::string_view text = {}) {
    ledger_body body;
    body.integer("order_nid", of.nid);
    if (!name.empty())
      body.text(name, text);
    emit(type, x.at, std::move(body).str());
    return true;
  };
  switch (x.what) {
    case act::submit:
      plan_order(x.about, x.at);
      [[fallthrough]];
    case act::submit_again:
      emit("Order", x.at, order_body(names_, of));
      return true;
    case act::accept:
      accept(x);
      return true;
    case act::reject:
      of.state = 'R';
      return told("OrderNak", "message",
                  "Quantity: must be in multiples of 100 shares");
    case act::hold:
      of.state = 'G';
      return told("OrderPending");
    case act::amend: {
      if (!of.is_open())
        return false;
      // Open until the successor is acknowledged; a trade may still come.
      auto next = make_order(x.at, of.borrows, of.instrument);
      next->account = of.account;
      next->prev_nid = of.nid;
      next->before = x.about;
      next->plain = true;
      plan(x.at, act::submit, next);
      return false;
    }
    case act::ask_withdrawal:
      return told("OrderWithdraw", "reff_request_id",
                  std::format("RQ-{:07}", ++requests_));
    case act::refuse_withdrawal:
      return told("OrderWithdrawNak", "message", "Order: being matched");
    case act::grant_withdrawal:
      if (of.is_open())
        of.state = 'W';
      return told("OrderWithdrawAck");
    default:
      return false;
  }
}

} // namespace millrace::cli
