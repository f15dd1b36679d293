#pragma once

#include "config/tree.hpp"

namespace millrace {

/// Puts `options.postgresql_url` in place of all that `[postgresql]` says of
/// where the server is and as whom it is used: url or parts, account, TLS,
/// parameters. The tree refers to it as to a secret of the environment, which
/// the options that are returned know. Does nothing where there is no URL.
load_options put_postgresql_url(tree_node& root, const load_options& options);

} // namespace millrace
