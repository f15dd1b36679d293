#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace millrace_check {

/// One member of the outermost object. `raw` is the value as it stands in the
/// text, without spaces around it: digits stay as they were sent.
struct json_member {
  std::string name;
  std::string_view raw;
};

/// The members of a document that must be one valid JSON object with at most
/// 64 levels; otherwise a reason. Names may repeat.
std::expected<std::vector<json_member>, std::string>
scan_object(std::string_view text);

/// The characters of a JSON string, quotes included in `raw`. The text must
/// have passed `scan_object`.
std::string unescape(std::string_view raw);

} // namespace millrace_check
