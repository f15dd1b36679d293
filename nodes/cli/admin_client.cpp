#include "nodes/cli/admin_client.hpp"

#include "config/values.hpp"

#include <charconv>

#include <httplib.h>

namespace millrace::cli {

namespace {

/// Larger answers are not from a node.
constexpr std::size_t max_answer_bytes = 64 << 20;

std::unexpected<std::string> no_address(std::string_view text) {
  return std::unexpected{"found " + in_quotes(text)
                         + ", expected HOST:PORT with a port from 1 to 65535"};
}

} // namespace

std::expected<admin_address, std::string>
parse_admin_address(std::string_view text) {
  admin_address result;
  auto colon = text.rfind(':');
  auto digits = colon == std::string_view::npos ? text : text.substr(colon + 1);
  auto host = colon == std::string_view::npos ? std::string_view{}
                                              : text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.contains(':'))
    return no_address(text);
  if (!host.empty() && !is_plain_text(host))
    return no_address(text);
  if (!host.empty())
    result.host = host;
  const auto* end = digits.data() + digits.size();
  auto [stop, code] = std::from_chars(digits.data(), end, result.port);
  if (code != std::errc{} || stop != end || result.port == 0)
    return no_address(text);
  return result;
}

std::string to_string(const admin_address& x) {
  auto host = x.host.contains(':') ? '[' + x.host + ']' : x.host;
  return host + ':' + std::to_string(x.port);
}

std::expected<admin_answer, std::string>
ask_admin(const admin_address& where, const std::string& page,
          std::chrono::milliseconds patience) {
  httplib::Client client{where.host, where.port};
  client.set_connection_timeout(patience);
  client.set_read_timeout(patience);
  client.set_write_timeout(patience);
  client.set_keep_alive(false);
  client.set_follow_location(false);
  std::string body;
  auto answer = client.Get(page, [&](const char* data, std::size_t size) {
    body.append(data, size);
    return body.size() <= max_answer_bytes;
  });
  if (!answer)
    return std::unexpected{"no node answers at " + to_string(where) + " ("
                           + httplib::to_string(answer.error())
                           + "): is it running, and is this its admin port?"};
  return admin_answer{answer->status, std::move(body)};
}

} // namespace millrace::cli
