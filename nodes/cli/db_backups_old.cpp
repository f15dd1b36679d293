// `millrace db backups --delete-older-than`.

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/backup_folder.hpp"
#include "nodes/cli/db_backup.hpp"

#include <chrono>
#include <format>
#include <utility>

namespace millrace::cli {

exit_code delete_old_backups(const backup_arguments& what, console& to) {
  auto age = parse_duration(what.delete_older_than);
  if (!age || age->count() == 0)
    return to.fail(exit_code::usage, "--delete-older-than: found "
                                       + in_quotes(what.delete_older_than)
                                       + ", expected a duration such as "
                                         "\"30d\"");
  auto old = backups_older_than(list_backups(what.folder),
                                std::chrono::system_clock::now(), *age);
  if (!old.empty()) {
    std::string plan;
    for (const auto& x : old)
      plan += std::format("backup {} of {}, {} bytes, will be deleted\n",
                          printable(x.name), printable(x.manifest->began),
                          bytes_of(*x.manifest));
    to.note(plan);
    if (auto agreed = confirm(what, to, "They cannot be brought back. Go on?");
        !agreed)
      return tell(agreed.error(), to);
  }
  json_writer out;
  std::string text;
  findings wrong;
  out.begin_array();
  for (const auto& x : old) {
    auto done = delete_backup(what.folder, x.name);
    out.begin_object();
    out.key("name").string(x.name);
    out.key("began").string(x.manifest->began);
    out.key("bytes").integer(bytes_of(*x.manifest));
    if (!done) {
      out.key("error").string(done.error());
      wrong.push_back(make_error(x.name + ": " + done.error()));
    } else {
      text += "deleted " + printable(x.name) + '\n';
    }
    out.end_object();
  }
  out.end_array();
  if (to.json()) {
    to.out(std::move(out).str() + '\n');
  } else {
    to.out(old.empty() ? "no backup is older than " + what.delete_older_than
                           + "; the newest one always stays\n"
                       : text);
    to.tell(wrong);
  }
  return wrong.empty() ? exit_code::ok : exit_code::failed;
}

} // namespace millrace::cli
