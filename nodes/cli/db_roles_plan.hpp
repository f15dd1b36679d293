#pragma once

// Roles that may do no more than their work needs. Pure.

#include "config/config.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// What to make roles for.
struct role_request {
  /// Names begin with it.
  std::string prefix = "millrace";

  std::vector<const tenant_config*> tenants;

  /// Roles that are there.
  std::set<std::string> known;

  /// Who makes the tables that are yet to come: who runs this.
  std::string owner;
};

/// `PREFIX_ingest` and `PREFIX_reader` of all tenants, or with `_TENANT` in
/// between those of one.
std::string ingest_role(std::string_view prefix, std::string_view tenant = {});
std::string reader_role(std::string_view prefix, std::string_view tenant = {});

/// In this order, to be run in one transaction by the owner of the tables; may
/// be repeated. Nobody else can call the control schema's functions afterwards.
std::vector<std::string> role_statements(const role_request& x);

} // namespace millrace::cli
