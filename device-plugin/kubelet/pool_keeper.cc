// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/pool_keeper.h"

#include <sys/stat.h>

#include <algorithm>

#include "device-plugin/kubelet/messages.h"

namespace sluice::kubelet {
namespace {

constexpr Duration kRegisterDeadline = std::chrono::seconds(5);
constexpr Duration kFirstDelay = std::chrono::milliseconds(100);
constexpr Duration kFirstLossDelay = std::chrono::seconds(1);
constexpr Duration kLongestDelay = std::chrono::seconds(10);
constexpr Duration kSettle = std::chrono::milliseconds(200);
constexpr unsigned kIdleLooks = 2;

Duration longer(Duration delay, Duration first) {
  return delay == Duration{} ? first : std::min(delay * 2, kLongestDelay);
}

std::string socket_name(const std::string& resource) {
  std::string out = resource;
  std::replace(out.begin(), out.end(), '/', '_');
  return out + ".sock";
}

}  // namespace

PoolKeeper::PoolKeeper(os::EventLoop& loop, const std::string& resource, Allocator& allocator,
                       Observer& observer, const Logger& log)
    : loop_(loop),
      resource_(resource),
      socket_name_(socket_name(resource)),
      observer_(observer),
      log_(log),
      service_(
          resource, allocator, observer, log,
          {[this] { contacted(); }, [this](const RegistrationStatus& status) { notified(status); },
           [this] { streams_ended(); }}) {}

PoolKeeper::~PoolKeeper() {
  stop_serving();
  stop_waiting();
}

Front::PoolState PoolKeeper::state() const {
  Front::PoolState out{resource_, known_, service_.streams(), last_error_};
  if (!known_ && out.last_error.empty()) {
    out.last_error =
        place_.watcher
            ? "the kubelet hasn't looked at " + place_.directory + "/" + socket_name_ + " yet"
            : "there is no kubelet at " + place_.directory + "/kubelet.sock";
  }
  return out;
}

void PoolKeeper::look(const Place& place) {
  if (!(place == place_)) {
    stop_serving();
    delay_ = {};
    place_ = place;
  }
  keep_served();
  if (!place_.watcher) keep_registered();
}

// A kubelet that took us and then gave up on our stream tells nobody: known, and twice in a row
// without a stream, means beginning anew.
void PoolKeeper::periodic_look(const Place& place) {
  const bool idle = server_ && contacted_ && !calling_ && !waiting_ && service_.streams() == 0;
  if (!idle) {
    idle_looks_ = 0;
    if (service_.streams() > 0) loss_delay_ = {};
  } else if (++idle_looks_ >= kIdleLooks) {
    idle_looks_ = 0;
    log_.warn("the kubelet doesn't watch, beginning anew", {{"resource", resource_}});
    if (place_.watcher) {
      stop_serving();
    } else {
      registered_with_ = {};
    }
  }
  look(place);
}

void PoolKeeper::keep_served() {
  if (server_) {
    using State = litegrpc::Server::SocketState;
    switch (server_->socket_state()) {
      case State::kOurs:
        replaced_said_ = false;
        return;
      case State::kReplaced:
        // The kubelet decides whom it listens to: while it still watches us, we answer it.
        if (!replaced_said_) {
          failed("another process took our socket", place_.directory + "/" + socket_name_);
        }
        replaced_said_ = true;
        if (service_.streams() > 0) return;
        break;
      case State::kMissing:
        log_.info("our socket was removed, serving again", {{"resource", resource_}});
        break;
    }
    stop_serving();
  }
  listen();
}

void PoolKeeper::listen() {
  const auto path = place_.directory + "/" + socket_name_;
  auto server =
      litegrpc::Server::listen(loop_, path, service_.methods(place_.watcher), log_.named("grpc"));
  if (server) {
    server_ = std::move(*server);
    if (!calling_ && !known_) last_error_.clear();
    return;
  }
  auto error = std::move(server).error();
  if (error.code == Code::kExists) {
    failed("another process serves this resource, waiting for its end", error.to_string());
  } else {
    failed("can't serve yet", error.to_string());
  }
}

void PoolKeeper::stop_serving() {
  const bool watched = service_.streams() > 0;
  service_.drop_streams();
  server_.reset();
  call_.reset();
  calling_ = contacted_ = replaced_said_ = false;
  registered_with_ = tried_with_ = {};
  idle_looks_ = 0;
  stop_waiting();
  lost();
  if (watched && !place_.watcher) wait(kSettle, &PoolKeeper::register_anew);
}

void PoolKeeper::keep_registered() {
  if (!server_ || calling_) return;
  const auto kubelet = kubelet_socket();
  if (kubelet == SocketId{} || kubelet == registered_with_) return;
  // A wait is for the kubelet that gave the reason for it.
  if (waiting_ && (kubelet == tried_with_ || tried_with_ == SocketId{})) return;
  stop_waiting();
  if (!(kubelet == tried_with_)) delay_ = {};
  start_registration(kubelet);
}

void PoolKeeper::start_registration(const SocketId& kubelet) {
  calling_ = true;
  tried_with_ = kubelet;
  call_ = litegrpc::Call::start(loop_, place_.directory + "/kubelet.sock",
                                "/v1beta1.Registration/Register",
                                register_request(socket_name_, resource_), kRegisterDeadline,
                                [this, kubelet, start = clock_.now()](Result<std::string> answer) {
                                  Status status;
                                  if (!answer) status = fail(std::move(answer).error());
                                  answered(kubelet, start, std::move(status));
                                });
}

void PoolKeeper::answered(const SocketId& kubelet, TimePoint start, Status status) {
  calling_ = false;
  observer_.called(resource_, "Register", status ? "ok" : to_string(status.error().code),
                   clock_.now() - start);
  if (!status) {
    failed("registration failed, trying again", shown(status.error().to_string()));
    delay_ = longer(delay_, kFirstDelay);
    wait(delay_, &PoolKeeper::keep_registered);
    return;
  }
  log_.info("registered with the kubelet", {{"resource", resource_}});
  registered_with_ = kubelet;
  contacted_ = known_ = true;
  idle_looks_ = 0;
  delay_ = {};
  last_error_.clear();
  observer_.registered(resource_);
  // The kubelet may have been replaced meanwhile; not from here, which is within the old call.
  wait(Duration{}, &PoolKeeper::keep_registered);
}

void PoolKeeper::contacted() {
  contacted_ = true;
  idle_looks_ = 0;
}

void PoolKeeper::notified(const RegistrationStatus& status) {
  contacted();
  if (status.registered) {
    log_.info("the kubelet took us", {{"resource", resource_}});
    known_ = true;
    delay_ = {};
    last_error_.clear();
    observer_.registered(resource_);
    return;
  }
  failed("the kubelet refused us, trying again", status.error);
  known_ = false;
  if (waiting_) return;
  delay_ = longer(delay_, kFirstDelay);
  wait(delay_, &PoolKeeper::serve_anew);
}

void PoolKeeper::streams_ended() {
  log_.info("the kubelet's stream ended", {{"resource", resource_}});
  lost();
  // Found by register, the kubelet doesn't come back by itself. With the watcher it may be starting
  // and about to look: the periodic look gives it time.
  if (place_.watcher || registered_with_ == SocketId{} || waiting_ || calling_) return;
  loss_delay_ = longer(loss_delay_, kFirstLossDelay);
  wait(loss_delay_, &PoolKeeper::register_anew);
}

void PoolKeeper::lost() {
  if (!known_) return;
  known_ = false;
  observer_.lost_kubelet(resource_);
}

// Said once for each reason, however often it is tried.
void PoolKeeper::failed(const char* what, const std::string& why) {
  if (why != last_error_) log_.warn(what, {{"resource", resource_}, {"error", why}});
  last_error_ = why;
}

void PoolKeeper::wait(Duration delay, void (PoolKeeper::*then)()) {
  stop_waiting();
  waiting_ = true;
  timer_ = loop_.after(delay, [this, then] {
    waiting_ = false;
    (this->*then)();
  });
}

void PoolKeeper::stop_waiting() {
  if (waiting_) loop_.cancel(timer_);
  waiting_ = false;
}

void PoolKeeper::register_anew() {
  if (place_.watcher) return;
  if (service_.streams() == 0) registered_with_ = {};
  keep_registered();
}

void PoolKeeper::serve_anew() {
  stop_serving();
  keep_served();
}

PoolKeeper::SocketId PoolKeeper::kubelet_socket() const {
  struct stat status {};
  const auto path = place_.directory + "/kubelet.sock";
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return {};
  return {status.st_dev, status.st_ino,
          std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec};
}

}  // namespace sluice::kubelet
