#pragma once

// One line per event that an operator acts on. The event is a fixed word, all
// that varies goes into fields:
//
//   log::warn("child-restart", {{"child", name}, {"delay_ms", delay}});
//
// Values are escaped, so that no payload can forge a line or steer a terminal,
// cut at `max_value_bytes`, and passwords in URLs are masked. That mask is a
// net, not a licence: secrets are not logged.

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace millrace::log {

enum class level : uint8_t { debug, info, warning, error, off };

/// `debug`, `info`, `warning`, `error`, `off`, or nothing.
std::optional<level> parse_level(std::string_view text);

/// `text`: a line for people. `json`: an object per line for machines.
enum class format : uint8_t { text, json };

/// Longer values are cut and say so.
inline constexpr std::size_t max_value_bytes = 4'096;

/// What a field can hold. Views the caller's text: lives as long as the call.
class value {
public:
  using variant
    = std::variant<std::string_view, int64_t, uint64_t, double, bool>;

  value(bool x) : data_{x} {
  }

  template <std::signed_integral Int>
  value(Int x) : data_{static_cast<int64_t>(x)} {
  }

  template <std::unsigned_integral Int>
    requires(!std::same_as<Int, bool>)
  value(Int x) : data_{static_cast<uint64_t>(x)} {
  }

  template <std::floating_point Float>
  value(Float x) : data_{static_cast<double>(x)} {
  }

  template <class Text>
    requires std::convertible_to<const Text&, std::string_view>
  value(const Text& x) : data_{std::string_view{x}} {
  }

  const variant& data() const noexcept {
    return data_;
  }

private:
  variant data_;
};

struct field {
  std::string_view key;
  value val;
};

using fields = std::initializer_list<field>;

struct log_config {
  log::level level = level::info;
  log::format format = format::text;
};

/// Sets up the process's log on stderr. Without it: text, from info on. Safe
/// to call again, also while others log.
void setup(const log_config& config);

/// Whether a line of this level would be written.
bool enabled(level x) noexcept;

void write(level x, std::string_view event, fields xs);

inline void debug(std::string_view event, fields xs = {}) {
  write(level::debug, event, xs);
}

inline void info(std::string_view event, fields xs = {}) {
  write(level::info, event, xs);
}

inline void warn(std::string_view event, fields xs = {}) {
  write(level::warning, event, xs);
}

inline void error(std::string_view event, fields xs = {}) {
  write(level::error, event, xs);
}

// -- rendering (pure) ---------------------------------------------------------

/// One line without its end:
/// `2026-01-19T08:30:00.123Z INFO event key=value key="two words"`, or
/// `{"ts":"2026-01-19T08:30:00.123Z","level":"info","event":…,"key":…}`.
std::string render(format how, std::chrono::system_clock::time_point when,
                   level x, std::string_view event, std::span<const field> xs);

/// The text with what could break a line or steer a terminal made visible:
/// control characters, line separators, text direction marks, bytes that are
/// not UTF-8. Quoted if it is empty or holds spaces, quotes or `=`.
std::string escape(std::string_view text);

/// The text with passwords in URLs and in `password=…` replaced by `***`.
std::string mask(std::string_view text);

} // namespace millrace::log
