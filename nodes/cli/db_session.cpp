#include "nodes/cli/db_session.hpp"

#include "config/values.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <utility>

#include <unistd.h>

namespace millrace::cli {

admin_result<connection> open_patient(const admin_session& like) {
  auto settings = task_session(*find_database(*like.all, like.database));
  settings.application_name = "millrace admin";
  settings.connect_timeout = std::min(settings.connect_timeout, like.patience);
  auto result = connection::open(settings);
  if (!result)
    return admin_fail(result.error());
  return std::move(*result);
}

std::vector<const tenant_config*> tenants_in(const admin_session& session,
                                             std::string_view name) {
  std::vector<const tenant_config*> result;
  for (const auto& x : session.all->tenants)
    if (x.database == session.database && (name.empty() || x.name == name))
      result.push_back(&x);
  return result;
}

admin_result<void> check_tenant(const config& all, std::string_view name) {
  if (name.empty()
      || std::ranges::contains(all.tenants, name, &tenant_config::name))
    return {};
  std::vector<std::string> known;
  for (const auto& x : all.tenants)
    known.push_back(x.name);
  return admin_fail(exit_code::usage, "--tenant: found "
                                        + in_quotes(std::string{name})
                                        + ", expected " + one_of(known));
}

bool is_watched(const console& to) {
  return !to.json() && ::isatty(STDERR_FILENO) == 1;
}

} // namespace millrace::cli
