#pragma once

// What the commands below `millrace db` share.

#include "nodes/cli/lanes_session.hpp"

#include <string_view>
#include <vector>

namespace millrace::cli {

/// A session of the same database whose statements may take as long as they
/// need.
admin_result<connection> open_patient(const admin_session& like);

/// Tenants of the session's database; `name` alone unless that is empty.
std::vector<const tenant_config*> tenants_in(const admin_session& session,
                                             std::string_view name);

/// A usage error when the configuration has no such tenant.
admin_result<void> check_tenant(const config& all, std::string_view name);

/// Whether somebody sees lines that come and go.
bool is_watched(const console& to);

} // namespace millrace::cli
