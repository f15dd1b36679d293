#include "nodes/cli/restore_plan.hpp"

#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <ranges>

namespace millrace::cli {

namespace {

constexpr std::string_view comment_head = "millrace restore";
constexpr std::string_view restoring_tail = "__restoring";
constexpr std::size_t longest_name = 63;

constexpr std::array roles{restore_role::filling, restore_role::verified,
                           restore_role::restored, restore_role::replaced};

/// With a tail that is kept whole, and no half characters in front of it.
std::string cut_name(std::string_view database, std::string_view tail) {
  auto room = longest_name - tail.size();
  if (database.size() > room) {
    while (room > 0
           && (static_cast<unsigned char>(database[room]) & 0xc0) == 0x80)
      --room;
    database = database.substr(0, room);
  }
  return std::string{database} + std::string{tail};
}

/// The set of a restore of that backup which has put a database in place, and
/// not yet another one.
std::optional<restore_mark>
half_swapped(const std::vector<restore_state>& states) {
  for (const auto& x : states) {
    if (!x.made || x.made->role != restore_role::verified)
      continue;
    for (const auto& y : states)
      if (y.live && y.live->role == restore_role::restored
          && y.live->set == x.made->set)
        return x.made;
  }
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
  return cut_name(database, restoring_tail);
}

std::string replaced_name(std::string_view database, std::string_view at) {
  std::string tail = "_before_";
  std::ranges::copy_if(at, std::back_inserter(tail),
                       [](char c) { return c != '-' && c != ':'; });
  return cut_name(database, tail);
}

std::expected<restore_plan, std::string>
plan_restore(const std::vector<restore_state>& states,
             const std::string& checksum, const uuid& fresh) {
  restore_plan result;
  result.set = fresh;
  auto half = half_swapped(states);
  if (half && half->checksum != checksum)
    return std::unexpected{
      "the restore of backup " + in_quotes(half->backup)
      + " is half made: some databases are in place, others are not. First "
        "complete it: millrace db restore "
      + half->backup};
  if (half)
    result.set = half->set;
  else
    for (const auto& x : states)
      if (x.made && x.made->role == restore_role::verified
          && x.made->checksum == checksum) {
        result.set = x.made->set;
        break;
      }
  for (const auto& x : states) {
    auto mine = [&](const std::optional<restore_mark>& mark,
                    restore_role role) {
      return mark && mark->role == role && mark->set == result.set
             && mark->checksum == checksum;
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

} // namespace millrace::cli
