#pragma once

#include "messages/ids.hpp"

#include <map>

namespace millrace {

/// The first events of each partition that lack a parent, and for how many
/// flushes they have. Pure.
class orphan_watch {
public:
  /// So often others may go first.
  static constexpr int most = 32;

  /// The first orphans of a flush that failed. True when one of them has been
  /// waited for too often; its count begins anew then.
  bool found(const std::map<slot, offset>& firsts);

  /// What is below `to` was written. True when an orphan was.
  bool passed(slot at, offset to);

private:
  struct orphan {
    offset at;

    /// The first that was waited for since something was written.
    offset since;
    int flushes = 0;
  };

  std::map<slot, orphan> first_;
};

} // namespace millrace
