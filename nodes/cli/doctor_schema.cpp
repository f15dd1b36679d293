#include "nodes/cli/doctor_schema.hpp"

#include "actors/coordinator/sql_script.hpp"

#include <initializer_list>
#include <string_view>
#include <utility>

namespace millrace::cli {

namespace {

/// Reads the words of a statement from the front.
class word_reader {
public:
  explicit word_reader(const std::vector<sql_token>& all) : all_{all} {
  }

  /// Goes beyond these words if they are all there.
  bool take(std::initializer_list<std::string_view> words) {
    auto at = at_;
    for (auto word : words)
      if (at >= all_.size() || !all_[at++].is(word))
        return false;
    at_ = at;
    return true;
  }

  /// A name without its schema; empty where there is none.
  std::string name() {
    std::string result;
    while (at_ < all_.size()) {
      const auto& x = all_[at_];
      if (x.kind != sql_token_kind::word
          && x.kind != sql_token_kind::quoted_name)
        break;
      result = name_of(x);
      ++at_;
      if (!take({"."}))
        break;
    }
    return result;
  }

private:
  const std::vector<sql_token>& all_;
  std::size_t at_ = 0;
};

/// Calls `what` with each name of the list that ends the statement.
template <class Function>
void for_names(word_reader& words, Function what) {
  words.take({"CONCURRENTLY"});
  words.take({"IF", "EXISTS"});
  do
    what(words.name());
  while (words.take({","}));
}

void rename_table(made_objects& all, word_reader& words) {
  words.take({"IF", "EXISTS"});
  words.take({"ONLY"});
  auto old = words.name();
  if (!words.take({"RENAME", "TO"}) || all.tables.erase(old) == 0)
    return;
  auto name = words.name();
  all.tables.insert(name);
  for (auto& [index, table] : all.indexes)
    if (table == old)
      table = name;
}

void rename_index(made_objects& all, word_reader& words) {
  words.take({"IF", "EXISTS"});
  auto index = all.indexes.extract(words.name());
  if (index.empty() || !words.take({"RENAME", "TO"}))
    return;
  index.key() = words.name();
  all.indexes.insert(std::move(index));
}

void add_created(made_objects& to, word_reader& words) {
  auto unique = words.take({"UNIQUE"});
  if (words.take({"INDEX"})) {
    words.take({"CONCURRENTLY"});
    words.take({"IF", "NOT", "EXISTS"});
    // Without a name PostgreSQL finds one.
    if (words.take({"ON"}))
      return;
    auto name = words.name();
    words.take({"ON"});
    words.take({"ONLY"});
    to.indexes.emplace(name, words.name());
    return;
  }
  if (unique)
    return;
  words.take({"UNLOGGED"});
  if (words.take({"TABLE"})) {
    words.take({"IF", "NOT", "EXISTS"});
    auto name = words.name();
    if (!words.take({"PARTITION", "OF"}))
      to.tables.insert(name);
  } else if (words.take({"EXTENSION"})) {
    words.take({"IF", "NOT", "EXISTS"});
    to.extensions.insert(words.name());
  }
}

} // namespace

void add_made(made_objects& to, const migration& file) {
  auto all = split_sql(file.up);
  if (!all)
    return;
  for (const auto& statement : *all) {
    word_reader words{statement.tokens};
    if (words.take({"CREATE"}))
      add_created(to, words);
    else if (words.take({"DROP", "TABLE"}))
      for_names(words, [&to](const std::string& name) {
        to.tables.erase(name);
        std::erase_if(to.indexes,
                      [&](const auto& x) { return x.second == name; });
      });
    else if (words.take({"DROP", "INDEX"}))
      for_names(words,
                [&to](const std::string& name) { to.indexes.erase(name); });
    else if (words.take({"ALTER", "TABLE"}))
      rename_table(to, words);
    else if (words.take({"ALTER", "INDEX"}))
      rename_index(to, words);
  }
}

} // namespace millrace::cli
