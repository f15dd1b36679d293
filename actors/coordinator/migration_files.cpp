#include "actors/coordinator/migration.hpp"
#include "messages/sha256.hpp"
#include "migrations/embedded.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

namespace millrace {

namespace {

constexpr std::string_view up_mark = "-- millrace:up";
constexpr std::string_view down_mark = "-- millrace:down";
constexpr std::string_view stepwise_mark = "-- millrace:no-transaction";
constexpr std::string_view repeatable_prefix = "R_";

/// Far beyond any migration; keeps a wrong folder from being read whole.
constexpr std::uintmax_t max_file_bytes = 4 << 20;

std::string_view trim(std::string_view x) {
  auto begin = x.find_first_not_of(" \t\r\n");
  if (begin == x.npos)
    return {};
  return x.substr(begin, x.find_last_not_of(" \t\r\n") - begin + 1);
}

bool is_words(std::string_view x) {
  return !x.empty() && std::ranges::all_of(x, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// `NNN_words.sql` or `R_words.sql`
bool parse_name(std::string_view file, migration& out) {
  if (!file.ends_with(".sql"))
    return false;
  auto stem = file.substr(0, file.size() - 4);
  if (stem.starts_with(repeatable_prefix)) {
    out.name = stem.substr(repeatable_prefix.size());
    return is_words(out.name);
  }
  auto begin = stem.data();
  auto [at, ec] = std::from_chars(begin, begin + stem.size(), out.version);
  auto digits = static_cast<std::size_t>(at - begin);
  if (ec != std::errc{} || digits < 3 || out.version < 1
      || digits + 1 >= stem.size() || stem[digits] != '_')
    return false;
  out.name = stem.substr(digits + 1);
  return is_words(out.name);
}

/// What the header's line `-- key: …` says, whatever the case of the key.
std::optional<std::string_view> header(std::string_view line,
                                       std::string_view key) {
  if (!line.starts_with("--"))
    return std::nullopt;
  line = trim(line.substr(2));
  auto same
    = line.size() > key.size() && line[key.size()] == ':'
      && std::ranges::equal(line.substr(0, key.size()), key, {}, [](char c) {
           return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
         });
  if (!same)
    return std::nullopt;
  return trim(line.substr(key.size() + 1));
}

struct named_text {
  std::string name;
  std::string text;
};

/// What is missing or there twice.
void check_numbers(const std::vector<std::pair<int32_t, std::string>>& names,
                   std::vector<std::string>& problems) {
  for (std::size_t i = 1; i < names.size(); ++i)
    if (names[i].first == names[i - 1].first)
      problems.push_back(names[i - 1].second + " and " + names[i].second
                         + " have the same number; give the newer one the "
                           "next free number");
  int32_t expected = 1;
  for (const auto& [version, name] : names) {
    if (version > expected)
      problems.push_back("there is no file with number "
                         + std::to_string(expected) + " before " + name
                         + "; rename or restore it");
    expected = version + 1;
  }
}

/// Parses all and sorts by version.
migration_set make_set(std::string_view set,
                       const std::vector<named_text>& files) {
  migration_set result{std::string{set}, {}};
  std::vector<std::pair<int32_t, std::string>> names;
  for (const auto& file : files) {
    auto parsed = parse_migration(file.name, file.text);
    if (!parsed) {
      // Its number is taken all the same.
      if (migration x; parse_name(file.name, x) && !x.repeatable())
        names.emplace_back(x.version, file.name);
      result.problems.push_back(parsed.error());
    } else if (parsed->repeatable()) {
      result.repeatables.push_back(std::move(*parsed));
    } else {
      names.emplace_back(parsed->version, file.name);
      result.files.push_back(std::move(*parsed));
    }
  }
  std::ranges::sort(result.files, {}, &migration::version);
  std::ranges::sort(result.repeatables, {}, &migration::name);
  std::ranges::sort(names);
  std::ranges::sort(result.problems);
  check_numbers(names, result.problems);
  return result;
}

/// Reads the lines of a file into its parts.
class file_parser {
public:
  file_parser(std::string_view file, migration& to) : file_{file}, to_{to} {
  }

  std::expected<void, std::string> run(std::string_view text) {
    for (auto rest = text; !rest.empty();) {
      auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      if (auto done = take(line); !done)
        return done;
    }
    if (to_.description.empty())
      return fail("no line \"-- description: …\" before \"-- millrace:up\"");
    if (trim(to_.up).empty())
      return fail("nothing under \"-- millrace:up\"");
    if (to_.repeatable() && now_ == section::down)
      return fail("a repeatable file has no \"-- millrace:down\": to take back "
                  "what it makes, change it");
    return {};
  }

private:
  enum class section { head, up, down };

  std::unexpected<std::string> fail(std::string_view what) const {
    return std::unexpected{std::string{file_} + ": " + std::string{what}};
  }

  std::expected<void, std::string> take(std::string_view line) {
    auto bare = trim(line);
    if (bare == up_mark || bare == down_mark) {
      auto next = bare == up_mark ? section::up : section::down;
      if (next <= now_)
        return fail("the line \"" + std::string{bare}
                    + "\" is there twice or in the wrong order");
      now_ = next;
    } else if (bare == stepwise_mark) {
      if (now_ != section::head)
        return fail("\"-- millrace:no-transaction\" belongs before "
                    "\"-- millrace:up\"");
      to_.in_transaction = false;
    } else if (now_ == section::head) {
      if (auto x = header(bare, "description"))
        to_.description = *x;
      else if (auto y = header(bare, "author"))
        to_.author = *y;
      else if (!bare.empty() && !bare.starts_with("--"))
        return fail("SQL before the line \"-- millrace:up\"");
    } else {
      auto& body = now_ == section::up ? to_.up : to_.down;
      body += line;
      body += '\n';
    }
    return {};
  }

  std::string_view file_;
  migration& to_;
  section now_ = section::head;
};

} // namespace

std::string file_of(std::string_view set, const migration& x) {
  if (x.repeatable())
    return std::format("{}/{}{}.sql", set, repeatable_prefix, x.name);
  return std::format("{}/{:03}_{}.sql", set, x.version, x.name);
}

std::expected<migration, std::string> parse_migration(std::string_view file,
                                                      std::string_view text) {
  migration result;
  if (!parse_name(file, result))
    return std::unexpected{std::string{file}
                           + ": found this name, expected NNN_words.sql with "
                             "at least three digits, or R_words.sql, and words "
                             "of a-z, 0-9 and _"};
  result.checksum = sha256_hex(text);
  if (auto done = file_parser{file, result}.run(text); !done)
    return std::unexpected{done.error()};
  return result;
}

std::expected<migration_set, std::string>
load_embedded_migrations(std::string_view set) {
  std::vector<named_text> files;
  for (const auto& x : embedded_migrations(set))
    files.push_back({std::string{x.name}, std::string{x.text}});
  if (files.empty())
    return std::unexpected{"no migrations found for " + std::string{set}};
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
    // A file may go, or be forbidden, between two looks at it.
    std::error_code wrong;
    auto is_file = i->is_regular_file(wrong);
    auto bytes = is_file && !wrong ? i->file_size(wrong) : 0;
    if (wrong)
      return std::unexpected{path.string() + ": " + wrong.message()};
    if (!is_file || bytes > max_file_bytes)
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
  auto result = make_set(set, files);
  if (files.empty())
    result.problems.push_back("no migrations found for " + result.name + " in "
                              + folder);
  return result;
}

std::expected<std::string, std::string>
new_migration(const std::string& folder, std::string_view words,
              std::string_view author, bool repeatable) {
  std::string name;
  for (auto c : words) {
    auto letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (c >= 'A' && c <= 'Z')
      name += static_cast<char>(c | 0x20);
    else if (letter)
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  }
  while (name.ends_with('_'))
    name.pop_back();
  if (name.empty())
    return std::unexpected{"found " + std::string{words}
                           + ", expected words of letters and digits"};
  auto set = load_migrations("new", folder);
  if (!set)
    return std::unexpected{set.error()};
  int32_t last = 0;
  for (const auto& x : set->files)
    last = std::max(last, x.version);
  migration next;
  next.name = name;
  next.version = repeatable ? 0 : last + 1;
  auto path
    = (std::filesystem::path{folder} / file_of({}, next).substr(1)).string();
  // Never over a file that is there.
  std::FILE* out = std::fopen(path.c_str(), "wx");
  if (out == nullptr)
    return std::unexpected{path + ": "
                           + std::generic_category().message(errno)};
  std::string text = "-- description: " + std::string{trim(words)} + '\n';
  if (!author.empty())
    text += "-- author: " + std::string{author} + '\n';
  text += "\n-- millrace:up\n";
  if (!repeatable)
    text += "\n-- millrace:down\n";
  auto good = std::fputs(text.c_str(), out) >= 0;
  if (std::fclose(out) != 0 || !good)
    return std::unexpected{path + ": cannot be written"};
  return path;
}

} // namespace millrace
