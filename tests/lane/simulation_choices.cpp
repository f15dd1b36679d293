#include "tests/lane/simulation_choices.hpp"

#include <algorithm>

namespace millrace::test {

void choices::begin_step(std::size_t number) {
  next_ = 0;
  if (seeded_ && recording_)
    script_.steps.resize(number + 1);
  current_ = number < script_.steps.size() ? &script_.steps[number] : nullptr;
}

std::size_t choices::pick(std::size_t n) {
  if (quiet_ || n < 2)
    return 0;
  if (!seeded_) {
    if (!current_ || next_ >= current_->size())
      return 0;
    return std::min<std::size_t>((*current_)[next_++], n - 1);
  }
  auto result = static_cast<std::size_t>(random_() % n);
  if (recording_) {
    auto& to = current_ ? *current_ : script_.world;
    to.push_back(static_cast<uint32_t>(result));
  }
  return result;
}

} // namespace millrace::test
