// Times and decimal numbers as texts.

#include "actors/decode/datetime.hpp"
#include "actors/decode/decimal_text.hpp"
#include "actors/decode/moment.hpp"
#include "actors/decode/numeric.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <limits>
#include <string>

using namespace millrace;
using namespace millrace::detail;
using namespace millrace::fuzz;

namespace {

void times(std::string_view text) {
  date_cache cache;
  int64_t at = 0;
  if (!parse_timestamp(text, true, at, cache)) {
    // The same again, with the date remembered.
    int64_t again = 0;
    require(!parse_timestamp(text, true, again, cache));
    require(again == at);
    char written[max_moment];
    std::string_view canonical{written, write_moment(at, written)};
    // Years before the first are written with a minus, which nobody reads.
    if (part_of(at, 0) >= 1) {
      date_cache other;
      require(!parse_timestamp(canonical, true, again, other));
      require(again == at);
    }
    for (int part = 0; part < 8; ++part)
      static_cast<void>(part_of(at, part));
    int64_t units = 0;
    for (auto digits : {0, 3, 6, 9})
      static_cast<void>(to_epoch_units(at, digits, units));
  }
  static_cast<void>(parse_timestamp(text, false, at, cache));
  int32_t days = 0;
  static_cast<void>(parse_date(text, days));
  if (!parse_time_of_day(text, at))
    require(at >= 0 && at <= 86'400'000'000);
}

/// What a numeric field's head says of itself.
void check_field(std::string_view field) {
  require(field.size() >= 8 && field.size() % 2 == 0);
  auto groups = static_cast<unsigned char>(field[0]) << 8
                | static_cast<unsigned char>(field[1]);
  require(field.size() == 8 + 2 * static_cast<std::size_t>(groups));
  for (std::size_t i = 8; i < field.size(); i += 2)
    require((static_cast<unsigned char>(field[i]) << 8
             | static_cast<unsigned char>(field[i + 1]))
            < 10'000);
}

void number(const decimal_text& x) {
  constexpr auto low = std::numeric_limits<int64_t>::min();
  constexpr auto high = std::numeric_limits<int64_t>::max();
  for (numeric_limits limits :
       {numeric_limits{}, {10, 2}, {38, 0}, {5, -3}, {1'000, 1'000}, {3, 5}}) {
    output out;
    if (put_numeric(x, limits, out))
      check_field(out.view());
  }
  int64_t whole = 0;
  if (to_integer(x, low, high, whole)) {
    auto text = std::to_string(whole);
    decimal_text same;
    require(parse_json_number(text, same));
    require(compare_decimals(x, same) == 0);
  }
  for (auto digits : {0, 3, 6, 9}) {
    int64_t at = 0;
    static_cast<void>(from_epoch_units(x, digits, at));
  }
  require(compare_decimals(x, x) == 0);
}

void numbers(std::string_view text, std::string_view other) {
  decimal_text x;
  decimal_text y;
  // JSON's numbers are a part of what may stand as text.
  if (parse_json_number(text, x))
    require(parse_loose_number(text, y));
  if (!parse_loose_number(text, x))
    return;
  number(x);
  if (parse_loose_number(other, y)) {
    auto forth = compare_decimals(x, y);
    auto back = compare_decimals(y, x);
    require((forth < 0) == (back > 0) && (forth == 0) == (back == 0));
  }
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  auto parts = parts_of(text_of(data, size));
  exact first{parts.front()};
  exact last{parts.back()};
  times(first.view());
  numbers(first.view(), last.view());
  return 0;
}
