#pragma once

#include "actors/admin/readiness.hpp"
#include "config/config.hpp"
#include "config/placement.hpp"
#include "messages/supervision.hpp"
#include "nodes/migrated_sets.hpp"
#include "nodes/node.hpp"
#include "nodes/preparation.hpp"
#include "nodes/tree.hpp"

#include <caf/actor_system.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// Readings whose program does not fit the database any more, because of the
/// map or of columns, by name, with a sentence each. For many threads.
class outdated_programs {
public:
  void note(const std::string& pipeline, const std::string& why);

  std::map<std::string, std::string> all() const;

  void clear();

private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> pipelines_;
};

/// What a node runs below its root, and how that is replaced while the process
/// and its admin server stay: it is stopped in order, and planted anew from
/// another configuration, by the code of a start. What was not acknowledged is
/// read again, as after any start.
class tree_keeper {
public:
  using clock = std::chrono::steady_clock;

  tree_keeper(caf::actor_system& sys, supervisor_actor root,
              std::shared_ptr<readiness_board> board, node_options options);

  /// Ends what waits for other migrators. A statement that runs is waited for.
  ~tree_keeper();

  tree_keeper(const tree_keeper&) = delete;
  tree_keeper& operator=(const tree_keeper&) = delete;

  /// Plants what all databases share, and begins to prepare them.
  void begin(const config& all, const placement_ptr& where);

  /// To be called often; does not block. Plants what belongs to each database
  /// as it gets ready. False when one of them cannot be used as it is
  /// configured, see `preparation`.
  bool advance();

  /// Databases that are not ready.
  std::size_t waiting() const noexcept;

  /// Whether there was a database that is ready.
  bool has_planted() const noexcept {
    return planted_;
  }

  /// To be called about every second. Reads the configuration again when that
  /// was `asked` for, and every few seconds while a program is outdated; takes
  /// it, with a later call, when it can be used and, unless asked, brings such
  /// a pipeline one that fits. What was asked for and is not taken yet makes
  /// room for what is asked for again.
  void look(bool asked);

private:
  using stop_flag = std::shared_ptr<std::atomic<bool>>;

  /// What a trial came to.
  struct verdict {
    /// Nothing that anybody waits for is better with it.
    bool needless = false;

    /// Why it cannot be used.
    std::optional<std::string> why_not;
  };

  /// A configuration that is being tried on the databases.
  struct trial {
    std::shared_ptr<const config> next;
    migrated_sets before;
    bool asked = false;
    stop_flag stop;

    std::future<verdict> outcome;
  };

  void begin(const config& all, const placement_ptr& where,
             const migrated_sets& before);
  void plant(const postgresql_config& database,
             const std::vector<prepared_pipeline>& pipelines);
  void try_out(config next, bool asked,
               const std::map<std::string, std::string>& troubled);
  static verdict judge(const config& next, const migrated_sets& before,
                       const std::map<std::string, std::string>& troubled,
                       const std::function<bool()>& stop);
  void end_trial();
  void take(const trial& x);
  void stop_preparing();
  void post(const std::map<std::string, std::string>& troubled);
  void keep_old(const std::string& why);

  caf::actor_system& sys_;
  supervisor_actor root_;
  std::shared_ptr<readiness_board> board_;
  node_options options_;

  /// What `databases_` works on: that ends first.
  planting running_;
  stop_flag stop_preparing_;
  std::optional<preparation> databases_;
  std::optional<trial> trial_;

  /// While there was a trial.
  bool asked_meanwhile_ = false;
  std::vector<std::string> children_;
  bool planted_ = false;

  /// By this process, when its databases were ready.
  migrated_sets migrated_;
  std::shared_ptr<outdated_programs> outdated_
    = std::make_shared<outdated_programs>();

  /// On the board and in the log already.
  std::map<std::string, std::string> posted_;
  std::string kept_why_;
  clock::time_point next_look_;
};

} // namespace millrace
