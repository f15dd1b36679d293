#pragma once

// What `millrace status` shows, from the texts of the admin pages. Pure.

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// One line of `/readyz?verbose`.
struct node_check {
  std::string name;
  bool ok = false;
  std::string detail;

  friend bool operator==(const node_check&, const node_check&) = default;
};

/// Reads `[+] name: detail` lines; others are left out.
std::vector<node_check> parse_checks(std::string_view readyz);

/// For people: the node, its checks, pipelines, tenants and lanes. An error
/// says that `status` (the body of `/v1/status`) is not what a node answers.
std::expected<std::string, std::string>
status_text(const std::string& status, const std::vector<node_check>& checks,
            bool ready);

/// For machines: `{"admin":…,"ready":…,"checks":[…],"status":{…}}`.
std::expected<std::string, std::string>
status_json_text(const std::string& admin, const std::string& status,
                 const std::vector<node_check>& checks, bool ready);

} // namespace millrace::cli
