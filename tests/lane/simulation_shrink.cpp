#include "tests/lane/simulation_shrink.hpp"

#include <algorithm>
#include <utility>

namespace millrace::test {

namespace {

std::string first_word(const std::string& x) {
  return x.substr(0, x.find(':'));
}

class shrinker {
public:
  shrinker(const variant& broken, bool backfill, script draws, std::string word,
           std::size_t budget)
    : broken_{broken},
      backfill_{backfill},
      best_{std::move(draws)},
      word_{std::move(word)},
      budget_{budget} {
  }

  script run() {
    for (auto before = size() + 1; size() < before && budget_ > 0;) {
      before = size();
      drop_steps();
      lower([](script& x) -> auto& { return x.world; });
      for (std::size_t i = 0; i < best_.steps.size(); ++i)
        lower([i](script& x) -> auto& { return x.steps[i]; });
    }
    return best_;
  }

private:
  /// Steps, and draws that are not 0.
  std::size_t size() const {
    auto count = [](const std::vector<uint32_t>& xs) {
      return xs.size()
             - static_cast<std::size_t>(std::ranges::count(xs, uint32_t{0}));
    };
    auto result = best_.steps.size() + count(best_.world);
    for (const auto& x : best_.steps)
      result += count(x);
    return result;
  }

  bool take_if_fails(script x) {
    if (budget_ == 0)
      return false;
    --budget_;
    choices draws{x};
    auto steps = std::max<std::size_t>(1, x.steps.size());
    auto failure
      = simulation{{.broken = broken_, .steps = steps, .backfill = backfill_},
                   draws}
          .run();
    if (!failure || first_word(*failure) != word_)
      return false;
    best_ = std::move(x);
    return true;
  }

  void drop_steps() {
    for (auto chunk = std::max<std::size_t>(1, best_.steps.size() / 2);
         chunk > 0; chunk /= 2)
      for (std::size_t at = 0; at < best_.steps.size() && budget_ > 0;) {
        auto x = best_;
        auto first = x.steps.begin() + static_cast<std::ptrdiff_t>(at);
        auto many = std::min(chunk, x.steps.size() - at);
        x.steps.erase(first, first + static_cast<std::ptrdiff_t>(many));
        if (!take_if_fails(std::move(x)))
          at += chunk;
      }
  }

  /// Sets draws to 0 in the part of the script that `of` finds.
  template <class Part>
  void lower(Part of) {
    // Not the part itself: it moves with each better script.
    auto size = of(best_).size();
    for (auto chunk = std::max<std::size_t>(1, size); chunk > 0; chunk /= 2)
      for (std::size_t at = 0; at < size && budget_ > 0; at += chunk) {
        auto x = best_;
        auto& draws = of(x);
        auto end = std::min(at + chunk, draws.size());
        auto changed = false;
        for (auto i = at; i < end; ++i)
          changed = std::exchange(draws[i], 0) != 0 || changed;
        if (changed)
          take_if_fails(std::move(x));
      }
  }

  const variant& broken_;
  bool backfill_;
  script best_;
  std::string word_;
  std::size_t budget_;
};

} // namespace

shrunk_run shrink(const variant& broken, uint64_t seed, std::size_t budget,
                  bool backfill) {
  shrunk_run result;
  choices draws{seed};
  draws.record();
  {
    simulation world{{.broken = broken, .backfill = backfill}, draws};
    auto failure = world.run();
    if (!failure)
      return result;
    result.failure = *failure;
  }
  result.draws = shrinker{broken, backfill, draws.drawn(),
                          first_word(result.failure), budget}
                   .run();
  choices again{result.draws};
  simulation world{{.broken = broken,
                    .steps = std::max<std::size_t>(1,
                                                   result.draws.steps.size()),
                    .backfill = backfill,
                    .tracing = true},
                   again};
  result.failure = world.run().value_or("it does not fail again");
  result.trace = world.trace();
  return result;
}

std::string to_string(const shrunk_run& x) {
  // A run that is stuck goes on for ever.
  constexpr std::size_t first = 150;
  constexpr std::size_t last = 100;
  auto left_out = x.trace.size() > first + last ? x.trace.size() - first - last
                                                : 0;
  std::string result;
  for (std::size_t i = 0; i < x.trace.size(); ++i) {
    if (i == first && left_out > 0) {
      result += "... " + std::to_string(left_out) + " more ...\n";
      i += left_out;
    }
    result += x.trace[i] + "\n";
  }
  return result + x.failure + "\n";
}

} // namespace millrace::test
