#include "messages/flush.hpp"

#include <algorithm>

namespace millrace {

std::vector<offset> left_out(const flush_source& x, bool always) {
  if (always)
    return x.silent;
  std::vector<offset> result;
  for (const auto& r : x.refused)
    result.push_back(r.at);
  for (const auto& w : x.waiting)
    result.push_back(w.record.at);
  if (!x.refused.empty() && !x.waiting.empty())
    std::ranges::sort(result);
  return result;
}

int64_t reject_count(const flush& x) {
  int64_t result = 0;
  for (const auto& source : x.sources) {
    result += std::ranges::count_if(source.data->rejects,
                                    [&source](const reject& r) {
                                      return source.keeps(r.at);
                                    });
    result += std::ssize(source.refused) + std::ssize(source.waiting);
  }
  return result;
}

seq first_waiting(const flush& x) {
  auto all = reject_count(x);
  for (const auto& source : x.sources)
    all -= std::ssize(source.waiting);
  return seq{x.claim.next_seq.value + 1 + all};
}

std::string to_string(flush_verdict x) {
  switch (x) {
    case flush_verdict::committed:
      return "committed";
    case flush_verdict::refused:
      return "refused";
    case flush_verdict::failed:
      return "failed";
    case flush_verdict::in_doubt:
      return "in doubt";
    case flush_verdict::disconnected:
      return "disconnected";
  }
  return "unknown";
}

std::string to_string(failure_action x) {
  switch (x) {
    case failure_action::none:
      return "none";
    case failure_action::bisect:
      return "bisect";
    case failure_action::retry:
      return "retry";
    case failure_action::halve:
      return "halve";
    case failure_action::reconnect:
      return "reconnect";
    case failure_action::back_off:
      return "back off";
    case failure_action::wait_partition:
      return "wait for a partition";
    case failure_action::park:
      return "park";
    case failure_action::halt:
      return "halt";
    case failure_action::missing:
      return "missing";
  }
  return "unknown";
}

} // namespace millrace
