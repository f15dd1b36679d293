#pragma once

#include "actors/decode/arena.hpp"
#include "actors/decode/program_data.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::detail {

/// One pass over a JSON payload: checks all of it and remembers where the
/// values of the program's members are. Builds no document.
///
/// simdjson finds the structure and checks UTF-8; members of the root are
/// told apart here, and what stands below goes through `scan_json`. Of a
/// member that occurs twice the last one counts, as with jsonb.
///
/// Producers write members in the same order again and again, so the name
/// that came at this place in the last record is tried first.
class payload_scanner : scan_listener {
public:
  explicit payload_scanner(const program_data& program);

  ~payload_scanner() override;

  payload_scanner(const payload_scanner&) = delete;

  payload_scanner& operator=(const payload_scanner&) = delete;

  /// Reads a payload into `slots`. False when it is not a JSON object; the
  /// reason is then in `reason`. Views stay valid until the next call.
  bool scan(std::string_view payload);

  /// All slots are missing afterwards.
  void reset();

  /// Reads an element of an array of this payload into the slots of the root
  /// that its loop has.
  void read_element(int root, std::string_view text);

  const value& slot(int i) const noexcept {
    return slots_[static_cast<std::size_t>(i)];
  }

  /// The payload, in our memory.
  std::string_view payload() const noexcept {
    return payload_;
  }

  const std::string& reason() const noexcept {
    return reason_;
  }

  /// What is wrong with a payload that did not scan. Slow and exact.
  static std::string diagnose(std::string_view payload);

private:
  /// What came at one place in the last record.
  struct seen {
    std::array<char, 64> name{};
    std::size_t size = 0;
    int node = -1;

    bool is(std::string_view raw_key) const noexcept;
  };

  // -- scan_listener ----------------------------------------------------------

  int member(int parent, std::string_view raw_key) override;

  void enter(int position) override;

  void found(int position, std::string_view text) override;

  // -- pieces -----------------------------------------------------------------

  bool scan_members();

  /// The node of a root member, or -1 when nobody reads it.
  int root_member(std::size_t place, std::string_view raw_key);

  int slow_root_member(std::size_t place, std::string_view raw_key);

  /// False when the text is no JSON scalar.
  bool scalar(int node, std::string_view token);

  bool container(int node, std::string_view text);

  void block_beneath(const path_node& node, const value& x);

  struct engine;

  const program_data& program_;
  std::unique_ptr<engine> engine_;
  std::unique_ptr<char[]> copy_;
  std::size_t capacity_ = 0;
  std::string_view payload_;
  bool has_backslash_ = false;
  std::vector<value> slots_;

  /// By place; a place that was not seen yet has no size.
  std::vector<seen> order_;
  arena names_;
  std::string reason_;
};

} // namespace millrace::detail
