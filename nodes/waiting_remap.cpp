#include "nodes/waiting_remap.hpp"

#include "actors/lane/waiting_set.hpp"
#include "nodes/one_event.hpp"

#include <memory>
#include <utility>

namespace millrace {

namespace {

std::string reason_of(const decoded_event& x) {
  if (x.what == outcome::written)
    return {};
  if (x.what == outcome::filtered || x.data.rejects.empty())
    return "no write takes it";
  return x.data.rejects.front().reason;
}

} // namespace

waiting_remap make_waiting_remap(const prepared_pipeline& pipeline) {
  return [all = std::make_shared<const prepared_pipeline>(pipeline),
          by = std::make_shared<decoder>(
            pipeline.program)](const waiting_event& x, const lane_id& from) {
    auto event = decode_event(*by, *all, x);
    remapped_event result{std::move(event.data.lane), {}, reason_of(event)};
    auto plan = all->plans.find(result.lane.tenant);
    if (plan == all->plans.end())
      result.lane = from;
    else if (event.what == outcome::written)
      result.touches
        = remembered(touches_of(event.data, x.record.at, plan->second->traits));
    return result;
  };
}

} // namespace millrace
