#include "tests/nodes/process.hpp"

#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

namespace millrace::test {

namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& x : texts)
    result.push_back(x.data());
  result.push_back(nullptr);
  return result;
}

std::string content(int file) {
  std::string result;
  std::array<char, 4096> buffer{};
  for (off_t at = 0;;) {
    auto n = ::pread(file, buffer.data(), buffer.size(), at);
    if (n <= 0)
      return result;
    result.append(buffer.data(), static_cast<std::size_t>(n));
    at += n;
  }
}

std::vector<std::string> full_environment(const process::variables& added) {
  std::vector<std::string> result;
  for (const char* name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                           "LSAN_OPTIONS", "TSAN_OPTIONS"})
    if (const char* value = std::getenv(name))
      result.push_back(std::string{name} + '=' + value);
  for (const auto& [name, value] : added)
    result.push_back(name + '=' + value);
  return result;
}

pid_t spawn(std::vector<std::string> command,
            const process::variables& environment, int out, int err) {
  auto variables = full_environment(environment);
  auto argv = pointers(command);
  auto envp = pointers(variables);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                   O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  pid_t result = -1;
  auto code = posix_spawnp(&result, argv.front(), &actions, nullptr,
                           argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0)
    throw std::runtime_error{"cannot run " + command.front()};
  return result;
}

int await(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

process::process(const std::vector<std::string>& args,
                 const variables& environment)
  : out_{::memfd_create("out", MFD_CLOEXEC)},
    err_{::memfd_create("err", MFD_CLOEXEC)} {
  std::vector<std::string> command{MILLRACE_BINARY};
  command.insert(command.end(), args.begin(), args.end());
  pid_ = spawn(std::move(command), environment, out_, err_);
}

process::~process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    await(pid_);
  }
  ::close(out_);
  ::close(err_);
}

void process::signal(int number) const {
  ::kill(pid_, number);
}

std::string process::err_so_far() const {
  return content(err_);
}

outcome process::wait() {
  auto code = await(std::exchange(pid_, -1));
  return {code, content(out_), content(err_)};
}

outcome run(const std::vector<std::string>& args,
            const process::variables& environment) {
  return process{args, environment}.wait();
}

outcome run_program(const std::vector<std::string>& command,
                    const process::variables& environment) {
  auto out = ::memfd_create("out", MFD_CLOEXEC);
  auto err = ::memfd_create("err", MFD_CLOEXEC);
  auto code = await(spawn(command, environment, out, err));
  outcome result{code, content(out), content(err)};
  ::close(out);
  ::close(err);
  return result;
}

} // namespace millrace::test
