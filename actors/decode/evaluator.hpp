#pragma once

#include "actors/decode/arena.hpp"
#include "actors/decode/payload_scanner.hpp"
#include "actors/decode/program_data.hpp"
#include "actors/decode/record.hpp"
#include "messages/batch.hpp"

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

  /// The payload was found to be no JSON after all.
  void distrust_payload() noexcept {
    payload_good_ = false;
  }

  /// Computes a step.
  bool run(int step, value& out);

  /// A step's value as text: the route, the tenant. Nothing when it is null,
  /// missing, or an object or array; `what` names it in the reason.
  std::optional<std::string_view> text(int step, std::string_view what);

  /// The column's value: by its source, except for constants.
  const value& slot(int i) const noexcept {
    return scanner_.slot(i);
  }

  /// The number of x in a code table, -1 when x is null. False when it is in
  /// neither way there.
  bool code(const value& x, const code_table& table, std::string_view source,
            int& out);

  bool fail(reject_stage stage, std::string reason);

  /// The payload is no JSON: says what is wrong with it.
  bool fail_payload();

  /// Reads a payload that seemed good once more, and slowly: false when it is
  /// not JSON after all.
  bool check_payload();

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

  bool coalesce(const step& x, value& out);

  bool required(const step& x, value& out);

  bool change(const step& x, value& out);

  bool concat(const step& x, value& out);

  /// A value as text; nothing for values that have none.
  std::optional<std::string_view> text_of(const value& x);

  const program_data& program_;
  payload_scanner scanner_;
  arena texts_;
  const record_view* record_ = nullptr;
  bool payload_good_ = false;
  bool headers_loaded_ = false;
  std::span<const header_view> headers_;
  failure failure_;
};

} // namespace millrace::detail
