#include "actors/coordinator/migrator.hpp"
#include "migrations/embedded.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace millrace {

namespace {

constexpr std::string_view up_mark = "-- millrace:up";
constexpr std::string_view down_mark = "-- millrace:down";
constexpr std::string_view description_mark = "-- description:";

/// Far beyond any migration; keeps a wrong folder from being read whole.
constexpr std::uintmax_t max_file_bytes = 4 << 20;

std::string sha256(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  std::string result;
  for (unsigned int i = 0; i < size; ++i) {
    result += "0123456789abcdef"[digest[i] >> 4];
    result += "0123456789abcdef"[digest[i] & 0xf];
  }
  return result;
}

std::string_view trim(std::string_view x) {
  auto begin = x.find_first_not_of(" \t\r\n");
  if (begin == x.npos)
    return {};
  return x.substr(begin, x.find_last_not_of(" \t\r\n") - begin + 1);
}

/// `NNN_words.sql`
bool parse_name(std::string_view file, migration& out) {
  if (!file.ends_with(".sql"))
    return false;
  auto stem = file.substr(0, file.size() - 4);
  auto begin = stem.data();
  auto [at, ec] = std::from_chars(begin, begin + stem.size(), out.version);
  auto digits = static_cast<std::size_t>(at - begin);
  if (ec != std::errc{} || digits < 3 || out.version < 1
      || digits + 1 >= stem.size() || stem[digits] != '_')
    return false;
  out.name = stem.substr(digits + 1);
  return std::ranges::all_of(out.name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

struct named_text {
  std::string name;
  std::string text;
};

/// Parses all, sorts by version, and finds what is missing or there twice.
std::expected<migration_set, std::string>
make_set(std::string_view set, const std::vector<named_text>& files) {
  migration_set result{std::string{set}, {}};
  std::string problems;
  auto problem = [&problems](const std::string& text) {
    problems += (problems.empty() ? "" : "\n") + text;
  };
  std::vector<std::pair<int32_t, std::string>> names;
  for (const auto& file : files) {
    auto parsed = parse_migration(file.name, file.text);
    if (!parsed) {
      problem(parsed.error());
      continue;
    }
    names.emplace_back(parsed->version, file.name);
    result.files.push_back(std::move(*parsed));
  }
  std::ranges::sort(result.files, {}, &migration::version);
  std::ranges::sort(names);
  for (std::size_t i = 1; i < names.size(); ++i)
    if (names[i].first == names[i - 1].first)
      problem(names[i - 1].second + " and " + names[i].second
              + " have the same number; give the newer one the next free "
                "number");
  int32_t expected = 1;
  for (const auto& [version, name] : names) {
    if (version > expected)
      problem("there is no file with number " + std::to_string(expected)
              + " before " + name + "; rename or restore it");
    expected = version + 1;
  }
  if (files.empty())
    problem("no migrations found for " + result.name);
  if (!problems.empty())
    return std::unexpected{problems};
  return result;
}

} // namespace

std::expected<migration, std::string> parse_migration(std::string_view file,
                                                      std::string_view text) {
  auto fail = [file](std::string_view what) {
    return std::unexpected{std::string{file} + ": " + std::string{what}};
  };
  migration result;
  if (!parse_name(file, result))
    return fail("found this name, expected NNN_words.sql with at least three "
                "digits and words of a-z, 0-9 and _");
  result.checksum = sha256(text);
  enum class section { head, up, down } now = section::head;
  for (auto rest = text; !rest.empty();) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    auto bare = trim(line);
    if (bare == up_mark || bare == down_mark) {
      auto next = bare == up_mark ? section::up : section::down;
      if (next <= now)
        return fail("the line \"" + std::string{bare}
                    + "\" is there twice or in the wrong order");
      now = next;
    } else if (now == section::head && bare.starts_with(description_mark)) {
      result.description = trim(bare.substr(description_mark.size()));
    } else if (now == section::head && !bare.empty()
               && !bare.starts_with("--")) {
      return fail("SQL before the line \"-- millrace:up\"");
    } else if (now != section::head) {
      auto& body = now == section::up ? result.up : result.down;
      body += line;
      body += '\n';
    }
  }
  if (result.description.empty())
    return fail("no line \"-- description: …\" before \"-- millrace:up\"");
  if (trim(result.up).empty())
    return fail("nothing under \"-- millrace:up\"");
  return result;
}

std::expected<migration_set, std::string>
load_embedded_migrations(std::string_view set) {
  std::vector<named_text> files;
  for (const auto& x : embedded_migrations(set))
    files.push_back({std::string{x.name}, std::string{x.text}});
  return make_set(set, files);
}

std::expected<migration_set, std::string>
load_migrations(std::string_view set, const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<named_text> files;
  std::error_code ec;
  for (auto i = fs::directory_iterator{folder, ec}; !ec && i != end(i);
       i.increment(ec)) {
    auto path = i->path();
    if (path.extension() != ".sql")
      continue;
    if (!i->is_regular_file() || i->file_size() > max_file_bytes)
      return std::unexpected{path.string() + ": not a file of at most 4 MiB"};
    std::ifstream in{path, std::ios::binary};
    std::ostringstream text;
    text << in.rdbuf();
    if (!in)
      return std::unexpected{path.string() + ": cannot be read"};
    files.push_back({path.filename().string(), text.str()});
  }
  if (ec)
    return std::unexpected{folder + ": " + ec.message()};
  return make_set(set, files);
}

} // namespace millrace
