// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_plugin/watcher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <iostream>
#include <set>
#include <thread>
#include <vector>

#include "common/os/files.h"
#include "common/os/unique_fd.h"
#include "common/os/unix_address.h"
#include "device-plugin/kubelet/pluginregistration.grpc.pb.h"
#include "tests/support/standin_kubelet/grpc_help.h"

namespace sluice::bench {
namespace {

// A socket's file is there between bind and listen, too: a gRPC client that comes then waits a
// second before it tries again.
bool answers(const std::string& path) {
  const auto address = os::unix_address(path);
  if (!address) return false;
  const os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0;
}

class InotifyWatcher final : public Watcher {
 public:
  InotifyWatcher(std::string directory, Registered registered)
      : directory_(std::move(directory)), registered_(std::move(registered)) {}

  ~InotifyWatcher() override {
    stop_ = true;
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
    for (auto& thread : talks_) thread.join();
  }

  Status listen() {
    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    wake_.reset(::eventfd(0, EFD_CLOEXEC));
    if (!inotify_ || !wake_ ||
        ::inotify_add_watch(inotify_.get(), directory_.c_str(), IN_CREATE | IN_MOVED_TO) < 0) {
      return fail(Code::kUnavailable, "can't watch " + directory_);
    }
    thread_ = std::thread([this] { watch(); });
    return {};
  }

 private:
  void watch() {
    std::array<pollfd, 2> fds = {{{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    std::array<char, 16 << 10> events{};
    while (!stop_) {
      ::poll(fds.data(), fds.size(), -1);
      while (::read(inotify_.get(), events.data(), events.size()) > 0) {
      }
      look();
    }
  }

  void look() {
    const auto root = os::Root::open(directory_);
    if (!root) return;
    const auto names = root->list(".");
    if (!names) return;
    for (const auto& name : *names) {
      if (name[0] == '.' || !known_.insert(name).second) continue;
      talks_.emplace_back([this, name] { talk(directory_ + "/" + name); });
    }
  }

  void talk(const std::string& path) {
    while (!stop_ && !answers(path)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (stop_) return;
    const auto stub = pluginregistration::Registration::NewStub(standin::channel_to(path));
    pluginregistration::PluginInfo info;
    grpc::ClientContext ask, tell;
    ask.set_deadline(standin::in_seconds(10));
    const auto asked = stub->GetInfo(&ask, {}, &info);
    if (!asked.ok()) {
      std::cerr << "GetInfo of " << path << ": " << asked.error_message() << "\n";
      return;
    }
    // An endpoint is a path as the plugin sees it: in the same folder, which has another name here.
    registered_(info.name(), path);
    pluginregistration::RegistrationStatus status;
    status.set_plugin_registered(true);
    pluginregistration::RegistrationStatusResponse response;
    tell.set_deadline(standin::in_seconds(10));
    (void)stub->NotifyRegistrationStatus(&tell, status, &response);
  }

  std::string directory_;
  Registered registered_;
  os::UniqueFd inotify_, wake_;
  std::atomic<bool> stop_ = false;
  std::set<std::string> known_;  // the thread's, as the next
  std::vector<std::thread> talks_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Watcher>> Watcher::start(const std::string& directory,
                                                Registered registered) {
  auto watcher = std::make_unique<InotifyWatcher>(directory, std::move(registered));
  SLUICE_CHECK_OK(watcher->listen());
  return watcher;
}

}  // namespace sluice::bench
