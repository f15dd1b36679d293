#include "actors/decode/decoder.hpp"

#include "actors/decode/decimal_text.hpp"
#include "actors/decode/evaluator.hpp"
#include "actors/decode/header_bytes.hpp"
#include "actors/decode/reason.hpp"
#include "actors/decode/row_encoder.hpp"
#include "messages/sha256.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace millrace {

using namespace detail;

namespace {

/// What is kept of a payload that is cut.
constexpr std::size_t kept_value_bytes = std::size_t{64} << 10;

} // namespace

class decoder::impl {
public:
  explicit impl(program_ptr program)
    : program_{std::move(program)},
      data_{program_->data()},
      facts_{data_},
      rows_{data_, facts_} {
    std::map<const millrace::program*, std::shared_ptr<impl>> made;
    for (const auto& [tenant, other] : program_->others()) {
      auto& x = made[other.get()];
      if (!x)
        x = std::make_shared<impl>(other);
      others_.emplace(tenant, x);
    }
  }

  outcome decode(const record_view& record, batch_sink& sink);

  const program_ptr& running() const noexcept {
    return program_;
  }

private:
  /// The tenant's name, or nothing; the failure is then noted.
  std::optional<std::string_view> tenant();

  /// The event that takes the record, or nullptr; a failure is noted then,
  /// unless such records are to be ignored.
  const event_program* choose();

  void note_unknown_type(std::optional<std::string_view> name);

  /// All rows of the record.
  bool encode();

  /// Rows of the reject: those that are made always. All of them, or none
  /// when one cannot be made.
  void encode_reject();

  bool encode_always();

  uint64_t lane_hash(const record_view& record);

  /// Whether the event is a quote whose bid is above its ask.
  bool crossed();

  void add_reject(batch& to);

  /// The payload, or its beginning where it is too large and may be cut.
  void set_value(reject& to, std::string_view whole);

  /// Keeps the first failure: what follows from it tells nothing new.
  void note(failure&& x);

  program_ptr program_;
  const program_data& data_;
  evaluator facts_;
  row_encoder rows_;

  /// By tenant, where another program encodes its rows.
  std::map<std::string, std::shared_ptr<impl>, std::less<>> others_;
  const event_program* event_ = nullptr;
  std::optional<failure> failure_;
};

outcome decoder::impl::decode(const record_view& record, batch_sink& sink) {
  failure_.reset();
  const auto* share = sink.share();
  // The scan leaves numbers to their columns' encoders, which may not have
  // been asked. A payload that is no JSON has no route that can be trusted.
  // Where others have to come to the same answer, none of them may wait for
  // what its encoders say.
  if (!facts_.open(record) || (share && !facts_.check_payload()))
    note(facts_.take_failure());
  auto name = tenant();
  // The other program begins anew, as if there were no other one: what a record
  // is must not depend on the tables of a tenant that it does not belong to.
  if (name && !others_.empty())
    if (auto i = others_.find(*name); i != others_.end())
      return i->second->decode(record, sink);
  auto settled = share && name && !failure_;
  if (settled && share->is_elsewhere(*name, record.offset))
    return outcome::elsewhere;
  event_ = choose();
  auto hash = lane_hash(record);
  rows_.begin();
  if (name && !failure_ && !encode())
    note(facts_.take_failure());
  if (failure_ && !settled && !facts_.check_payload())
    failure_ = facts_.take_failure();
  if (failure_ && !settled && failure_->stage == reject_stage::decode) {
    facts_.distrust_payload();
    event_ = choose();
    hash = lane_hash(record);
    name = tenant();
  }
  if (share && name && share->is_elsewhere(*name, record.offset))
    return outcome::elsewhere;
  auto to = name ? sink.open(*name, hash) : nullptr;
  auto result = outcome::written;
  if (!to) {
    if (share && !share->unrouted)
      return outcome::elsewhere;
    if (name)
      note({reject_stage::map, "found the tenant \"" + printable(*name, 80)
                                 + "\", expected one that is registered"});
    to = &sink.unrouted();
    result = outcome::unrouted;
  } else if (failure_) {
    result = outcome::rejected;
  } else if (rows_.rows() == 0) {
    result = outcome::filtered;
  }
  if (to->blocks.size() < data_.writes.size())
    to->blocks.resize(data_.writes.size());
  if (failure_)
    add_reject(*to);
  if (result == outcome::rejected)
    encode_reject();
  if (result != outcome::unrouted) {
    rows_.append_to(to->blocks, record.offset);
    to->crossed += result == outcome::written && crossed() ? 1 : 0;
    to->filtered += result == outcome::filtered ? 1 : 0;
  }
  ++to->events;
  auto at = record.timestamp_ms;
  if (at >= 0) {
    if (to->oldest_timestamp_ms == 0 || at < to->oldest_timestamp_ms)
      to->oldest_timestamp_ms = at;
    to->newest_timestamp_ms = std::max(to->newest_timestamp_ms, at);
  }
  return result;
}

// -- which event --------------------------------------------------------------

const event_program* decoder::impl::choose() {
  if (data_.one_event) [[likely]]
    return &data_.events.front();
  auto candidates = std::span<const int>{data_.untyped};
  if (data_.type_step >= 0) {
    value type;
    if (!facts_.run(data_.type_step, type)) {
      note(facts_.take_failure());
      return nullptr;
    }
    std::optional<std::string_view> name;
    if (!type.is_null()) {
      name = facts_.text(data_.type_step, "event_type");
      if (!name) {
        note(facts_.take_failure());
        return nullptr;
      }
    }
    facts_.set_type(name);
    facts_.keep_texts();
    auto at = name ? data_.types.find(*name) : -1;
    candidates = at < 0 ? std::span<const int>{}
                        : std::span<const int>{
                            data_.by_type[static_cast<std::size_t>(at)]};
    if (at < 0 && data_.reject_unmatched)
      note_unknown_type(name);
  }
  for (auto i : candidates) {
    const auto& event = data_.events[static_cast<std::size_t>(i)];
    auto holds = event.when < 0 ? true : facts_.holds(event.when);
    if (!holds) {
      note(facts_.take_failure());
      return nullptr;
    }
    if (*holds)
      return &event;
  }
  if (!candidates.empty() && data_.reject_unmatched)
    note({reject_stage::map,
          "found an event for which no when of the pipeline's events holds"});
  return nullptr;
}

void decoder::impl::note_unknown_type(std::optional<std::string_view> name) {
  const auto& type = data_.steps[static_cast<std::size_t>(data_.type_step)];
  note({reject_stage::map,
        name ? "found the event type \"" + printable(*name, 80)
                 + "\", expected one of the pipeline's events"
             : "found no event type (" + type.source + " is nothing)"});
}

bool decoder::impl::encode() {
  facts_.keep_texts();
  if (event_ && !facts_.record().value && !event_->takes_tombstones
      && !data_.one_event)
    return facts_.fail(reject_stage::decode, std::string{no_tombstones});
  if (event_ && !rows_.encode(*event_))
    return false;
  for (auto i : data_.every) {
    const auto& event = data_.events[static_cast<std::size_t>(i)];
    auto holds = event.when < 0 ? true : facts_.holds(event.when);
    if (!holds || (*holds && !rows_.encode(event)))
      return false;
  }
  return true;
}

void decoder::impl::encode_reject() {
  rows_.begin();
  if (encode_always())
    return;
  rows_.begin();
  facts_.take_failure();
}

bool decoder::impl::encode_always() {
  facts_.keep_texts();
  if (event_ && !rows_.encode_always(*event_))
    return false;
  for (auto i : data_.every) {
    const auto& event = data_.events[static_cast<std::size_t>(i)];
    auto holds = event.when < 0 ? true : facts_.holds(event.when);
    if (!holds || (*holds && !rows_.encode_always(event)))
      return false;
  }
  return true;
}

std::optional<std::string_view> decoder::impl::tenant() {
  if (!data_.constant_tenant.empty())
    return data_.constant_tenant;
  auto text = facts_.text(data_.tenant_step, "tenant");
  if (!text)
    note(facts_.take_failure());
  return text;
}

/// Frozen: XXH64 of the route's text, else of the raw key, else 0.
uint64_t decoder::impl::lane_hash(const record_view& record) {
  auto step = event_ ? event_->route : data_.stray_route;
  if (step >= 0) {
    if (auto text = facts_.text(step, "route"))
      return route_hash(*text);
    note(facts_.take_failure());
  }
  return record.key ? route_hash(*record.key) : 0;
}

bool decoder::impl::crossed() {
  if (!event_ || event_->crossed_bid < 0 || !facts_.record().value)
    return false;
  value bid;
  value ask;
  if (!facts_.run(event_->crossed_bid, bid)
      || !facts_.run(event_->crossed_ask, ask))
    return false;
  auto read = [](const value& x, decimal_text& to) {
    return x.kind == value_kind::number   ? parse_json_number(x.text, to)
           : x.kind == value_kind::string ? parse_loose_number(x.text, to)
                                          : false;
  };
  decimal_text low;
  decimal_text high;
  return read(bid, high) && read(ask, low) && compare_decimals(high, low) > 0;
}

void decoder::impl::note(failure&& x) {
  if (!failure_)
    failure_ = std::move(x);
}

void decoder::impl::add_reject(batch& to) {
  const auto& record = facts_.record();
  auto& x = to.rejects.emplace_back();
  x.at = offset{record.offset};
  x.stage = failure_->stage;
  x.reason = printable(failure_->reason, max_reason);
  x.has_key = record.key.has_value();
  x.has_value = record.value.has_value();
  x.key = record.key.value_or(std::string_view{});
  set_value(x, record.value.value_or(std::string_view{}));
  for (const auto& header : facts_.headers())
    append_header(x.headers, header);
  x.timestamp_ms = record.timestamp_ms;
}

void decoder::impl::set_value(reject& to, std::string_view whole) {
  auto cuts = facts_.is_oversized()
              && data_.oversized != oversized_policy::keep;
  to.halts = cuts && data_.oversized == oversized_policy::halt;
  to.value = cuts ? whole.substr(0, kept_value_bytes) : whole;
  if (to.value.size() == whole.size())
    return;
  to.value_bytes = static_cast<int64_t>(whole.size());
  to.value_sha256 = sha256(whole);
}

// -- decoder ------------------------------------------------------------------

decoder::decoder(program_ptr program)
  : impl_{std::make_unique<impl>(std::move(program))} {
  // nop
}

decoder::~decoder() = default;

decoder::decoder(decoder&&) noexcept = default;

decoder& decoder::operator=(decoder&&) noexcept = default;

outcome decoder::decode(const record_view& record, batch_sink& sink) {
  return impl_->decode(record, sink);
}

const program_ptr& decoder::running() const noexcept {
  return impl_->running();
}

} // namespace millrace
