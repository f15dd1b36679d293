#include "tests/checker/ledger.hpp"

#include <cstring>

namespace millrace_check {

namespace {

constexpr std::size_t max_text = 400;

constexpr uint64_t mix(uint64_t x) noexcept {
  // The finaliser of splitmix64.
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

} // namespace

uint64_t content_hash(uint64_t so_far, std::string_view text) noexcept {
  // The length first: "a" + "bc" must not equal "ab" + "c".
  auto hash = mix(so_far + 0x9e3779b97f4a7c15 + text.size());
  while (!text.empty()) {
    uint64_t word = 0;
    auto n = std::min(text.size(), sizeof word);
    std::memcpy(&word, text.data(), n);
    hash = mix(hash ^ word) + 0x9e3779b97f4a7c15;
    text.remove_prefix(n);
  }
  return mix(hash);
}

uint64_t content_hash(std::string_view text) noexcept {
  return content_hash(0, text);
}

std::string_view to_string(finding_kind x) {
  switch (x) {
    case finding_kind::missing:
      return "missing";
    case finding_kind::twice:
      return "twice";
    case finding_kind::different:
      return "different";
    case finding_kind::unexpected:
      return "unexpected";
  }
  return "?";
}

void ledger::expect(int32_t partition, int64_t offset, entry_state due,
                    uint64_t hash) {
  auto& account = partitions_.at(partition);
  if (!account.contains(offset))
    return;
  account.expect(offset, due, hash);
  ++records;
  ++(due == entry_state::row ? rows_due : dead_letters_due);
}

void ledger::check(int32_t partition, int64_t offset, entry_state what,
                   uint64_t hash, std::string_view text) {
  ++(what == entry_state::row ? rows_found : dead_letters_found);
  auto i = partitions_.find(partition);
  if (i == partitions_.end())
    return note(finding_kind::unexpected, partition, offset, text);
  auto& account = i->second;
  if (offset < account.from()) {
    ++unverifiable;
    return;
  }
  if (offset >= account.to())
    return note(finding_kind::unexpected, partition, offset, text);
  bool before = account.see(offset);
  if (before)
    note(finding_kind::twice, partition, offset, text);
  else if (account.due(offset) != what)
    note(finding_kind::unexpected, partition, offset, text);
  else if (account.hash(offset) != hash)
    note(finding_kind::different, partition, offset, text);
}

void ledger::close(const std::map<int32_t, int64_t>& settled) {
  for (const auto& [partition, account] : partitions_) {
    auto i = settled.find(partition);
    auto limit = i == settled.end() ? account.to() : i->second;
    for (auto at = account.from(); at < account.to(); ++at) {
      if (account.due(at) == entry_state::none || account.seen(at))
        continue;
      if (at < limit)
        note(finding_kind::missing, partition, at, "");
      else
        ++pending;
    }
  }
}

void ledger::note(finding_kind kind, int32_t partition, int64_t offset,
                  std::string_view found) {
  ++counts_[static_cast<std::size_t>(kind)];
  // Each kind gets its share, so that one flood does not hide the others.
  if (count(kind) <= static_cast<int64_t>(max_examples_))
    examples_.push_back(
      {kind, partition, offset, std::string{found.substr(0, max_text)}});
}

} // namespace millrace_check
