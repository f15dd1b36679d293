#pragma once

#include "actors/decode/encoder.hpp"
#include "actors/decode/expression.hpp"
#include "actors/decode/fingerprint.hpp"
#include "config/pipeline.hpp"

namespace millrace::detail {

/// Whether an expression can yield what a column's encoder takes, as far as
/// that is known before there is a record.
bool fits(expression_kind x, encoder_kind how);

/// What the map fingerprint is made of: the hash's name, the number of lanes,
/// then tenant, route and writes in the order in which they are added. Frozen.
class map_text {
public:
  explicit map_text(const pipeline_config& config);

  /// A tenant or route, with the code tables that it uses.
  void add(const expression& x);

  void add(const write_config& write);

  uint64_t hash() const noexcept {
    return text_.hash();
  }

private:
  void add_codes(const expression& x);

  const pipeline_config& config_;
  fingerprint_text text_;
};

} // namespace millrace::detail
