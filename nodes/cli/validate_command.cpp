#include "nodes/cli/validate_command.hpp"

#include "config/backfills.hpp"
#include "config/values.hpp"
#include "nodes/cli/config_files.hpp"
#include "nodes/cli/live_checks.hpp"
#include "nodes/prepare.hpp"

#include <algorithm>
#include <iterator>

namespace millrace::cli {

namespace {

/// What became of one file.
struct verdict {
  findings all;
  bool unreachable = false;

  bool wrong() const {
    return std::ranges::contains(all, severity::error, &finding::level);
  }

  void add(live_report x) {
    std::ranges::move(x.all, std::back_inserter(all));
    unreachable = unreachable || x.unreachable;
  }
};

/// What is wrong with the files of `[[migrations]]` needs no server to be told.
findings check_own_sets(const config& all) {
  findings result;
  for (const auto& own : all.migrations) {
    auto files = files_of({own.set, {}, own.folder});
    for (const auto& text :
         files ? files->problems : std::vector{files.error()})
      result.push_back({severity::error,
                        to_string(own.at) + ": migrations: " + text, own.at,
                        "migrations"});
  }
  return result;
}

/// Which pipelines will stand still for a while.
findings check_backfills(const config& all) {
  findings result;
  for (const auto& x : all.pipelines) {
    const auto* other = backfilled_by(all, x);
    if (!other || !order_matters(x, *other))
      continue;
    auto& found = result.emplace_back(make_warning(
      to_string(x.at) + ": pipeline." + x.name
      + ".backfills: the order of events matters in its tables, so "
      + other->name
      + " waits where its map is changed until the backfill has come there: "
        "let it come near first ('millrace lanes backfills')"));
    found.at = x.at;
    found.path = "pipeline." + x.name + ".backfills";
  }
  return result;
}

verdict check(const std::string& file, const validate_arguments& what,
              std::chrono::milliseconds patience) {
  auto loaded = load_checked(file, what.pack_dirs);
  if (!loaded)
    return {loaded.error()};
  verdict result{check_own_sets(*loaded)};
  std::ranges::move(check_backfills(*loaded), std::back_inserter(result.all));
  if (what.offline)
    return result;
  for (const auto* database : all_databases(*loaded))
    result.add(check_live_database(*loaded, *database, patience));
  result.add(check_live_kafka(*loaded, patience));
  // Servers know nothing of files: say which one it was about.
  for (auto& x : result.all)
    if (x.at.file.empty()) {
      x.at.file = file;
      if (!x.text.starts_with(file))
        x.text = file + ": " + x.text;
    }
  return result;
}

/// Against the live tables where they can be asked.
exit_code explain_file(const std::string& file, const validate_arguments& what,
                       std::chrono::milliseconds patience, console& to) {
  auto loaded = load_checked(file, what.pack_dirs);
  if (!loaded)
    return exit_code::usage;
  const auto* pipeline = find_pipeline(*loaded, what.samples.pipeline, to);
  if (!pipeline)
    return exit_code::usage;
  auto program = what.offline ? nullptr
                              : live_program(*loaded, *pipeline, patience);
  if (!program)
    program = compile_without_tables(*pipeline, to);
  if (!program)
    return exit_code::usage;
  return show_events(*loaded, *pipeline, program, what.samples, true, to);
}

} // namespace

exit_code run_validate(const validate_arguments& what, console& to) {
  if (what.explain && (what.files.size() != 1 || what.samples.events.empty()))
    return to.fail(exit_code::usage,
                   "--explain: expected one configuration and --events");
  auto patience = parse_duration(what.timeout);
  if (!patience || patience->count() == 0)
    return to.fail(exit_code::usage,
                   "--timeout: found " + in_quotes(what.timeout)
                     + ", expected a duration such as \"500ms\" or \"5s\"");
  verdict sum;
  for (const auto& file : what.files) {
    auto one = check(file, what, *patience);
    if (!to.json()) {
      to.tell(one.all);
      if (!one.wrong())
        to.out(printable(file)
               + (what.offline      ? ": valid; servers were not asked\n"
                  : one.unreachable ? ": valid, as far as it could be checked\n"
                                    : ": valid\n"));
    }
    sum.add({std::move(one.all), one.unreachable});
  }
  // Events are lines of their own: then findings are told when there are any.
  if (to.json() && !(what.explain && sum.all.empty()))
    to.tell(sum.all);
  if (sum.wrong())
    return exit_code::usage;
  if (what.explain)
    return explain_file(what.files.front(), what, *patience, to);
  if (sum.unreachable && what.require_servers)
    return exit_code::unreachable;
  return exit_code::ok;
}

} // namespace millrace::cli
