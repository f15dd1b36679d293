#include "tests/source/raw_batch.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <concepts>
#include <cstring>
#include <stdexcept>

#include <unistd.h>

namespace millrace::test {

namespace {

template <std::integral Int>
void put(std::string& to, Int x) {
  for (auto shift = static_cast<int>(sizeof x) * 8; shift > 0;) {
    shift -= 8;
    to += static_cast<char>(x >> shift);
  }
}

void put_text(std::string& to, std::string_view x) {
  put(to, static_cast<int16_t>(x.size()));
  to += x;
}

void put_bytes(std::string& to, std::string_view x) {
  put(to, static_cast<int32_t>(x.size()));
  to += x;
}

/// CRC-32C (RFC 3720, appendix B.4), bit by bit.
uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (auto c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int i = 0; i < 8; ++i)
      crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1u)));
  }
  return ~crc;
}

class link {
public:
  link(const std::string& host, uint16_t port)
    : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, host.c_str(), &to.sin_addr);
    sockaddr any{};
    std::memcpy(&any, &to, sizeof any);
    if (fd_ < 0 || ::connect(fd_, &any, sizeof any) != 0)
      throw std::runtime_error{"no way to the broker at " + host};
  }

  link(const link&) = delete;
  link& operator=(const link&) = delete;

  ~link() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0)
        throw std::runtime_error{"the broker hung up"};
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  std::string receive(std::size_t n) {
    std::string result(n, '\0');
    for (std::size_t have = 0; have < n;) {
      auto got = ::recv(fd_, result.data() + have, n - have, 0);
      if (got <= 0)
        throw std::runtime_error{"the broker hung up"};
      have += static_cast<std::size_t>(got);
    }
    return result;
  }

private:
  int fd_;
};

template <std::integral Int>
Int number_at(std::string_view bytes, std::size_t at) {
  uint64_t result = 0;
  for (std::size_t i = 0; i < sizeof(Int); ++i)
    result = result << 8 | static_cast<unsigned char>(bytes.at(at + i));
  return static_cast<Int>(result);
}

} // namespace

std::string raw_batch(int16_t codec, std::string_view payload) {
  std::string rest;
  put(rest, codec);
  put(rest, int32_t{0}); // the last offset's distance
  put(rest, int64_t{1'700'000'000'000});
  put(rest, int64_t{1'700'000'000'000});
  put(rest, int64_t{-1}); // producer, its epoch and sequence: none
  put(rest, int16_t{-1});
  put(rest, int32_t{-1});
  put(rest, int32_t{1}); // records
  rest += payload;
  std::string result;
  put(result, int64_t{0}); // the broker sets it
  put(result, static_cast<int32_t>(4 + 1 + 4 + rest.size()));
  put(result, int32_t{-1}); // the leader's epoch
  put(result, int8_t{2});   // of the format
  put(result, crc32c(rest));
  return result + rest;
}

bool send_raw_batch(const std::string& bootstrap, std::string_view topic,
                    int32_t partition, std::string_view batch) {
  std::string request;
  put(request, int16_t{0}); // Produce
  put(request, int16_t{7}); // its version
  put(request, int32_t{1}); // number of the request
  put_text(request, "test");
  put(request, int16_t{-1}); // no transaction
  put(request, int16_t{-1}); // all replicas
  put(request, int32_t{10'000});
  put(request, int32_t{1}); // topics
  put_text(request, topic);
  put(request, int32_t{1}); // partitions
  put(request, partition);
  put_bytes(request, batch);
  std::string framed;
  put_bytes(framed, request);
  auto colon = bootstrap.find(':');
  link to{bootstrap.substr(0, colon),
          static_cast<uint16_t>(std::stoi(bootstrap.substr(colon + 1)))};
  to.send(framed);
  auto size = number_at<int32_t>(to.receive(4), 0);
  auto answer = to.receive(static_cast<std::size_t>(size));
  // Its number, topics, the name, partitions, which one: then the error.
  return number_at<int16_t>(answer, 4 + 4 + 2 + topic.size() + 4 + 4) == 0;
}

} // namespace millrace::test
