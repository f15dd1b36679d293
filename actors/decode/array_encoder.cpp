#include "actors/decode/array_encoder.hpp"

#include <algorithm>

namespace millrace::detail {

namespace {

constexpr complaint want_array = "an array of single values";

/// Cuts the next element off a valid array's text, behind the bracket or a
/// comma; false at the end.
bool next_element(std::string_view& rest, value& out) noexcept {
  constexpr std::string_view spaces = " \n\r\t,";
  auto from = rest.find_first_not_of(spaces);
  if (from == std::string_view::npos || rest[from] == ']')
    return false;
  rest.remove_prefix(from);
  out = {};
  out.in_payload = true;
  if (rest.front() == '"') {
    std::size_t i = 1;
    for (; rest[i] != '"'; ++i)
      if (rest[i] == '\\') {
        out.escaped = true;
        ++i;
      }
    out.kind = value_kind::string;
    out.text = rest.substr(1, i - 1);
    rest.remove_prefix(i + 1);
    return true;
  }
  if (rest.front() == '[' || rest.front() == '{') {
    out.kind = value_kind::array;
    return true;
  }
  auto end = std::min(rest.find_first_of(" \n\r\t,]"), rest.size());
  out.text = rest.substr(0, end);
  rest.remove_prefix(end);
  if (out.text == "null") {
    out.kind = value_kind::null;
  } else if (out.text == "true" || out.text == "false") {
    out.kind = value_kind::boolean;
    out.truth = out.text == "true";
  } else {
    out.kind = value_kind::number;
  }
  return true;
}

} // namespace

complaint put_array(const encoder& how, const value& x, output& out,
                    workspace& space) {
  if (x.kind != value_kind::array)
    return want_array;
  auto element = how;
  element.kind = how.element;
  auto rest = x.text.substr(1);
  auto head = out.size();
  out.put_big(int32_t{1});
  out.put_big(int32_t{0});
  out.put_big(how.element_oid);
  out.put_big(int32_t{0});
  out.put_big(int32_t{1});
  int32_t count = 0;
  auto nulls = false;
  value item;
  while (next_element(rest, item)) {
    ++count;
    if (item.kind == value_kind::null) {
      nulls = true;
      out.put_null();
    } else if (item.kind == value_kind::array) {
      return want_array;
    } else if (auto wrong = encode(element, item, out, space)) {
      return wrong;
    }
  }
  if (count == 0) {
    // PostgreSQL's empty array has no dimension.
    out.truncate(head + 12);
    output::store_big(out.data() + head, int32_t{0});
    return nullptr;
  }
  output::store_big(out.data() + head + 4, static_cast<int32_t>(nulls));
  output::store_big(out.data() + head + 12, count);
  return nullptr;
}

} // namespace millrace::detail
