#include "actors/store/missed_partition.hpp"

#include <memory>

#include <libpq-fe.h>

namespace millrace {

namespace {

struct pq_free {
  void operator()(PGnotify* x) const noexcept {
    PQfreemem(x);
  }
};

} // namespace

void tell_missed_partition(connection& conn) {
  if (conn.is_open())
    static_cast<void>(conn.run("NOTIFY millrace_missed_partition"));
}

store_result<void> listen_for_missed_partitions(connection& conn) {
  return conn.run("LISTEN millrace_missed_partition");
}

bool heard_missed_partition(connection& conn) {
  auto heard = false;
  if (conn.is_open())
    while (std::unique_ptr<PGnotify, pq_free>{PQnotifies(conn.raw())})
      heard = true;
  return heard;
}

} // namespace millrace
