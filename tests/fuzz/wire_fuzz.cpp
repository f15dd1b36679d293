// Bytes from another node. The first byte chooses what is read of the others.

#include "messages/batch.hpp"
#include "messages/cluster.hpp"
#include "messages/frame.hpp"
#include "messages/lane.hpp"
#include "messages/packing.hpp"
#include "messages/record_copy.hpp"
#include "messages/source.hpp"
#include "messages/store.hpp"
#include "messages/supervision.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/message_types.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/message.hpp>

#include <string>

using namespace millrace;
using namespace millrace::fuzz;

namespace {

caf::actor_system& the_system() {
  // Before the first system, like in every program.
  static const bool core = [] {
    caf::core::init_global_meta_objects();
    return true;
  }();
  static_cast<void>(core);
  static caf::actor_system_config config;
  // Never ended: what CAF keeps of its own may be gone before statics are.
  static auto* const result = new caf::actor_system{
    config.set("caf.scheduler.max-threads", int64_t{1})};
  return *result;
}

/// What was understood is written as bytes that mean the same.
template <class T>
void read(std::string_view bytes) {
  auto& sys = the_system();
  auto x = unpack<T>(sys, bytes);
  if (!x)
    return;
  auto written = pack(sys, *x);
  auto again = unpack<T>(sys, written);
  require(again.has_value());
  require(pack(sys, *again) == written);
}

/// Pieces of a whole in any order.
void assemble(std::string_view bytes) {
  frame_assembly to;
  while (bytes.size() >= 4) {
    frame x;
    x.sum = static_cast<unsigned char>(bytes[0]) & 3;
    x.total = static_cast<unsigned char>(bytes[1]);
    x.from = static_cast<unsigned char>(bytes[2]);
    auto size = static_cast<unsigned char>(bytes[3]);
    bytes.remove_prefix(4);
    x.bytes = bytes.substr(0, size);
    bytes.remove_prefix(x.bytes.size());
    auto total = x.total;
    if (auto whole = to.add(std::move(x)))
      require(whole->size() == total);
    require(to.bytes() <= 255);
  }
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  exact input{text_of(data + 1, size - 1)};
  auto bytes = input.view();
  switch (data[0] % 14) {
    case 0:
      // Any type that is registered, as nodes send them.
      static_cast<void>(unpack<caf::message>(the_system(), bytes));
      break;
    case 1:
      read<batch>(bytes);
      break;
    case 2:
      read<record_copy>(bytes);
      break;
    case 3:
      read<batch_frame>(bytes);
      break;
    case 4:
      read<lane_reply>(bytes);
      break;
    case 5:
      read<record_request>(bytes);
      break;
    case 6:
      read<peer_hello>(bytes);
      break;
    case 7:
      read<peer_answer>(bytes);
      break;
    case 8:
      read<peer_routes>(bytes);
      break;
    case 9:
      read<lane_answer>(bytes);
      break;
    case 10:
      read<lane_id>(bytes);
      break;
    case 11:
      read<frame>(bytes);
      break;
    case 12:
      read<row_block>(bytes);
      break;
    default:
      assemble(bytes);
  }
  return 0;
}
