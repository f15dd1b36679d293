#pragma once

// For transactions of many statements: the first failure ends them all.

#include "actors/store/connection.hpp"
#include "actors/store/sql_values.hpp"

#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// A statement's failure, on its way out of a transaction whose steps have
/// nothing else to say about it.
class failed_statement {
public:
  explicit failed_statement(store_error x) : what{std::move(x)} {
  }

  store_error what;
};

/// Throws failed_statement.
[[noreturn]] inline void refuse(std::string message,
                                store_errc code = store_errc::refused) {
  throw failed_statement{{code, {}, std::move(message)}};
}

/// The rows of a statement; throws failed_statement.
inline std::vector<sql_row> ask(connection& conn, const std::string& text,
                                const sql_params& params) {
  auto result = conn.query(text, params);
  if (!result)
    throw failed_statement{result.error()};
  return std::move(result->rows);
}

/// Runs `body`, which returns a store_result; what its steps throw becomes the
/// error.
template <class Body>
auto run_steps(Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const failed_statement& e) {
    return std::unexpected{e.what};
  } catch (const bad_value& e) {
    return std::unexpected{store_error{store_errc::failed, {}, e.what()}};
  }
}

} // namespace millrace
