#include "messages/cluster.hpp"
#include "messages/lane.hpp"
#include "messages/supervision.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <catch2/catch_test_macros.hpp>

#include <format>

using namespace millrace;
using namespace millrace::test;

// Nodes of different versions talk to each other: a byte that changes here
// breaks a cluster while it is upgraded. Change the wire version with it.

namespace {

struct wire : deterministic {
  template <class T>
  std::string hex(const T& x) {
    caf::byte_buffer bytes;
    caf::binary_serializer sink{sys, bytes};
    REQUIRE(sink.apply(x));
    std::string result;
    for (auto b : bytes)
      result += std::format("{:02x}", static_cast<unsigned>(b));
    return result;
  }

  template <class T>
  bool read(const std::string& text, T& to) {
    caf::byte_buffer bytes;
    for (std::size_t i = 0; i < text.size(); i += 2)
      bytes.push_back(
        static_cast<caf::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
    caf::binary_deserializer from{sys, bytes};
    return from.apply(to);
  }

  /// Writes as `frozen`, and reads that back into something that writes so.
  template <class T>
  T round_trip(const T& x, const std::string& frozen) {
    CHECK(hex(x) == frozen);
    T result;
    REQUIRE(read(frozen, result));
    CHECK(hex(result) == frozen);
    return result;
  }
};

lane_id sample_lane() {
  return {"p", "t", shard{2}};
}

partition_id sample_source() {
  partition_id result;
  for (uint8_t i = 0; i < 16; ++i)
    result.topic.bytes[i] = i;
  result.number = {3};
  return result;
}

row_block sample_block() {
  row_block result;
  result.bytes = {std::byte{0}, std::byte{0xFF}, std::byte{1}};
  result.row_ends = {1, 3};
  result.offsets = {10, 11};
  result.keys = {{1, 2}, {3, 4}};
  return result;
}

reject sample_reject() {
  reject result;
  result.at = {12};
  result.stage = reject_stage::map;
  result.sqlstate = "22003";
  result.reason = "r";
  result.has_key = true;
  result.key = "k";
  result.headers = std::string("\0h", 2);
  result.timestamp_ms = -1;
  result.value_bytes = 9;
  result.value_sha256 = "s";
  result.halts = true;
  return result;
}

batch sample_batch() {
  batch result;
  result.lane = sample_lane();
  result.source = sample_source();
  result.topic = "ticks";
  result.range = {{10}, {20}};
  result.map_version = {5};
  result.shape = {0xFFEEDDCCBBAA9988};
  result.rewind = {6};
  result.blocks = {sample_block()};
  result.rejects = {sample_reject()};
  result.filtered = 1;
  result.crossed = 2;
  result.events = 4;
  result.oldest_timestamp_ms = 7;
  result.newest_timestamp_ms = 8;
  return result;
}

constexpr auto lane_hex = "0170017400000002";
constexpr auto block_hex
  = "0300ff0102000000010000000302000000000000000a000000000000000b0200"
    "00000000000001000000000000000200000000000000030000000000000004";
constexpr auto reject_hex
  = "000000000000000c0205323230303301720100016b00020068ffffffffffffff"
    "ff0000000000000009017301";
constexpr auto batch_hex
  = "0170017400000002000102030405060708090a0b0c0d0e0f0000000305746963"
    "6b73000000000000000a00000000000000140000000000000005ffeeddccbbaa"
    "99880000000000000006010300ff010200000001000000030200000000000000"
    "0a000000000000000b0200000000000000010000000000000002000000000000"
    "0003000000000000000401000000000000000c0205323230303301720100016b"
    "00020068ffffffffffffffff0000000000000009017301000000000000000100"
    "00000000000002000000000000000400000000000000070000000000000008";

} // namespace

TEST_CASE_METHOD(wire, "a lane id keeps its bytes") {
  CHECK(round_trip(sample_lane(), lane_hex) == sample_lane());
}

TEST_CASE_METHOD(wire, "a row block keeps its bytes") {
  auto got = round_trip(sample_block(), block_hex);
  CHECK(got.bytes == sample_block().bytes);
  CHECK(got.row_ends == sample_block().row_ends);
  CHECK(got.offsets == sample_block().offsets);
  CHECK(got.keys == sample_block().keys);
}

TEST_CASE_METHOD(wire, "a reject keeps its bytes, null value included") {
  auto got = round_trip(sample_reject(), reject_hex);
  CHECK(got.at == offset{12});
  CHECK(got.stage == reject_stage::map);
  CHECK(got.has_key);
  CHECK_FALSE(got.has_value);
  CHECK(got.headers.size() == 2);
  CHECK(got.timestamp_ms == -1);
  CHECK(got.value_bytes == 9);
  CHECK(got.value_sha256 == "s");
  CHECK(got.halts);
}

TEST_CASE_METHOD(wire, "a reject of an unknown stage is refused") {
  auto bytes = hex(sample_reject());
  // The stage stands behind the eight bytes of the offset.
  for (auto bad : {"00", "05", "ff"}) {
    bytes.replace(16, 2, bad);
    reject got;
    CHECK_FALSE(read(bytes, got));
  }
}

TEST_CASE_METHOD(wire, "a batch keeps its bytes") {
  auto got = round_trip(sample_batch(), batch_hex);
  CHECK(got.lane == sample_lane());
  CHECK(got.source == sample_source());
  CHECK(got.topic == "ticks");
  CHECK(got.range == offset_range{{10}, {20}});
  CHECK(got.map_version == map_version{5});
  CHECK(got.shape == shape{0xFFEEDDCCBBAA9988});
  CHECK(got.rewind == millrace::rewind{6});
  CHECK(got.blocks.size() == 1);
  CHECK(got.rejects.size() == 1);
  CHECK(got.filtered == 1);
  CHECK(got.crossed == 2);
  CHECK(got.events == 4);
  CHECK(got.oldest_timestamp_ms == 7);
  CHECK(got.newest_timestamp_ms == 8);
}

TEST_CASE_METHOD(wire, "a lane batch keeps its bytes") {
  lane_batch x;
  x.data = std::make_shared<const batch>(sample_batch());
  x.at = {9};
  auto got = round_trip(
    x, "0170017400000002000102030405060708090a0b0c0d0e0f0000000305746963"
       "6b73000000000000000a00000000000000140000000000000005ffeeddccbbaa"
       "99880000000000000006010300ff010200000001000000030200000000000000"
       "0a000000000000000b0200000000000000010000000000000002000000000000"
       "0003000000000000000401000000000000000c0205323230303301720100016b"
       "00020068ffffffffffffffff0000000000000009017301000000000000000100"
       "0000000000000200000000000000040000000000000007000000000000000800"
       "0000090000000000000000ff");
  REQUIRE(got.data);
  CHECK(got.data->range == x.data->range);
  CHECK(got.data->blocks.at(0).bytes == x.data->blocks.at(0).bytes);
  CHECK(got.at == slot{9});
  CHECK_FALSE(got.reply_to);
}

TEST_CASE_METHOD(wire, "a lane answer keeps its bytes") {
  lane_answer x;
  x.lane = sample_lane();
  x.replies = {{lane_reply::kind::ack, sample_source(), {20}, {1}},
               {lane_reply::kind::nack, sample_source(), {21}, {2}},
               {lane_reply::kind::hand_back, sample_source(), {22}, {3}}};
  auto got = round_trip(
    x, "01700174000000020300000102030405060708090a0b0c0d0e0f000000030000"
       "000000000014000000000000000101000102030405060708090a0b0c0d0e0f00"
       "0000030000000000000015000000000000000202000102030405060708090a0b"
       "0c0d0e0f0000000300000000000000160000000000000003");
  CHECK(got.lane == sample_lane());
  REQUIRE(got.replies.size() == 3);
  CHECK(got.replies[1].what == lane_reply::kind::nack);
  CHECK(got.replies[1].source == sample_source());
  CHECK(got.replies[1].at == offset{21});
  CHECK(got.replies[1].number == millrace::rewind{2});
  CHECK(got.replies[2].what == lane_reply::kind::hand_back);
}

TEST_CASE_METHOD(wire, "an unknown answer is refused") {
  lane_reply x{lane_reply::kind::ack, sample_source(), {20}, {1}};
  auto bytes = hex(x);
  bytes.replace(0, 2, "03");
  CHECK_FALSE(read(bytes, x));
}

TEST_CASE_METHOD(wire, "a lane route keeps its bytes") {
  lane_route x;
  x.lane = sample_lane();
  auto got = round_trip(x, "01700174000000020000000000000000ff");
  CHECK(got.lane == sample_lane());
  CHECK_FALSE(got.writer);
}

TEST_CASE_METHOD(wire, "a record request keeps its bytes") {
  auto got = round_trip(record_request{sample_source(), {12}, 7},
                        "000102030405060708090a0b0c0d0e0f00000003"
                        "000000000000000c0000000000000007");
  CHECK(got.source == sample_source());
  CHECK(got.at == offset{12});
  CHECK(got.from == 7);
}

TEST_CASE_METHOD(wire, "a frame keeps its bytes") {
  frame x{0x0102030405060708, 9, 5, std::string("\0f", 2)};
  auto got = round_trip(x, "010203040506070800000000000000090000000000000005"
                           "020066");
  CHECK(got.total == 9);
  CHECK(got.bytes.size() == 2);
}

TEST_CASE_METHOD(wire, "a frame of a batch keeps its bytes") {
  batch_frame x{{1, 2, 0, "fg"}, slot{3}, {}};
  auto got = round_trip(x,
                        "0000000000000001000000000000000200000000000000000266"
                        "67000000030000000000000000ff");
  CHECK(got.piece.sum == 1);
  CHECK(got.at == slot{3});
  CHECK_FALSE(got.reply_to);
}

TEST_CASE_METHOD(wire, "a record copy keeps its bytes") {
  record_copy x;
  x.found = x.has_key = true;
  x.key = "k";
  x.headers = std::string("\0h", 2);
  x.timestamp_ms = 5;
  auto got = round_trip(x, "010100016b000200680000000000000005");
  CHECK(got.found);
  CHECK(got.has_key);
  CHECK_FALSE(got.has_value);
  CHECK(got.headers.size() == 2);
}

namespace {

peer_hello sample_hello() {
  peer_hello result;
  result.node = "one";
  result.placement_fingerprint = 0x0102030405060708;
  result.pipelines = {{"p", 0x1112131415161718, 4}};
  return result;
}

constexpr auto hello_hex = "00000002036f6e6501020304050607080101701112131415"
                           "161718000000040000000000000000ff";

} // namespace

TEST_CASE_METHOD(wire, "a peer's hello keeps its bytes") {
  auto got = round_trip(sample_hello(), hello_hex);
  CHECK(got.wire == wire_version);
  CHECK(got.node == "one");
  CHECK(got.placement_fingerprint == sample_hello().placement_fingerprint);
  CHECK(got.pipelines == sample_hello().pipelines);
  CHECK_FALSE(got.peers);
}

TEST_CASE_METHOD(wire, "a peer's answer keeps its bytes") {
  peer_answer x{"no", sample_hello()};
  auto got = round_trip(x, std::string{"026e6f"} + hello_hex);
  CHECK(got.refusal == "no");
  CHECK(got.me.node == "one");
}

TEST_CASE_METHOD(wire, "a peer's routes keep their bytes") {
  peer_routes x;
  x.routes = {{sample_lane(), {}}};
  auto got = round_trip(x, "0101700174000000020000000000000000ff");
  REQUIRE(got.routes.size() == 1);
  CHECK(got.routes[0].lane == sample_lane());
}

TEST_CASE_METHOD(wire, "an actor report keeps its bytes") {
  actor_report child;
  child.name = "c";
  actor_report x;
  x.name = "n";
  x.kind = "k";
  x.state = "s";
  x.since_ms = 1;
  x.restarts = 2;
  x.queue = 3;
  x.counters = {{"rows", 4}};
  x.note = "why";
  x.children = {child};
  auto got = round_trip(
    x, "016e016b01730000000000000001000000000000000200000000000000030104"
       "726f777300000000000000040377687901016300000000000000000000000000"
       "00000000000000000000000000000000");
  CHECK(got.kind == "k");
  CHECK(got.counters == x.counters);
  REQUIRE(got.children.size() == 1);
  CHECK(got.children[0].name == "c");
}

TEST_CASE_METHOD(wire, "bytes that end early are refused") {
  auto bytes = hex(sample_batch());
  for (std::size_t n = 0; n < bytes.size(); n += 2) {
    batch got;
    CHECK_FALSE(read(bytes.substr(0, n), got));
  }
}

TEST_CASE("type ids stand where they stood, since they travel as numbers") {
  constexpr auto first = caf::first_custom_type_id;
  CHECK(caf::type_id_v<lane_batch> == first);
  CHECK(caf::type_id_v<lane_answer> == first + 1);
  CHECK(caf::type_id_v<lane_route> == first + 2);
  CHECK(caf::type_id_v<lane_id> == first + 3);
  CHECK(caf::type_id_v<batch> == first + 4);
  CHECK(caf::type_id_v<row_block> == first + 5);
  CHECK(caf::type_id_v<reject> == first + 6);
  CHECK(caf::type_id_v<lane_reply> == first + 7);
  CHECK(caf::type_id_v<records_ready_atom> == first + 8);
  CHECK(caf::type_id_v<go_on_atom> == first + 9);
  CHECK(caf::type_id_v<resume_atom> == first + 10);
  CHECK(caf::type_id_v<record_request> == first + 11);
  CHECK(caf::type_id_v<record_copy> == first + 12);
  CHECK(caf::type_id_v<frame> == first + 14);
  CHECK(caf::type_id_v<batch_frame> == first + 15);
  CHECK(caf::type_id_v<inspect_atom> == first + 100);
  CHECK(caf::type_id_v<actor_report> == first + 105);
  CHECK(caf::type_id_v<peer_hello> == first + 400);
  CHECK(caf::type_id_v<peer_answer> == first + 401);
  CHECK(caf::type_id_v<peer_routes> == first + 402);
  CHECK(caf::type_id_v<peer_pipeline> == first + 403);
}
