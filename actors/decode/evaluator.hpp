#pragma once

#include "actors/decode/arena.hpp"
#include "actors/decode/datetime.hpp"
#include "actors/decode/decimal_text.hpp"
#include "actors/decode/payload_scanner.hpp"
#include "actors/decode/program_data.hpp"
#include "actors/decode/record.hpp"
#include "messages/batch.hpp"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::detail {

/// Why an event cannot be written.
struct failure {
  reject_stage stage = reject_stage::map;
  std::string reason;
};

constexpr std::string_view no_tombstones
  = "the record has no value (a tombstone), and no write of the pipeline is "
    "for those";

/// Computes expressions for one record at a time.
///
/// A function that fails leaves its reason in `take_failure`.
class evaluator {
public:
  explicit evaluator(const program_data& program);

  /// Turns to a record and reads its payload. False when the payload cannot
  /// be read; expressions that do not need it work all the same. A tombstone
  /// of a program that takes them has nothing to be read.
  bool open(const record_view& record);

  /// The record's payload is larger than the program takes.
  bool is_oversized() const noexcept {
    return record_->value && record_->value->size() > program_.max_record_bytes;
  }

  /// The payload was found to be no JSON after all.
  void distrust_payload() noexcept {
    payload_good_ = false;
    readable_ = false;
  }

  /// Computes a step.
  bool run(int step, value& out);

  /// A step's value as text: the route, the tenant. Nothing when it is null,
  /// missing, or an object or array; `what` names it in the reason.
  std::optional<std::string_view> text(int step, std::string_view what);

  /// Whether a condition holds; nothing when it cannot be said, the failure is
  /// then noted.
  std::optional<bool> holds(int step);

  // -- what the record is part of ---------------------------------------------

  /// The event's type; kept by the caller until the next record.
  void set_type(std::optional<std::string_view> type) noexcept {
    type_ = type;
  }

  /// Texts of the row that ends here are not needed any more.
  void begin_row(int64_t index) noexcept {
    texts_.rewind(row_texts_);
    row_index_ = index;
  }

  /// Texts made so far stay until the next record.
  void keep_texts() noexcept {
    row_texts_ = texts_.here();
  }

  int64_t row_index() const noexcept {
    return row_index_;
  }

  /// Turns to an element of the loop `level` of a write.
  void set_element(std::size_t level, const each_program& loop,
                   std::string_view text, int64_t place) {
    places_[level] = place;
    scanner_.read_element(loop.node, text);
  }

  static constexpr std::size_t max_levels = 4;

  /// The column's value: by its source, except for constants.
  const value& slot(int i) const noexcept {
    return scanner_.slot(i);
  }

  /// The number of x in a code table, -1 when it is not there.
  int entry_of(const value& x, const code_table& table);

  /// The number of x in a code table, -1 when x is null. False when it is in
  /// neither way there.
  bool code(const value& x, const code_table& table, std::string_view source,
            int& out);

  bool fail(reject_stage stage, std::string reason);

  /// The payload is no JSON: says what is wrong with it.
  bool fail_payload();

  /// Whether the payload is JSON as a whole, also where nobody has looked.
  bool is_json() const noexcept;

  /// Reads a payload that seemed good once more, and slowly: false when it is
  /// not JSON after all.
  bool check_payload();

  /// Whether the payload is JSON that a jsonb column can hold.
  bool readable();

  failure take_failure() {
    return std::move(failure_);
  }

  const record_view& record() const noexcept {
    return *record_;
  }

  /// Loaded at the first call for a record.
  std::span<const header_view> headers();

private:
  bool fact(const step& x, value& out);

  bool header(const step& x, value& out);

  bool first_header(value& out);

  bool coalesce(const step& x, value& out);

  bool required(const step& x, value& out);

  bool change(const step& x, value& out);

  bool concat(const step& x, value& out);

  // -- functions.cpp ----------------------------------------------------------

  bool function(const step& x, value& out);

  bool if_else(const step& x, value& out);

  bool null_if(const step& x, value& out);

  bool substring(const step& x, value& out);

  bool capture(const step& x, value& out);

  bool from_epoch(const step& x, value& out);

  bool to_epoch(const step& x, value& out);

  bool utc(const step& x, value& out);

  bool part(const step& x, value& out);

  bool scale(const step& x, value& out);

  bool uuid(const step& x, value& out);

  /// A step's value as a whole number between -limit and limit.
  bool whole_number(const step& x, int argument, int64_t limit, int64_t& out);

  bool number_parts(const value& x, decimal_text& out);

  bool fail_value(const step& x, const value& found, std::string_view expected);

  // -- json_functions.cpp -----------------------------------------------------

  bool with_member(const step& x, value& out);

  std::optional<std::string_view> json_of(const value& x);

  // -- conditions.cpp ---------------------------------------------------------

  bool condition(const step& x, value& out);

  bool exists(const step& x, value& out);

  bool compare(const step& x, bool& out);

  bool is_member(const step& x, bool& out);

  bool truth(const step& x, int argument, bool& out);

  /// Whether two values are equal. False when they cannot be compared.
  bool equal(const step& x, const value& a, const value& b, bool& out);

  /// Below, equal or above zero.
  bool order(const step& x, const value& a, const value& b, int& out);

  /// A value as text; nothing for values that have none.
  std::optional<std::string_view> text_of(const value& x);

  const program_data& program_;
  payload_scanner scanner_;
  arena texts_;
  const record_view* record_ = nullptr;
  bool payload_good_ = false;

  /// Known once somebody has asked.
  std::optional<bool> readable_;
  bool headers_loaded_ = false;
  std::span<const header_view> headers_;
  std::optional<std::string_view> type_;
  int64_t row_index_ = 0;
  std::array<int64_t, max_levels> places_{};
  arena::mark row_texts_;
  date_cache dates_;
  failure failure_;
};

} // namespace millrace::detail
