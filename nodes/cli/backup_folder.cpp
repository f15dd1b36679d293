#include "nodes/cli/backup_folder.hpp"

#include "actors/coordinator/durable_file.hpp"
#include "config/rfc3339.hpp"
#include "config/values.hpp"
#include "messages/sha256.hpp"

#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace millrace::cli {

namespace fs = std::filesystem;

namespace {

constexpr auto manifest_file = "manifest.json";
constexpr auto checksum_file = "manifest.sha256";
constexpr auto lock_file = "lock";
constexpr std::string_view partial = ".partial";

std::unexpected<std::string> refuse(const fs::path& what,
                                    const std::error_code& why) {
  return std::unexpected{what.string() + ": " + why.message()};
}

std::unexpected<std::string> refuse_errno(const fs::path& what) {
  return refuse(what, {errno, std::generic_category()});
}

/// The lock of an unfinished backup, or -1: somebody else has it.
int lock_in(const fs::path& folder) {
  auto file = ::open((folder / lock_file).c_str(), O_RDWR | O_CREAT | O_CLOEXEC,
                     0600);
  if (file >= 0 && ::flock(file, LOCK_EX | LOCK_NB) != 0)
    ::close(std::exchange(file, -1));
  return file;
}

std::optional<std::string> content_of(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in)
    return std::nullopt;
  return std::string{std::istreambuf_iterator<char>{in}, {}};
}

/// What a process that died has left behind.
void remove_leftovers(const fs::path& folder,
                      const std::function<void(const std::string&)>& removed) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& x : fs::directory_iterator{folder, ignored}) {
    auto name = x.path().filename().string();
    if (name.starts_with('.') && name.ends_with(partial) && x.is_directory())
      found.push_back(x.path());
  }
  for (const auto& x : found) {
    auto lock = lock_in(x);
    if (lock < 0)
      continue;
    fs::remove_all(x, ignored);
    ::close(lock);
    removed(x.filename().string());
  }
}

std::expected<backup_file, std::string> sum_file(const fs::path& file,
                                                 const std::stop_token& stop) {
  std::ifstream in{file, std::ios::binary};
  backup_file result;
  sha256_sum sum;
  std::vector<char> buffer(1 << 20);
  while (in && !stop.stop_requested()) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    auto n = static_cast<std::size_t>(in.gcount());
    sum.add({buffer.data(), n});
    result.bytes += in.gcount();
  }
  if (stop.stop_requested())
    return std::unexpected{std::string{"interrupted"}};
  if (!in.eof())
    return refuse_errno(file);
  result.sha256 = sum.hex();
  return result;
}

} // namespace

// -- names --------------------------------------------------------------------

std::optional<std::string> backup_name_problem(std::string_view name) {
  auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  if (!name.empty() && name.size() <= 100 && name.front() != '.'
      && name.front() != '-' && std::ranges::all_of(name, fits))
    return std::nullopt;
  return "NAME: found " + in_quotes(name)
         + ", expected 1 to 100 of A-Z, a-z, 0-9, ., _ and -, not beginning "
           "with . or -";
}

std::string backup_name_at(std::chrono::system_clock::time_point x) {
  return std::format("{:%Y%m%dT%H%M%SZ}",
                     std::chrono::floor<std::chrono::seconds>(x));
}

std::string rfc3339(std::chrono::system_clock::time_point x) {
  return std::format("{:%FT%TZ}", std::chrono::floor<std::chrono::seconds>(x));
}

// -- making -------------------------------------------------------------------

std::expected<unfinished_backup, std::string>
unfinished_backup::begin(const fs::path& folder, const std::string& name,
                         const std::function<void(const std::string&)>& gone) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed)
    return refuse(folder, failed);
  remove_leftovers(folder, gone);
  auto target = folder / name;
  if (fs::exists(target, failed))
    return std::unexpected{"there is a backup " + in_quotes(name)
                           + " already; give another NAME"};
  auto path = folder / ('.' + name + std::string{partial});
  if (!fs::create_directory(path, failed) && failed)
    return refuse(path, failed);
  // Rows of all tenants: for nobody else.
  fs::permissions(path, fs::perms::owner_all, failed);
  auto lock = lock_in(path);
  if (lock < 0)
    return std::unexpected{"a backup " + in_quotes(name)
                           + " is being made by another process"};
  return unfinished_backup{path, target, lock};
}

unfinished_backup::unfinished_backup(unfinished_backup&& other) noexcept
  : path_{std::move(other.path_)},
    target_{std::move(other.target_)},
    lock_{std::exchange(other.lock_, -1)} {
}

unfinished_backup::~unfinished_backup() {
  if (lock_ < 0)
    return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  ::close(lock_);
}

std::expected<void, std::string>
unfinished_backup::finish(const backup_manifest& x) {
  auto text = to_json(x);
  if (auto done = write_file(path_ / manifest_file, text); !done)
    return done;
  if (auto done = write_file(path_ / checksum_file,
                             sha256_hex(text) + "  " + manifest_file + '\n');
      !done)
    return done;
  if (auto done = sync_folder(path_); !done)
    return done;
  // Locked until it has its name: another one would take it for a leftover.
  std::error_code failed;
  fs::rename(path_, target_, failed);
  if (failed)
    return refuse(target_, failed);
  ::close(std::exchange(lock_, -1));
  fs::remove(target_ / lock_file, failed);
  return sync_folder(target_.parent_path());
}

// -- reading ------------------------------------------------------------------

std::vector<listed_backup> list_backups(const fs::path& folder) {
  std::vector<listed_backup> result;
  std::error_code ignored;
  for (const auto& x : fs::directory_iterator{folder, ignored}) {
    auto name = x.path().filename().string();
    if (name.starts_with('.') || !fs::exists(x.path() / manifest_file, ignored))
      continue;
    auto found = open_backup(folder, name);
    if (found)
      result.push_back({name, std::move(found->manifest), {}});
    else
      result.push_back({name, std::nullopt, found.error()});
  }
  std::ranges::sort(result, {}, &listed_backup::name);
  return result;
}

std::optional<std::string> newest_of(const std::vector<listed_backup>& all) {
  const listed_backup* result = nullptr;
  // Times of this kind are in the order of their texts.
  for (const auto& x : all)
    if (x.manifest && (!result || x.manifest->began > result->manifest->began))
      result = &x;
  return result ? std::optional{result->name} : std::nullopt;
}

std::vector<listed_backup>
backups_older_than(const std::vector<listed_backup>& all,
                   std::chrono::system_clock::time_point now,
                   std::chrono::milliseconds age) {
  auto newest = newest_of(all);
  auto limit = std::chrono::floor<std::chrono::milliseconds>(
                 now.time_since_epoch() - age)
                 .count();
  std::vector<listed_backup> result;
  for (const auto& x : all) {
    if (!x.manifest || x.name == newest)
      continue;
    auto began = parse_rfc3339_ms(x.manifest->began);
    if (began && *began < limit)
      result.push_back(x);
  }
  return result;
}

std::expected<void, std::string> delete_backup(const fs::path& folder,
                                               const std::string& name) {
  auto path = folder / ('.' + name + std::string{partial});
  std::error_code failed;
  fs::rename(folder / name, path, failed);
  if (failed)
    return refuse(folder / name, failed);
  fs::remove_all(path, failed);
  if (failed)
    return refuse(path, failed);
  return {};
}

std::expected<read_backup, std::string> open_backup(const fs::path& folder,
                                                    const std::string& name) {
  read_backup result;
  result.path = folder / name;
  auto text = content_of(result.path / manifest_file);
  if (!text)
    return std::unexpected{"there is no backup " + in_quotes(name) + " in "
                           + folder.string()
                           + "; 'millrace db backups' names all"};
  auto kept = content_of(result.path / checksum_file);
  if (!kept)
    return std::unexpected{(result.path / checksum_file).string()
                           + " is missing"};
  result.checksum = sha256_hex(*text);
  if (!kept->starts_with(result.checksum + ' '))
    return std::unexpected{(result.path / manifest_file).string()
                           + " is damaged: it has another SHA-256 than "
                           + checksum_file + " says"};
  auto manifest = parse_manifest(*text);
  if (!manifest)
    return std::unexpected{(result.path / manifest_file).string() + ": "
                           + manifest.error()};
  result.manifest = std::move(*manifest);
  return result;
}

std::expected<std::vector<backup_file>, std::string>
sum_files(const fs::path& path, const fs::path& base,
          const std::stop_token& stop) {
  std::error_code failed;
  std::vector<fs::path> found;
  for (fs::recursive_directory_iterator i{path, failed}, end; i != end;
       i.increment(failed)) {
    if (i->is_regular_file())
      found.push_back(i->path());
    if (failed)
      break;
  }
  if (failed)
    return refuse(path, failed);
  std::ranges::sort(found);
  std::vector<backup_file> result;
  for (const auto& x : found) {
    auto one = sum_file(x, stop);
    if (!one)
      return std::unexpected{one.error()};
    one->path = x.lexically_relative(base);
    result.push_back(std::move(*one));
  }
  return result;
}

std::vector<std::string> damages(const read_backup& x,
                                 const backup_database& database,
                                 const std::stop_token& stop) {
  auto found = sum_files(x.path / database.name, x.path, stop);
  if (!found)
    return {found.error()};
  std::map<std::string, backup_file> left;
  for (auto& file : *found)
    left.emplace(file.path, file);
  std::vector<std::string> result;
  for (const auto& file : database.files) {
    auto i = left.find(file.path);
    if (i == left.end())
      result.push_back(file.path + " is missing");
    else if (i->second.bytes != file.bytes)
      result.push_back(std::format("{} is damaged: {} bytes, and {} in the "
                                   "manifest",
                                   file.path, i->second.bytes, file.bytes));
    else if (!(i->second == file))
      result.push_back(file.path
                       + " is damaged: it has another SHA-256 than the "
                         "manifest says");
    if (i != left.end())
      left.erase(i);
  }
  for (const auto& [path, file] : left)
    result.push_back(path + " is not in the manifest");
  return result;
}

} // namespace millrace::cli
