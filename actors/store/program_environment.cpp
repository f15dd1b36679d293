#include "actors/store/program_environment.hpp"

#include <memory>
#include <string_view>

#include <libpq-fe.h>

namespace millrace {

namespace {

using conninfo = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

} // namespace

std::vector<std::pair<std::string, std::string>>
program_environment(connection& conn) {
  std::vector<std::pair<std::string, std::string>> result;
  if (!conn.is_open())
    return result;
  conninfo all{PQconninfo(conn.raw()), &PQconninfoFree};
  for (auto* x = all.get(); x != nullptr && x->keyword != nullptr; ++x) {
    if (x->envvar == nullptr || x->val == nullptr || *x->val == '\0')
      continue;
    std::string value{x->val};
    // Of several hosts the one that was reached: others have no such snapshot.
    std::string_view keyword{x->keyword};
    if (keyword == "host")
      value = PQhost(conn.raw());
    else if (keyword == "hostaddr")
      value = PQhostaddr(conn.raw());
    else if (keyword == "port")
      value = PQport(conn.raw());
    result.emplace_back(x->envvar, std::move(value));
  }
  return result;
}

std::string database_name(const session_config& config) {
  std::string result;
  for (const auto& [name, value] : config.keywords) {
    if (name != "dbname")
      continue;
    if (!value.contains("://")) {
      result = value;
      continue;
    }
    conninfo all{PQconninfoParse(value.c_str(), nullptr), &PQconninfoFree};
    for (auto* x = all.get(); x != nullptr && x->keyword != nullptr; ++x)
      if (std::string_view{x->keyword} == "dbname" && x->val != nullptr)
        result = x->val;
  }
  return result;
}

} // namespace millrace
