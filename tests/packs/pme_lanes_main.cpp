// Brings recorded days into PostgreSQL through the lanes of the pack
// pme-online, one after the other, and shows the rows that they end in.
//
//     DB_URL=postgresql://… millrace-pme-lanes
//
// Reads lines `SEED CRASHES_PER_MILLE BATCH_RECORDS FLUSH_BYTES FILE` from
// standard input, and answers each with the account and the rows, a line of
// JSON each.

#include "nodes/line_source.hpp"
#include "tests/packs/pme_lanes.hpp"

#include <cstdlib>
#include <exception>
#include <format>
#include <iostream>
#include <sstream>
#include <stdexcept>

using namespace millrace;
using namespace millrace::test;

namespace {

topic_log read_log(const std::string& file) {
  auto lines = line_source::open(file, false);
  if (!lines)
    throw std::runtime_error(lines.error());
  recorded_line_reader reader;
  topic_log result(lane_world::partitions);
  while (true) {
    auto line = lines->next();
    if (!line)
      throw std::runtime_error(line.error());
    if (!*line)
      return result;
    auto record = reader.read(**line);
    if (!record)
      throw std::runtime_error(record.error());
    auto partition = static_cast<std::size_t>((*record)->partition.value_or(0));
    result.at(partition).push_back(**record);
  }
}

void serve(lane_world& world) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words{line};
    pass_options options;
    std::string file;
    if (!(words >> options.seed >> options.crashes_per_mille
          >> options.batch_records >> options.flush_bytes >> file))
      throw std::runtime_error("found '" + line + "', expected five words");
    world.empty();
    auto log = read_log(file);
    auto account = world.pass(log, options);
    std::cout << std::format("{{\"flushes\":{},\"crashes\":{},"
                             "\"cut_flushes\":{},\"shared_steps\":{}}}\n",
                             account.flushes, account.crashes,
                             account.cut_flushes, account.shared_steps)
              << world.rows() << std::endl;
  }
}

} // namespace

int main() {
  const char* url = std::getenv("DB_URL");
  if (!url) {
    std::cerr << "DB_URL is not set\n";
    return 2;
  }
  try {
    lane_world world{url};
    serve(world);
    return 0;
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
