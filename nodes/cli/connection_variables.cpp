#include "nodes/cli/connection_variables.hpp"

#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

constexpr auto all_modes = std::to_array<ssl_mode>(
  {ssl_mode::disable, ssl_mode::allow, ssl_mode::prefer, ssl_mode::require,
   ssl_mode::verify_ca, ssl_mode::verify_full});

std::optional<uint16_t> parse_port(const std::string& x) {
  uint16_t result = 0;
  const auto* end = x.data() + x.size();
  auto [at, error] = std::from_chars(x.data(), end, result);
  if (error != std::errc{} || at != end || result == 0)
    return std::nullopt;
  return result;
}

std::string expected_modes() {
  std::vector<std::string> names;
  for (auto x : all_modes)
    names.push_back(to_string(x));
  return one_of(names);
}

class variable_reader {
public:
  explicit variable_reader(const variable_lookup& get) : get_{get} {
  }

  void read_port() {
    auto text = get_("DB_PORT");
    if (!text)
      return;
    if (auto port = parse_port(*text))
      result_.port = *port;
    else
      add("DB_PORT", *text, "a number from 1 to 65535");
  }

  void read_texts() {
    result_.host = text_or("DB_HOST", "localhost");
    result_.user = text_or("DB_USER", "");
    result_.database = text_or("DB_NAME", "");
    if (result_.database.empty())
      problems_.emplace_back("DB_NAME: the environment has no such variable, "
                             "expected the name of the database");
    result_.password = secret{get_("DB_PASSWORD").value_or("")};
  }

  /// Two names for one thing: which one wins would be anybody's guess.
  void read_mode() {
    auto mode = get_("DB_SSLMODE");
    auto other = get_("DB_SSL_MODE");
    if (mode && other && *mode != *other)
      problems_.push_back(std::format(
        "DB_SSLMODE and DB_SSL_MODE: found {} and {}, expected one of the "
        "two variables, or the same value in both",
        in_quotes(*mode), in_quotes(*other)));
    check_mode("DB_SSLMODE", mode);
    if (other != mode)
      check_mode("DB_SSL_MODE", other);
  }

  std::expected<postgresql_config, std::vector<std::string>> take() && {
    if (problems_.empty())
      return std::move(result_);
    return std::unexpected{std::move(problems_)};
  }

private:
  void add(const char* name, const std::string& found,
           const std::string& expected) {
    problems_.push_back(std::format("{}: found {}, expected {}", name,
                                    in_quotes(found), expected));
  }

  std::string text_or(const char* name, const char* otherwise) {
    auto text = get_(name).value_or(otherwise);
    if (!text.empty() && !is_plain_text(text))
      add(name, text, "text without control characters");
    return text;
  }

  void check_mode(const char* name, const std::optional<std::string>& text) {
    if (!text)
      return;
    const auto* mode = std::ranges::find(all_modes, *text, [](ssl_mode x) {
      return to_string(x);
    });
    if (mode != all_modes.end())
      result_.sslmode = *mode;
    else
      add(name, *text, expected_modes());
  }

  const variable_lookup& get_;
  postgresql_config result_;
  std::vector<std::string> problems_;
};

} // namespace

std::optional<std::string> variable_of_process(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0')
    return std::nullopt;
  return value;
}

bool has_connection_variables(const variable_lookup& get) {
  return get("DB_HOST") || get("DB_NAME");
}

std::expected<postgresql_config, std::vector<std::string>>
read_connection_variables(const variable_lookup& get) {
  variable_reader reader{get};
  reader.read_texts();
  reader.read_port();
  reader.read_mode();
  return std::move(reader).take();
}

} // namespace millrace::cli
