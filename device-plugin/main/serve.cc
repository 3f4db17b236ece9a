// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/main/serve.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "common/os/event_loop.h"
#include "common/os/files.h"
#include "device-plugin/broker/broker.h"
#include "device-plugin/dra/front.h"
#include "device-plugin/kubelet/front.h"
#include "device-plugin/lookup/service.h"
#include "device-plugin/main/observer.h"

namespace sluice::plugin {
namespace {

// How often to see whether the kubelet is still the one that knows us; cheap.
constexpr auto kKubeletLook = std::chrono::seconds(5);
constexpr auto kLockRetry = std::chrono::milliseconds(500);
constexpr auto kDraRetry = std::chrono::seconds(30);
constexpr const char* kServiceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

// Where sluice-cni and sluicectl ask.
std::string socket_of(const Options& options) {
  return options.broker.run_dir + "/device-plugin.sock";
}

std::string node_name(const Options& options) {
  if (!options.node.empty()) return options.node;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

bool wants_dra(const Options& options) {
  if (options.dra != "auto") return options.dra == "on";
  return !options.kubeconfig.empty() || ::access(kServiceAccountToken, R_OK) == 0;
}

kubelet::Mode mode_of(const std::string& text) {
  if (text == "register") return kubelet::Mode::kRegister;
  return text == "watcher" ? kubelet::Mode::kWatcher : kubelet::Mode::kAuto;
}

// Everything that runs, in the order in which it is made; unmade in the opposite order.
class Plugin {
 public:
  Plugin(os::EventLoop& loop, const Options& options, const Logger& log)
      : loop_(loop), options_(options), log_(log), broker_(loop, clock_, options.broker, log) {}
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  ~Plugin() {
    if (dra_timer_) loop_.cancel(*dra_timer_);
    broker_.connect(nullptr, nullptr);
  }

  Status start();

 private:
  Status start_dra();
  Status make_dra();
  void make_dra_later();
  void connect_fronts();
  Status start_lookup();
  lookup::LookupService::Notes notes();

  os::EventLoop& loop_;
  const Options& options_;
  const Logger& log_;
  SteadyClock clock_;
  SystemRng rng_;
  broker::Broker broker_;
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<kubelet::Front> kubelet_;
  std::unique_ptr<dra::Front> dra_;
  std::unique_ptr<lookup::LookupService> lookup_;
  std::optional<os::EventLoop::TimerId> dra_timer_;
};

Status Plugin::start() {
  SLUICE_TRY(observer_, Observer::make(loop_, {options_.metrics_address, options_.cni_stats_file},
                                       broker_, log_));
  kubelet_ = kubelet::Front::make(loop_,
                                  {options_.broker.kubelet_dir, mode_of(options_.registration),
                                   std::min<Duration>(options_.broker.rescan, kKubeletLook)},
                                  broker_, *observer_, log_.named("kubelet"));
  // Reads the configuration at once; publishes when the loop runs.
  broker_.start();
  SLUICE_CHECK_OK(start_dra());
  SLUICE_CHECK_OK(start_lookup());
  connect_fronts();
  return {};
}

void Plugin::connect_fronts() {
  broker_.connect(kubelet_.get(), dra_.get());
  observer_->watch(kubelet_.get(), dra_.get());
}

// Only who asked for DRA by name wants nothing without it: pods that have devices from the device
// plugin are not to suffer from what DRA lacks.
Status Plugin::start_dra() {
  if (!wants_dra(options_)) return {};
  auto made = make_dra();
  if (made || options_.dra == "on") return made;
  log_.warn("DRA can't start; tried again later", {{"error", made.error()}});
  make_dra_later();
  return {};
}

void Plugin::make_dra_later() {
  dra_timer_ = loop_.after(kDraRetry, [this] {
    dra_timer_.reset();
    if (const auto made = make_dra(); !made) {
      log_.warn("DRA still can't start; tried again later", {{"error", made.error()}});
      return make_dra_later();
    }
    log_.info("DRA started");
    connect_fronts();
  });
}

Status Plugin::make_dra() {
  dra::Front::Settings settings;
  settings.node = node_name(options_);
  settings.kubelet_dir = options_.broker.kubelet_dir;
  settings.kubeconfig = options_.kubeconfig;
  settings.state_dir = options_.broker.state_dir;
  settings.cdi_dir = options_.broker.cdi_dir;
  SLUICE_TRY(dra_, dra::Front::make(loop_, std::move(settings), broker_, log_.named("dra")));
  return {};
}

Status Plugin::start_lookup() {
  SLUICE_TRY(lookup_, lookup::LookupService::listen(loop_, socket_of(options_), broker_,
                                                    std::to_string(rng_.next()), notes()));
  return {};
}

lookup::LookupService::Notes Plugin::notes() {
  return [this] {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& pool : kubelet_->states()) {
      auto text = pool.registered ? "registered, " + std::to_string(pool.streams) + " streams"
                                  : std::string("not registered");
      if (!pool.last_error.empty()) text += "; " + pool.last_error;
      out.emplace_back("kubelet " + pool.resource, std::move(text));
    }
    if (dra_) {
      const auto state = dra_->state();
      auto text = std::string(state.registered ? "registered" : "not registered") + ", " +
                  std::to_string(state.slices) + " slices, " + std::to_string(state.prepared) +
                  " claims prepared";
      if (!state.last_error.empty()) text += "; " + state.last_error;
      out.emplace_back("dra", std::move(text));
    }
    if (!broker_.config_state().error.empty()) {
      out.emplace_back("configuration", "not taken: " + broker_.config_state().error);
    }
    return out;
  };
}

// One instance is at work; another waits for its end and takes over.
class Turn {
 public:
  // `ours` is called once: when it is our turn, or with why that can never be.
  Turn(os::EventLoop& loop, std::string path, std::function<void(Status)> ours, const Logger& log)
      : loop_(loop), path_(std::move(path)), ours_(std::move(ours)), log_(log) {}
  void take() {
    auto lock = os::FileLock::try_acquire(path_);
    if (lock) {
      lock_.emplace(std::move(*lock));
      return ours_({});
    }
    // Held by another is what passes; a file that can't be opened or locked is not.
    if (lock.error().native != EWOULDBLOCK) return ours_(fail(std::move(lock).error()));
    if (lock.error().to_string() != last_error_) {
      last_error_ = lock.error().to_string();
      log_.warn("another instance is at work, waiting for its end", {{"error", lock.error()}});
    }
    loop_.after(kLockRetry, [this] { take(); });
  }

 private:
  os::EventLoop& loop_;
  std::string path_;
  std::function<void(Status)> ours_;
  const Logger& log_;
  std::string last_error_;
  std::optional<os::FileLock> lock_;
};

}  // namespace

Status serve(const Options& options, const Logger& log) {
  SLUICE_TRY(const auto loop, os::EventLoop::create());
  SLUICE_CHECK_OK(loop->on_signals({SIGTERM, SIGINT, SIGQUIT, SIGHUP}, [&](int signal) {
    log.info("stopping", {{"signal", signal}});
    loop->stop();
  }));
  SLUICE_CHECK_OK(os::make_directories(options.broker.run_dir));
  Status result;
  std::optional<Plugin> plugin;
  Turn turn(
      *loop, options.broker.run_dir + "/device-plugin.lock",
      [&](Status turn_came) {
        result = std::move(turn_came);
        if (result) result = plugin.emplace(*loop, options, log).start();
        if (!result) loop->stop();
      },
      log);
  turn.take();
  if (result) loop->run();
  return result;
}

}  // namespace sluice::plugin
