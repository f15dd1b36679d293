#include "nodes/waiting_mapper.hpp"

#include "nodes/one_event.hpp"

#include <memory>
#include <utility>

namespace millrace {

std::function<waiting_mapper()>
make_waiting_mapper(const prepared_pipeline& pipeline) {
  return [all = std::make_shared<const prepared_pipeline>(pipeline)] {
    auto by = std::make_shared<decoder>(all->program);
    return [all, by](const waiting_event& x, const lane_row& row) -> batch_ptr {
      auto event = decode_event(*by, *all, x);
      auto& data = event.data;
      data.map_version = row.map_version;
      data.shape = all->program->of(row.lane.tenant).shape();
      // A reject stays with the lane that has the event.
      if (event.what != outcome::written)
        data.lane = row.lane;
      const auto& writes = all->plans.at(row.lane.tenant)->traits;
      for (std::size_t i = 0; i < data.blocks.size(); ++i)
        if (writes.at(i).always)
          data.blocks[i].clear();
      if (leave_out(x.leave_out, *all, data)) {
        auto& why = data.rejects.emplace_back(x.record);
        why.stage = reject_stage::waiting;
        why.reason = begun_later_text;
        data.lane = row.lane;
      }
      // Both were counted when the event came first.
      data.crossed = 0;
      data.oldest_timestamp_ms = 0;
      return std::make_shared<const batch>(std::move(data));
    };
  };
}

} // namespace millrace
