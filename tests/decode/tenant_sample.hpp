#pragma once

// A pipeline with tenants and a column whose type the tables disagree about.

#include "tests/decode/sample.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::test {

/// A tenant by member or by header, and a column `n`.
inline pipeline_config tenants_pipeline() {
  auto result = pipeline("t", {{"n", ".n"}, {"o", "@offset"}});
  result.tenant.text = "coalesce(.tenant, header('tenant'))";
  return result;
}

/// Compiled for tables where `n` has this type.
inline program_ptr with_number(const std::string& type, uint32_t oid,
                               const pipeline_config& by = tenants_pipeline()) {
  return compiled(
    by, {{"s", "t", {column("n", type, oid), column("o", "bigint", 20)}, {}}});
}

/// Null: a tombstone.
inline record_view record_of(std::optional<std::string_view> payload) {
  record_view result;
  result.topic = "t";
  result.value = payload;
  return result;
}

} // namespace millrace::test
