#pragma once

#include "nodes/cli/console.hpp"

#include <cstdint>
#include <string>

namespace millrace::cli {

/// What `millrace generate pme` got from the command line.
struct generate_arguments {
  uint64_t seed = 1;

  /// 0: as many as `orders` lead to.
  int64_t events = 0;

  /// 0: no limit. With neither, a day of 10,000 events.
  int64_t orders = 0;

  int32_t participants = 5;
  int32_t instruments = 10;
  int32_t accounts = 8;
  int32_t partitions = 3;

  /// A share: `1%` or `0.01`.
  std::string poison = "0";

  /// Records per second; 0: as fast as they are taken.
  double rate = 0;

  /// When trading begins, RFC 3339.
  std::string opens = "2025-12-03T09:00:00+07:00";

  /// A file that is made, or `-`.
  std::string out = "-";
};

/// `millrace generate pme`: writes a day of the exchange as recorded records, a
/// line each.
exit_code run_generate_pme(const generate_arguments& what, console& to);

} // namespace millrace::cli
