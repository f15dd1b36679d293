#pragma once

#include "nodes/cli/console.hpp"

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace millrace::cli {

/// Where packs are looked for, in this order: `given` on the command line,
/// MILLRACE_PACK_DIR (folders with colons between them), the data of an
/// installation beside the binary, the sources that the binary was built from.
std::vector<std::filesystem::path>
pack_directories(const std::vector<std::string>& given);

/// Reads a configuration and checks all that can be checked without a server,
/// expressions included. `node_name` stands in for the file's, unless empty,
/// and `postgresql_url` for where its control database is.
std::expected<config, findings>
load_checked(const std::string& file, const std::vector<std::string>& packs,
             const std::string& node_name = {},
             const std::string& postgresql_url = {});

} // namespace millrace::cli
