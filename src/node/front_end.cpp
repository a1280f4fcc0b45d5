#include "galen/node/front_end.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>

#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"

extern char** environ;

namespace galen::node {
namespace {

using namespace std::chrono_literals;

// The child gets one end as file descriptor 3, and nothing else of ours.
constexpr int kChildFd = 3;
constexpr std::uint32_t kRetryAfterMs = 100;
constexpr auto kFlushMax = 1000ms;

pid_t spawn(const FrontEnd::Options& options, int child_end) {
  std::vector<std::string> words = {options.program};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  words.push_back("--node-fd");
  words.push_back(std::to_string(kChildFd));
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, child_end, kChildFd);
  // Libraries open files and sockets without close-on-exec: the front end gets none of the node's.
  posix_spawn_file_actions_addclosefrom_np(&actions, kChildFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A terminal's Ctrl-C goes to the node alone, which then ends its front end in order.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGTERM);
  sigaddset(&defaults, SIGHUP);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);

  pid_t pid = -1;
  int error = posix_spawn(&pid, options.program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    log::error("front end did not start program={} error={}", options.program, std::strerror(error));
    return -1;
  }
  return pid;
}

// Waits for the child; ends it by force after two seconds.
int reap(pid_t pid) {
  int status = 0;
  for (int i = 0; i < 200; ++i) {
    if (::waitpid(pid, &status, WNOHANG) == pid) return status;
    if (i == 50) ::kill(pid, SIGTERM);
    std::this_thread::sleep_for(10ms);
  }
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

FrontEnd::FrontEnd(Options options, Handlers handlers) : options_(std::move(options)), handlers_(std::move(handlers)) {}

FrontEnd::~FrontEnd() { stop(); }

void FrontEnd::start() {
  supervisor_ = std::thread([this] { supervise(); });
}

std::shared_ptr<socket::Channel> FrontEnd::channel() {
  std::lock_guard lock(mutex_);
  return channel_;
}

void FrontEnd::stop() {
  if (auto last = channel()) (void)last->flush(kFlushMax);
  stopping_ = true;
  if (auto last = channel()) last->close();  // looked for again: another may have taken its place
  if (supervisor_.joinable()) supervisor_.join();
}

void FrontEnd::reply(const galen::node::v1::Reply& reply) {
  const auto to = channel();
  if (!to) return;
  const auto sent = to->send(reply);
  if (sent || sent.error().code == ErrorCode::UNAVAILABLE)
    return;  // a front end that is gone has told its clients itself
  const auto code = sent.error().code;
  galen::node::v1::Reply refusal;
  refusal.set_call_id(reply.call_id());
  refusal.set_code(static_cast<std::uint32_t>(code));
  refusal.set_message("the answer could not be sent: " + sent.error().message);
  if (code == ErrorCode::RESOURCE_EXHAUSTED) refusal.set_retry_after_ms(kRetryAfterMs);
  to->send(refusal).ignore("as above");
}

void FrontEnd::supervise() {
  name_this_thread("supervisor");
  auto pause = 100ms;
  while (!stopping_) {
    auto began = std::chrono::steady_clock::now();
    run_once();
    if (stopping_) return;
    // One that lived for a while is started again at once; one that dies at start is given growing pauses.
    pause = std::chrono::steady_clock::now() - began > 5s ? 50ms : std::min(pause * 2, std::chrono::milliseconds(2000));
    for (auto waited = 0ms; waited < pause && !stopping_; waited += 10ms) std::this_thread::sleep_for(10ms);
  }
}

bool FrontEnd::run_once() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    log::error("front end has no socketpair error={}", std::strerror(errno));
    return false;
  }
  pid_t pid = spawn(options_, ends[1]);
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    return false;
  }
  std::mutex closed_mutex;
  std::condition_variable closed_changed;
  bool closed = false;
  auto channel = std::make_shared<socket::Channel>(
      ends[0],
      socket::Channel::Handlers{
          .on_hello =
              [&](galen::node::v1::Hello&& hello) {
                if (hello.version_min() > socket::kProtocolVersion || hello.version_max() < socket::kProtocolVersion) {
                  log::error("front end speaks another protocol min={} max={}", hello.version_min(), hello.version_max());
                  return;
                }
                up_ = true;
                log::info("front end up pid={} build={}", pid, hello.build());
              },
          .on_call = handlers_.on_call,
          .on_cancel = [this](galen::node::v1::Cancel&& cancel) { handlers_.on_cancel(cancel.call_id()); },
          .on_reply = [](galen::node::v1::Reply&&) {},
          .on_closed =
              [&](const Error&) {
                std::lock_guard lock(closed_mutex);
                closed = true;
                closed_changed.notify_all();
              }},
      socket::Channel::Limits{});
  {
    std::lock_guard lock(mutex_);
    channel_ = channel;
  }
  channel->start();
  galen::node::v1::Hello hello;
  hello.set_version_min(socket::kProtocolVersion);
  hello.set_version_max(socket::kProtocolVersion);
  hello.set_write_credits(options_.write_credits);
  hello.set_read_credits(options_.read_credits);
  channel->send(hello).ignore("a closed channel is noticed below");
  {
    std::unique_lock lock(closed_mutex);
    closed_changed.wait(lock, [&] { return closed || stopping_.load(); });
  }
  up_ = false;
  {
    std::lock_guard lock(mutex_);
    channel_.reset();
  }
  channel->close();
  {
    // After on_closed no handler runs any more: none of them can hold the last reference, which must not end on the
    // channel's own thread, nor use what stands on this stack.
    std::unique_lock lock(closed_mutex);
    closed_changed.wait(lock, [&] { return closed; });
  }
  if (handlers_.on_gone) handlers_.on_gone();
  channel.reset();
  int status = reap(pid);
  if (!stopping_) log::warn("front end ended status={} and is started again", status);
  return true;
}

}  // namespace galen::node
