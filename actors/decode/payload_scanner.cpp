#include "actors/decode/payload_scanner.hpp"

#include "actors/decode/reason.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <format>

#include <simdjson.h>

namespace millrace::detail {

namespace {

/// Places whose names are remembered.
constexpr std::size_t remembered_places = 64;

uint64_t load(const char* p) noexcept {
  uint64_t x = 0;
  std::memcpy(&x, p, 8);
  return x;
}

std::string_view without_space_behind(std::string_view x) noexcept {
  while (!x.empty()
         && (x.back() == ' ' || x.back() == '\n' || x.back() == '\r'
             || x.back() == '\t'))
    x.remove_suffix(1);
  return x;
}

bool has_backslash(std::string_view x) noexcept {
  return !x.empty() && std::memchr(x.data(), '\\', x.size()) != nullptr;
}

} // namespace

/// Names are short: most are told by two loads. The payload is padded.
bool payload_scanner::seen::is(std::string_view raw_key) const noexcept {
  if (raw_key.size() != size)
    return false;
  if (size > 16)
    return std::memcmp(raw_key.data(), name.data(), size) == 0;
  if (size >= 8)
    return ((load(raw_key.data()) ^ load(name.data()))
            | (load(raw_key.data() + size - 8) ^ load(&name[size - 8])))
           == 0;
  auto kept = (uint64_t{1} << (8 * size)) - 1;
  return ((load(raw_key.data()) ^ load(name.data())) & kept) == 0;
}

struct payload_scanner::engine {
  simdjson::ondemand::parser parser;
};

payload_scanner::payload_scanner(const program_data& program)
  : program_{program},
    engine_{std::make_unique<engine>()},
    slots_(program.slots) {
  order_.resize(remembered_places);
}

payload_scanner::~payload_scanner() = default;

void payload_scanner::reset() {
  std::ranges::fill(slots_, value{});
}

void payload_scanner::read_element(int root, std::string_view text) {
  const auto& node = program_.nodes[static_cast<std::size_t>(root)];
  if (node.slot >= 0)
    slots_[static_cast<std::size_t>(node.slot)] = {};
  for (auto slot : node.slots_beneath)
    slots_[static_cast<std::size_t>(slot)] = {};
  std::size_t at = 0;
  // Sound, because the array was.
  scan_json(text, 1, root, this, at);
}

bool payload_scanner::scan(std::string_view payload) {
  names_.reset();
  reset();
  auto needed = payload.size() + simdjson::SIMDJSON_PADDING;
  if (capacity_ < needed) {
    capacity_ = std::bit_ceil(needed);
    copy_ = std::make_unique<char[]>(capacity_);
  }
  if (!payload.empty())
    std::memcpy(copy_.get(), payload.data(), payload.size());
  payload_ = {copy_.get(), payload.size()};
  has_backslash_ = has_backslash(payload_);
  // simdjson would skip a byte order mark.
  if (!payload.starts_with("\xef\xbb\xbf") && scan_members()) [[likely]]
    return true;
  reason_ = diagnose(payload_);
  return false;
}

bool payload_scanner::scan_members() {
  namespace ondemand = simdjson::ondemand;
  ondemand::document document;
  if (engine_->parser.iterate(copy_.get(), payload_.size(), capacity_)
        .get(document)
      != simdjson::SUCCESS)
    return false;
  ondemand::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS)
    return false;
  std::size_t place = 0;
  for (auto item : object) {
    ondemand::field field;
    if (std::move(item).get(field) != simdjson::SUCCESS)
      return false;
    auto node = root_member(place++, field.escaped_key());
    if (node == -2)
      return false;
    auto& x = field.value();
    ondemand::json_type type;
    if (x.type().get(type) != simdjson::SUCCESS)
      return false;
    if (type == ondemand::json_type::array
        || type == ondemand::json_type::object) {
      std::string_view text;
      if (x.raw_json().get(text) != simdjson::SUCCESS || !container(node, text))
        return false;
    } else if (!scalar(node, without_space_behind(x.raw_json_token()))) {
      return false;
    }
  }
  return document.at_end();
}

int payload_scanner::root_member(std::size_t place, std::string_view raw_key) {
  if (place < order_.size()) {
    const auto& guess = order_[place];
    if (guess.size != 0 && guess.is(raw_key)) [[likely]]
      return guess.node;
  }
  return slow_root_member(place, raw_key);
}

/// Returns -2 for a name with bad escapes.
int payload_scanner::slow_root_member(std::size_t place,
                                      std::string_view raw_key) {
  if (has_backslash_ && has_backslash(raw_key))
    // Not remembered: the raw spelling of a name is not the name.
    return valid_escapes(raw_key) ? member(0, raw_key) : -2;
  auto node = member(0, raw_key);
  if (place < order_.size() && !raw_key.empty()
      && raw_key.size() <= order_[place].name.size()) {
    std::memcpy(order_[place].name.data(), raw_key.data(), raw_key.size());
    order_[place].size = raw_key.size();
    order_[place].node = node;
  }
  return node;
}

bool payload_scanner::scalar(int node, std::string_view token) {
  if (token.empty())
    return false;
  auto target = node < 0 ? nullptr
                         : &program_.nodes[static_cast<std::size_t>(node)];
  auto slot = target ? target->slot : -1;
  // Written member by member: a whole value copied at once would wait for the
  // narrow stores that made it.
  value ignored;
  auto& x = slot < 0 ? ignored : slots_[static_cast<std::size_t>(slot)];
  x.in_payload = true;
  x.escaped = false;
  x.text = token;
  switch (token.front()) {
    case '"':
      if (token.size() < 2 || token.back() != '"')
        return false;
      x.kind = value_kind::string;
      x.text = token.substr(1, token.size() - 2);
      if (has_backslash_ && has_backslash(x.text)) {
        if (!valid_escapes(x.text))
          return false;
        x.escaped = true;
      }
      break;
    case 't':
    case 'f':
      x.kind = value_kind::boolean;
      x.truth = token == "true";
      if (!x.truth && token != "false")
        return false;
      break;
    case 'n':
      x.kind = value_kind::null;
      if (token != "null")
        return false;
      break;
    default: {
      x.kind = value_kind::number;
      decimal_text parts;
      if ((slot < 0
           || !program_.number_checked_later[static_cast<std::size_t>(slot)])
          && !parse_json_number(token, parts))
        return false;
    }
  }
  if (target && !target->slots_beneath.empty())
    block_beneath(*target, x);
  return true;
}

bool payload_scanner::container(int node, std::string_view text) {
  std::size_t at = 0;
  return scan_json(text, 1, node, this, at) == nullptr;
}

/// Members of what is no object: missing below null, else drift of the type.
void payload_scanner::block_beneath(const path_node& node, const value& x) {
  value below;
  if (!x.is_null())
    below = {.kind = value_kind::blocked, .in_payload = true, .text = x.text};
  for (auto slot : node.slots_beneath)
    slots_[static_cast<std::size_t>(slot)] = below;
}

// -- scan_listener ------------------------------------------------------------

int payload_scanner::member(int parent, std::string_view raw_key) {
  const auto& node = program_.nodes[static_cast<std::size_t>(parent)];
  if (node.children.empty())
    return -1;
  auto escaped = has_backslash(raw_key);
  if (!escaped && !program_.any_case)
    return node.children.find(raw_key);
  auto before = names_.here();
  auto name = names_.take(raw_key.size());
  auto end = escaped ? unescape(raw_key, name)
                     : std::ranges::copy(raw_key, name).out;
  if (program_.any_case)
    std::transform(name, end, name, to_lower);
  auto child = node.children.find({name, static_cast<std::size_t>(end - name)});
  names_.rewind(before);
  return child;
}

void payload_scanner::enter(int position) {
  // An earlier member of this name counts no more, nor what was in it.
  for (auto slot :
       program_.nodes[static_cast<std::size_t>(position)].slots_beneath)
    slots_[static_cast<std::size_t>(slot)] = {};
}

void payload_scanner::found(int position, std::string_view text) {
  auto is_object = text.front() == '{';
  if (!is_object && text.front() != '[') {
    scalar(position, text);
    return;
  }
  const auto& node = program_.nodes[static_cast<std::size_t>(position)];
  value x{.kind = is_object ? value_kind::object : value_kind::array,
          .in_payload = true,
          .text = text};
  if (node.slot >= 0)
    slots_[static_cast<std::size_t>(node.slot)] = x;
  if (!is_object)
    block_beneath(node, x);
}

// -- diagnosis ----------------------------------------------------------------

std::string payload_scanner::diagnose(std::string_view payload) {
  if (payload.starts_with("\xef\xbb\xbf"))
    return "not JSON: a byte order mark at byte 0";
  if (without_space_behind(payload).empty())
    return "not JSON: the payload is empty";
  if (!simdjson::validate_utf8(payload)) {
    // The first bad byte lies in the shortest prefix that is not valid, cut
    // at character starts so that no character is halved, and that none is
    // given a byte too many.
    std::size_t good = 0;
    while (good < payload.size()) {
      auto lead = static_cast<unsigned char>(payload[good]);
      std::size_t most = lead < 0x80   ? 1
                         : lead < 0xe0 ? 2
                         : lead < 0xf0 ? 3
                                       : 4;
      std::size_t size = 1;
      while (good + size < payload.size() && size < most
             && (payload[good + size] & 0xc0) == 0x80)
        ++size;
      if (!simdjson::validate_utf8(payload.substr(good, size)))
        break;
      good += size;
    }
    return std::format("not JSON: invalid UTF-8 at byte {}", good);
  }
  std::size_t at = 0;
  if (auto wrong = scan_json(payload, 0, -1, nullptr, at))
    return std::format("not JSON: {} at byte {}{}", wrong, at,
                       at < payload.size()
                         ? ": \"" + printable(payload.substr(at), 40) + '"'
                         : "");
  auto first = payload.find_first_not_of(" \n\r\t");
  if (first != std::string_view::npos && payload[first] != '{')
    return std::format("found \"{}\" at the root, expected an object",
                       printable(payload.substr(first), 40));
  return "not JSON";
}

} // namespace millrace::detail
