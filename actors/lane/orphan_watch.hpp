#pragma once

#include "messages/ids.hpp"

#include <map>

namespace millrace {

/// Counts for how many flushes the same event has been the first of its
/// partition that lacks a parent. Pure.
class orphan_watch {
public:
  /// So often others may go first.
  static constexpr int most = 32;

  /// The first orphans of a flush that failed. True when one of them has been
  /// waited for too often; its count begins anew then.
  bool found(const std::map<slot, offset>& firsts);

private:
  struct orphan {
    offset at;
    int flushes = 0;
  };

  std::map<slot, orphan> first_;
};

} // namespace millrace
