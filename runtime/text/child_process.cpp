#include "runtime/text/child_process.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vinci {

namespace {

class Descriptor {
public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor &&other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor &operator=(Descriptor &&other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }
  int get() const { return number_; }
  bool isOpen() const { return number_ >= 0; }
  void close() {
    if (number_ >= 0)
      ::close(number_);
    number_ = -1;
  }

private:
  int number_;
};

struct Ends {
  Descriptor ours, childs;
};

// Sockets rather than pipes: writing to a child that is gone must give an error here, not SIGPIPE.
Ends makeChannel() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    fail("cannot make a socket pair for a child process: {}", std::strerror(errno));
  Ends ends{Descriptor(pair[0]), Descriptor(pair[1])};
  fcntl(ends.ours.get(), F_SETFL, O_NONBLOCK);
  return ends;
}

int millisecondsUntil(std::chrono::steady_clock::time_point deadline) {
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, INT_MAX));
}

/// A spawned process, killed and waited for when this goes.
class Child {
public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child &) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill();
      wait();
    }
  }
  void kill() { ::kill(pid_, SIGKILL); }
  /// Whether it ends before `deadline`.
  bool endsBy(std::chrono::steady_clock::time_point deadline) const {
    // glibc 2.36 declares pidfd_open without C linkage.
    Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    pollfd polled{process.get(), POLLIN, 0};
    int ready;
    do {
      ready = poll(&polled, 1, millisecondsUntil(deadline));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
  }
  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

private:
  pid_t pid_;
};

constexpr size_t kMaxErrorBytes = 4096;

} // namespace

static int spawn(const std::vector<std::string> &arguments, const Ends &in, const Ends &out,
                 const Ends &err, pid_t &pid) {
  std::vector<char *> argv;
  for (const std::string &argument : arguments)
    argv.push_back(const_cast<char *>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> variables{"LC_ALL=C.UTF-8"};
  if (const char *zone = std::getenv("TZ"))
    variables.push_back(std::string("TZ=") + zone);
  std::vector<char *> environment;
  for (std::string &variable : variables)
    environment.push_back(variable.data());
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.childs.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.childs.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.childs.get(), STDERR_FILENO);
  int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// Reads what is there. Returns false at the end of the stream.
static bool drain(const Descriptor &from, std::string &into) {
  std::array<char, 65536> buffer;
  ssize_t got = recv(from.get(), buffer.data(), buffer.size(), 0);
  if (got > 0)
    into.append(buffer.data(), static_cast<size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

ChildResult runChild(const std::vector<std::string> &arguments, std::string_view input,
                     const ChildLimits &limits) {
  ChildResult result;
  Ends in = makeChannel(), out = makeChannel(), err = makeChannel();
  pid_t pid = -1;
  if (int error = spawn(arguments, in, out, err, pid)) {
    result.status = error;
    return result;
  }
  Child child(pid);
  in.childs.close();
  out.childs.close();
  err.childs.close();

  auto deadline = std::chrono::steady_clock::now() + limits.wallTime;
  // Both ends of the talk go on at once, or a large input and a large output would wait for each
  // other. The child is done talking when it closes its output.
  while (out.ours.isOpen() || err.ours.isOpen()) {
    int left = millisecondsUntil(deadline);
    if (left == 0) {
      result.outcome = ChildResult::Outcome::TimedOut;
      return result;
    }
    if (input.empty())
      in.ours.close();
    pollfd polled[3] = {{in.ours.get(), POLLOUT, 0},
                        {out.ours.get(), POLLIN, 0},
                        {err.ours.get(), POLLIN, 0}}; // poll skips negative descriptors
    if (poll(polled, 3, left) < 0 && errno != EINTR)
      fail("cannot wait for a child process: {}", std::strerror(errno));
    if (polled[0].revents != 0) {
      ssize_t sent = send(in.ours.get(), input.data(), input.size(), MSG_NOSIGNAL);
      if (sent > 0)
        input.remove_prefix(static_cast<size_t>(sent));
      else if (errno != EAGAIN && errno != EINTR)
        input = {}; // it does not listen any more; its exit status will say why
    }
    if (polled[1].revents != 0 && !drain(out.ours, result.output))
      out.ours.close();
    if (polled[2].revents != 0 && !drain(err.ours, result.errors))
      err.ours.close();
    if (result.errors.size() > kMaxErrorBytes)
      result.errors.resize(kMaxErrorBytes);
    if (result.output.size() > limits.outputBytes) {
      result.outcome = ChildResult::Outcome::TooMuch;
      return result;
    }
  }
  if (!child.endsBy(deadline)) {
    result.outcome = ChildResult::Outcome::TimedOut;
    return result;
  }
  int status = child.wait();
  result.outcome =
      WIFSIGNALED(status) ? ChildResult::Outcome::Signalled : ChildResult::Outcome::Exited;
  result.status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

} // namespace vinci
