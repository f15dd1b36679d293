// The second part of a day: orders meet, and what becomes of their trades.

#include "nodes/cli/generate_day.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::cli {

exchange_day::order exchange_day::first_against(const exchange_order& x) {
  auto& at = books_[static_cast<std::size_t>(x.instrument)];
  auto& side = x.borrows ? at.lenders : at.borrowers;
  while (!side.empty() && (!side.front()->is_open() || side.front()->open == 0))
    side.pop_front();
  return side.empty() ? nullptr : side.front();
}

/// The oldest order on the other side, as far as both go.
bool exchange_day::match(const task& x) {
  auto wants = x.about->is_open() || x.what == act::match_late;
  if (!wants || x.about->open == 0)
    return false;
  auto other = first_against(*x.about);
  if (!other)
    return false;
  auto after = std::max(x.about->last_ms, other->last_ms) + 1;
  if (x.at < after) {
    plan(after, x.what, x.about);
    return false;
  }
  auto made = std::make_shared<deal>();
  // Times go back a little, ids do not.
  made->nid = last_trade_nid_ = std::max(last_trade_nid_ + 1, x.at);
  made->reff = std::format("PME-{}-{}", compact_date(x.at, false), made->nid);
  made->matched_ms = x.at - 3;
  made->last_ms = x.at;
  made->borrows = x.about->borrows ? x.about : other;
  made->lends = x.about->borrows ? other : x.about;
  made->quantity = std::min(x.about->open, other->open);
  if (made->quantity > 100 && chance(30))
    made->quantity = (1 + below(made->quantity / 100 - 1)) * 100;
  for (const auto& of : {x.about, other}) {
    of->last_ms = x.at;
    of->done += made->quantity;
    // Now and then a part is matched once more.
    if (!chance(4))
      of->open -= made->quantity;
    if (of->is_open())
      of->state = of->open > 0 ? 'P' : 'M';
  }
  emit("Trade", x.at, trade_body(names_, *made, *made->borrows, *made->lends));
  plan(later(x.at, 2, 30), act::match, x.about);
  plan_trade(made, x.at);
  return true;
}

void exchange_day::plan_trade(const trade& x, int64_t from) {
  auto soon = later(from, 10, 400);
  auto then = later(soon, 10, 2 * gap_ + 400);
  auto last = later(then, gap_, 6 * gap_) + 50;
  auto course = draw(trades_);
  auto one_of = [&](std::string_view these) { return these.contains(course); };
  if (one_of("wxes"))
    plan(soon, act::wait, nullptr, x);
  if (one_of("dx"))
    plan(course == 'd' ? soon : then, act::drop, nullptr, x);
  if (one_of("awresyztuc"))
    plan(one_of("wes") ? then : soon, act::approve, nullptr, x);
  if (course == 'y')
    plan(then, act::approve, nullptr, x);
  if (course == 't')
    plan(then, act::recall, nullptr, x);
  if (course == 'u')
    plan(then, act::roll_over, nullptr, x);
  if (course == 'c')
    plan(then, act::charge, nullptr, x);
  if (one_of("reszu"))
    plan(last, act::reimburse, nullptr, x);
  if (course == 'z')
    plan(last + 20, act::approve, nullptr, x);
}

/// A loan that comes back to the market as an order of its borrower.
exchange_day::order exchange_day::come_back(const deal& x,
                                            std::string_view ending, bool aro) {
  auto result = make_order(x.last_ms, true, x.borrows->instrument);
  // These are numbered by the clock alone.
  last_ms_nid_ = std::max(last_ms_nid_ + 1, x.last_ms);
  result->nid = last_ms_nid_;
  result->account = x.borrows->account;
  result->quantity = x.quantity;
  result->aro = aro;
  result->plain = true;
  result->reff = x.reff + std::string{ending};
  result->settles_ms = local_midnight(x.last_ms, 1);
  return result;
}

void exchange_day::reopen(const order& x, int64_t quantity) {
  x->done -= quantity;
  if (x->state != 'P' && x->state != 'M')
    return;
  x->open = std::max<int64_t>(0, x->quantity - x->done);
  x->state = x->done <= 0 ? 'O' : x->open == 0 ? 'M' : 'P';
  plan(later(x->last_ms, 4, 30), act::match, x);
}

bool exchange_day::on_trade(const task& x) {
  auto& of = *x.deals;
  auto told = [&](std::string_view type, std::string_view message = {}) {
    ledger_body body;
    body.integer("trade_nid", of.nid);
    if (!message.empty())
      body.text("message", message);
    emit(type, x.at, std::move(body).str());
    return true;
  };
  switch (x.what) {
    case act::wait:
      return told("TradeWait");
    case act::approve:
      return told("TradeAck");
    case act::drop:
      reopen(of.borrows, of.quantity);
      reopen(of.lends, of.quantity);
      return told("TradeNak", "Trade not approved by eClear by EOD");
    case act::reimburse:
      return told("TradeReimburse");
    case act::roll_over:
      plan(x.at, act::submit, come_back(of, "-ARO", true));
      return false;
    case act::recall:
      plan(x.at, act::submit, come_back(of, "-LEND-RECALL", false));
      return false;
    case act::charge: {
      auto borrows = chance(50);
      emit("Contract", x.at,
           contract_body(names_, of, borrows ? *of.borrows : *of.lends,
                         *of.lends, borrows ? "O" : "T", 1234.5));
      return true;
    }
    default:
      return false;
  }
}

} // namespace millrace::cli
