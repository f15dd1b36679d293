#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/dlq_command.hpp"
#include "nodes/cli/dlq_replay.hpp"

#include <array>
#include <format>
#include <iterator>

namespace millrace::cli {

namespace {

/// Keys read at a time.
constexpr int64_t page_size = 10'000;

/// Dead letters that stay and are told one by one; the rest is counted.
constexpr std::size_t max_told = 1'000;

/// What became of all.
class account {
public:
  explicit account(bool json) : json_{json} {
    out_.begin_array();
  }

  void add(const dead_letter_id& id, const replay_result& x, console& to) {
    ++counts_[static_cast<std::size_t>(x.what)];
    if (x.what == replay_verdict::replayed || ++told_ > max_told)
      return;
    if (!json_) {
      to.note(to_string(id) + ' ' + to_string(x.what) + ": " + x.reason);
      return;
    }
    out_.begin_object();
    out_.key("lane").string(to_string(id.lane));
    out_.key("seq").integer(id.number.value);
    out_.key("verdict").string(to_string(x.what));
    out_.key("reason").string(x.reason);
    out_.end_object();
  }

  int64_t count(replay_verdict x) const {
    return counts_[static_cast<std::size_t>(x)];
  }

  int64_t all() const {
    return counts_[0] + counts_[1] + counts_[2] + counts_[3];
  }

  void tell(console& to) {
    auto numbers = [&](const char* form) {
      return std::vformat(form, std::make_format_args(counts_[0], counts_[1],
                                                      counts_[2], counts_[3]));
    };
    out_.end_array();
    if (json_)
      to.out(numbers("{{\"replayed\":{},\"failed\":{},\"refused\":{},"
                     "\"gone\":{},\"others\":")
             + out_.str() + "}\n");
    else
      to.out(numbers("replayed {}, failed {}, refused {}, gone {}\n"));
  }

private:
  bool json_;
  json_writer out_;
  std::size_t told_ = 0;

  /// By verdict.
  std::array<int64_t, 4> counts_{};
};

} // namespace

exit_code run_dlq_replay(const dlq_arguments& what, console& to) {
  auto which = narrow_filter_of(what);
  if (!which)
    return tell(which.error(), to);
  auto session = open_admin(what);
  if (!session)
    return tell(session.error(), to);
  auto note = note_of(what, "dlq replay");
  replayer worker{session->all,
                  {.session = admin_session_config(session->all,
                                                   session->patience),
                   .force = what.force},
                  note};
  dead_letters rows{session->conn, note};
  account sum{to.json()};
  std::optional<dead_letter_key> last;
  for (;;) {
    // Those that are kept stay behind the last key: none is tried twice.
    auto page = rows.page(*which, last, page_size);
    if (!page) {
      if (!to.json())
        sum.tell(to);
      return tell(admin_fail(page.error()).error(), to);
    }
    for (const auto& key : *page) {
      auto result = worker.replay(key);
      if (!result) {
        // What is done is done, and is told as well.
        if (!to.json())
          sum.tell(to);
        return tell(result.error(), to);
      }
      sum.add(key.id, *result, to);
    }
    if (std::ssize(*page) < page_size)
      break;
    last = page->back();
  }
  if (which->one && sum.all() == 0)
    return to.fail(exit_code::failed,
                   "there is no dead letter " + to_string(*which->one));
  sum.tell(to);
  return sum.count(replay_verdict::failed) + sum.count(replay_verdict::refused)
             == 0
           ? exit_code::ok
           : exit_code::failed;
}

} // namespace millrace::cli
