#pragma once

#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// A value that never reaches a log, an error message or a terminal: there is
/// no way to print it, and `to_string` shows three stars.
class secret {
public:
  secret() = default;

  explicit secret(std::string value) : value_{std::move(value)} {
  }

  bool empty() const noexcept {
    return value_.empty();
  }

  /// The value. Call it only to hand it to a library.
  const std::string& reveal() const noexcept {
    return value_;
  }

  friend bool operator==(const secret&, const secret&) = default;

private:
  std::string value_;
};

/// `***`, or nothing for an empty secret.
inline std::string to_string(const secret& x) {
  return x.empty() ? std::string{} : std::string{"***"};
}

/// Settings of a library, passed on as they are, in the order of the file.
/// Any of them may be confidential (`sasl.password`), so all are secrets.
using property_list = std::vector<std::pair<std::string, secret>>;

} // namespace millrace
