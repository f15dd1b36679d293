#pragma once

// A strict scanner for pieces of JSON text. simdjson finds the pieces and has
// checked their UTF-8; on-demand leaves it to its caller to check what they
// hold, and what nobody reads is not checked at all. Here it is, so that a
// payload either is JSON as a whole or is a reject.

#include "actors/decode/decimal_text.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::detail {

/// Deepest nesting of arrays and objects that we accept; the root counts.
constexpr int max_depth = 64;

/// Whether the escapes between the quotes of a JSON string are sound: known
/// letters, four hex digits, surrogates only in pairs.
bool valid_escapes(std::string_view raw) noexcept;

/// The place of the first escape that is none, or npos.
std::size_t bad_escape(std::string_view raw) noexcept;

/// Writes a string's text without its escapes and returns the end. The raw
/// text must have passed `valid_escapes`; `out` has room for its length.
char* unescape(std::string_view raw, char* out) noexcept;

/// The same JSON string with an escaped NUL in it?
bool has_escaped_nul(std::string_view raw) noexcept;

/// What a scan tells about the values it passes. Positions of objects in
/// their parents are numbers that the listener made up; -1 is nowhere.
class scan_listener {
public:
  virtual ~scan_listener() = default;

  /// A member was found in the object at `parent`; the key is raw. Returns
  /// the position to report its value at, or -1 when nobody cares.
  virtual int member(int parent, std::string_view raw_key) = 0;

  /// An object begins at a position other than -1; its members follow.
  virtual void enter(int position) = 0;

  /// The whole text of a value at a position other than -1.
  virtual void found(int position, std::string_view text) = 0;
};

/// Checks one JSON value. Returns nullptr when `text` is exactly one value
/// (with spaces around it), else what is wrong; `at` is then the byte.
/// `depth` is the nesting around the value. The listener may be null.
const char* scan_json(std::string_view text, int depth, int position,
                      scan_listener* listener, std::size_t& at) noexcept;

/// Cuts the next element off what is left of a valid array's text, behind its
/// bracket or an element. False at the end.
bool next_element(std::string_view& rest, std::string_view& out) noexcept;

/// What jsonb refuses though it is JSON: \u0000 anywhere, and numbers beyond
/// numeric's limits. The text must be valid JSON. Returns nullptr or a
/// complaint.
const char* jsonb_complaint(std::string_view json) noexcept;

} // namespace millrace::detail
