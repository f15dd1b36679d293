#include "nodes/cli/child_program.hpp"

#include "config/values.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <ranges>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace millrace::cli {

namespace {

using namespace std::chrono_literals;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& x : texts)
    result.push_back(x.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string>
environment_with(const child_program::variables& added) {
  std::vector<std::string> result;
  for (char** x = environ; *x != nullptr; ++x)
    if (std::string_view all{*x};
        !all.starts_with("PG") && !all.starts_with("LC_ALL="))
      result.emplace_back(all);
  for (const auto& [name, value] : added)
    result.push_back(name + '=' + value);
  // What it says of its progress and of errors is read.
  result.emplace_back("LC_ALL=C");
  return result;
}

/// Only calls that are allowed between fork and exec.
[[noreturn]] void become(pid_t parent, int out, char* const* argv,
                         char* const* envp) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent)
    ::_exit(127);
  // Not our handlers, nor what is blocked here because a thread takes it.
  for (auto x : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD})
    ::signal(x, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  auto nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::execve(argv[0], argv, envp);
  ::_exit(127);
}

} // namespace

std::expected<child_program, std::string>
child_program::start(const std::vector<std::string>& command,
                     const variables& added) {
  auto words = command;
  auto texts = environment_with(added);
  auto argv = pointers(words);
  auto envp = pointers(texts);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return std::unexpected{std::string{"no pipe: "} + std::strerror(errno)};
  sigset_t every;
  sigset_t before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  auto parent = ::getpid();
  auto pid = ::fork();
  if (pid == 0)
    become(parent, ends[1], argv.data(), envp.data());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    return std::unexpected{"cannot start " + command.front() + ": "
                           + std::strerror(errno)};
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return child_program{pid, ends[0]};
}

child_program::child_program(child_program&& other) noexcept
  : pid_{std::exchange(other.pid_, -1)},
    out_{std::exchange(other.out_, -1)},
    line_{std::move(other.line_)} {
}

child_program::~child_program() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (out_ >= 0)
    ::close(out_);
}

bool child_program::read_some(
  const std::function<void(std::string_view)>& on_line) {
  std::array<char, 4096> buffer{};
  auto n = ::read(out_, buffer.data(), buffer.size());
  if (n < 0)
    return errno == EINTR;
  if (n == 0)
    return false;
  for (auto c : std::string_view{buffer.data(), static_cast<std::size_t>(n)}) {
    // A line that does not end is no use to anybody.
    if (c != '\n') {
      if (line_.size() < 4096)
        line_ += c;
      continue;
    }
    on_line(line_);
    line_.clear();
  }
  return true;
}

std::optional<int>
child_program::advance(std::chrono::milliseconds budget,
                       const std::function<void(std::string_view)>& on_line) {
  pollfd events{out_, POLLIN, 0};
  ::poll(&events, 1, static_cast<int>(budget.count()));
  while (read_some(on_line))
    continue;
  // Its output may be closed while it still runs.
  if ((events.revents & POLLHUP) != 0)
    ::poll(nullptr, 0, 1);
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_)
    return std::nullopt;
  pid_ = -1;
  while (read_some(on_line))
    continue;
  if (!line_.empty())
    on_line(std::exchange(line_, {}));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_program::stop() const noexcept {
  if (pid_ > 0)
    ::kill(pid_, SIGTERM);
}

// -- PostgreSQL's programs ----------------------------------------------------

std::optional<server_program> parse_program_version(std::string_view line) {
  auto at = line.find("(PostgreSQL) ");
  if (at == line.npos)
    return std::nullopt;
  line.remove_prefix(at + std::string_view{"(PostgreSQL) "}.size());
  server_program result;
  result.version = line.substr(0, line.find_first_of(" \n"));
  auto end = line.data() + line.size();
  if (std::from_chars(line.data(), end, result.major).ec != std::errc{}
      || result.major <= 0)
    return std::nullopt;
  return result;
}

namespace {

std::vector<std::string> folders(const std::string& given) {
  if (!given.empty())
    return {given};
  std::vector<std::string> result;
  if (const char* path = std::getenv("PATH"))
    for (auto x : std::views::split(std::string_view{path}, ':'))
      if (!x.empty())
        result.emplace_back(std::string_view{x});
  std::vector<std::string> packaged;
  std::error_code ignored;
  for (const auto& x :
       std::filesystem::directory_iterator{"/usr/lib/postgresql", ignored})
    packaged.push_back(x.path() / "bin");
  for (const auto& x : std::filesystem::directory_iterator{"/usr", ignored})
    if (x.path().filename().string().starts_with("pgsql-"))
      packaged.push_back(x.path() / "bin");
  std::ranges::sort(packaged);
  result.insert(result.end(), packaged.begin(), packaged.end());
  return result;
}

std::optional<server_program> examine(const std::string& path) {
  auto child = child_program::start({path, "--version"}, {});
  if (!child)
    return std::nullopt;
  std::optional<server_program> result;
  auto until = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < until)
    if (child->advance(100ms, [&](std::string_view line) {
          if (!result)
            result = parse_program_version(line);
        }))
      break;
  if (result)
    result->path = path;
  return result;
}

} // namespace

std::expected<server_program, std::string>
find_server_program(const std::string& name, const std::string& folder,
                    int32_t major) {
  std::string seen;
  for (const auto& x : folders(folder)) {
    auto path = x + '/' + name;
    if (::access(path.c_str(), X_OK) != 0)
      continue;
    auto found = examine(path);
    if (found && found->major >= major)
      return std::move(*found);
    seen = found ? path + " is of PostgreSQL " + found->version
                 : path + " does not tell its version";
  }
  auto wanted = name + " of PostgreSQL " + std::to_string(major) + " or newer";
  return std::unexpected{(seen.empty() ? "there is no " + wanted
                                       : seen + ", and needed is " + wanted)
                         + (folder.empty()
                              ? "; install it, or name its folder with --pg-bin"
                              : std::string{})};
}

} // namespace millrace::cli
