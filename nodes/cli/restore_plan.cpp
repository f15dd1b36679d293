#include "nodes/cli/restore_plan.hpp"

#include "config/values.hpp"
#include "messages/sha256.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <ranges>

namespace millrace::cli {

namespace {

constexpr std::string_view comment_head = "millrace restore";
constexpr std::string_view restoring_tail = "__restoring";
constexpr std::size_t longest_name = 63;

/// Of the digest: enough that no two databases of a server share them.
constexpr std::size_t digest_digits = 12;

constexpr std::array roles{restore_role::filling, restore_role::verified,
                           restore_role::restored, restore_role::replaced};

/// With a tail that is kept whole. A name that is cut has no half characters,
/// and the digest tells it from others that begin like it.
std::string name_with(std::string_view database, std::string_view tail) {
  auto result = std::string{database};
  if (auto room = longest_name - tail.size(); result.size() > room) {
    auto digest = '_' + sha256_hex(database).substr(0, digest_digits);
    room -= digest.size();
    while (room > 0
           && (static_cast<unsigned char>(result[room]) & 0xc0) == 0x80)
      --room;
    result.resize(room);
    result += digest;
  }
  result += tail;
  return result;
}

/// Whether a database is, or is to be, what this backup made of it.
bool is_of(const std::optional<restore_mark>& mark, restore_role role,
           const std::string& checksum) {
  return mark && mark->role == role && mark->checksum == checksum;
}

/// The one that the restore of this set has put in place.
const restore_state* swapped_of(const std::vector<restore_state>& states,
                                const uuid& set) {
  auto i = std::ranges::find_if(states, [&set](const restore_state& x) {
    return x.live && x.live->role == restore_role::restored
           && x.live->set == set;
  });
  return i == states.end() ? nullptr : &*i;
}

/// The set of a restore of that backup which has put a database in place, and
/// not yet another one.
std::optional<restore_mark>
half_swapped(const std::vector<restore_state>& states) {
  for (const auto& x : states)
    if (x.made && x.made->role == restore_role::verified
        && swapped_of(states, x.made->set) != nullptr)
      return x.made;
  return std::nullopt;
}

} // namespace

std::string_view to_string(restore_role x) {
  switch (x) {
    case restore_role::filling:
      return "filling";
    case restore_role::verified:
      return "verified";
    case restore_role::restored:
      return "restored";
    case restore_role::replaced:
      break;
  }
  return "replaced";
}

std::string to_comment(const restore_mark& x) {
  auto result = std::string{comment_head} + ": "
                + std::string{to_string(x.role)} + ' ' + to_string(x.set) + ' '
                + x.backup + ' ' + x.checksum + ' ' + x.at;
  // The last one, as it may hold anything.
  if (!x.database.empty())
    result += ' ' + x.database;
  return result;
}

std::optional<restore_mark> parse_comment(std::string_view comment) {
  if (!comment.starts_with(comment_head))
    return std::nullopt;
  comment.remove_prefix(comment_head.size());
  if (!comment.starts_with(": "))
    return std::nullopt;
  comment.remove_prefix(2);
  auto next = [&comment] {
    auto end = std::min(comment.find(' '), comment.size());
    auto result = comment.substr(0, end);
    comment.remove_prefix(std::min(end + 1, comment.size()));
    return std::string{result};
  };
  auto word = next();
  auto role = std::ranges::find(roles, std::string_view{word},
                                [](restore_role x) { return to_string(x); });
  auto set = uuid::parse(next());
  if (role == roles.end() || !set)
    return std::nullopt;
  restore_mark result{*role, *set, next(), next(), next()};
  result.database = comment;
  if (result.at.empty())
    return std::nullopt;
  return result;
}

std::string restoring_name(std::string_view database) {
  return name_with(database, restoring_tail);
}

std::string replaced_name(std::string_view database, std::string_view at) {
  std::string tail = "_before_";
  std::ranges::copy_if(at, std::back_inserter(tail),
                       [](char c) { return c != '-' && c != ':'; });
  return name_with(database, tail);
}

bool says_no_maps(std::string_view sqlstate) {
  constexpr std::string_view no_schema = "3F000";
  constexpr std::string_view no_table = "42P01";
  return sqlstate == no_schema || sqlstate == no_table;
}

std::expected<restore_plan, std::string>
plan_restore(const std::vector<restore_state>& states,
             const std::string& checksum, const uuid& fresh, bool again) {
  restore_plan result;
  result.set = fresh;
  auto half = half_swapped(states);
  if (half && half->checksum != checksum)
    return std::unexpected{
      "the restore of backup " + in_quotes(half->backup)
      + " is half made: some databases are in place, others are not. First "
        "complete it: millrace db restore "
      + half->backup};
  auto is_copied = [&](const restore_state& x) {
    return is_of(x.made, restore_role::verified, checksum);
  };
  auto is_in_place = [&](const restore_state& x) {
    return is_of(x.live, restore_role::restored, checksum);
  };
  if (auto begun = std::ranges::find_if(states, is_copied); half)
    result.set = half->set;
  else if (begun != states.end())
    result.set = begun->made->set;
  else if (!again && !states.empty()
           && std::ranges::all_of(states, is_in_place)) {
    result.set = states.front().live->set;
    result.steps.assign(states.size(), restore_step::done);
    result.complete = true;
    return result;
  }
  for (const auto& x : states) {
    auto mine = [&](const std::optional<restore_mark>& mark,
                    restore_role role) {
      return is_of(mark, role, checksum) && mark->set == result.set;
    };
    auto step = restore_step::fill;
    if (mine(x.made, restore_role::verified))
      step = restore_step::keep;
    else if (half && mine(x.live, restore_role::restored))
      step = restore_step::done;
    result.resumed = result.resumed || step != restore_step::fill;
    result.steps.push_back(step);
  }
  return result;
}

std::optional<std::string> keep_reason(const std::vector<restore_state>& states,
                                       const restore_mark& copy) {
  if (copy.role != restore_role::verified)
    return std::nullopt;
  const auto* swapped = swapped_of(states, copy.set);
  if (swapped == nullptr)
    return std::nullopt;
  return "the restore of backup " + in_quotes(copy.backup)
         + " is half made: the database '" + swapped->name
         + "' is in place, and this copy belongs to it. First complete it: "
           "millrace db restore "
         + copy.backup;
}

} // namespace millrace::cli
