#pragma once

#include "config/load.hpp"
#include "nodes/cli/exit_code.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

enum class severity : uint8_t { warning, error };

std::string to_string(severity x);

/// Something that a user should know or mend. Never holds a secret.
struct finding {
  severity level = severity::error;

  /// A sentence, or more lines than one when a server said so.
  std::string text;

  // Where known: the place and the key, and what a problem consists of.
  source_position at = {};
  std::string path = {};
  std::string found = {};
  std::string expected = {};
  std::string hint = {};
};

using findings = std::vector<finding>;

finding make_error(std::string text);
finding make_warning(std::string text);
finding make_finding(const problem& x);

/// Where commands talk to the user: results on standard output, findings on
/// standard error, or both on standard output as JSON.
class console {
public:
  explicit console(bool json) : json_{json} {
  }

  bool json() const noexcept {
    return json_;
  }

  /// Writes a result as it is.
  void out(std::string_view text);

  /// Writes lines to standard error, with everything visible that could steer
  /// a terminal.
  void note(std::string_view text) const;

  /// Tells findings: as lines, or as one JSON array.
  void tell(const findings& xs);

  /// Tells one error and returns `code`.
  exit_code fail(exit_code code, std::string text);

  /// Whether everything that was written has arrived.
  bool flush();

private:
  bool json_;
};

/// `[{"severity":…,"message":…,"file":…,"line":…, …}, …]` and a line end.
/// Members that a finding does not have are absent.
std::string to_json(const findings& xs);

/// Columns of text, left-aligned and two spaces apart; the first row is the
/// head. Cells are made printable.
std::string table_text(const std::vector<std::vector<std::string>>& rows);

} // namespace millrace::cli
