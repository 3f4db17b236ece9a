// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/main/observer.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "common/callstats/call_stats.h"
#include "device-plugin/metrics/cni_metrics.h"
#include "device-plugin/metrics/http.h"
#include "device-plugin/metrics/metrics.h"

namespace sluice::plugin {
namespace {

constexpr auto kGaugesEvery = std::chrono::seconds(5);

using metrics::State;

void count(const pools::Member& member, bool claims_front, metrics::DeviceCounts& counts) {
  if (member.leaving) return counts.add(State::kLeaving);
  if (member.use) {
    const bool by_claim = member.use->front == pools::Use::Front::kDra;
    return counts.add(by_claim == claims_front ? State::kUsed : State::kOtherFront);
  }
  if (!member.device.healthy) return counts.add(State::kUnhealthy, member.device.reason);
  counts.add(State::kFree);
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// What sluice-cni counted, as text. Threading: the server's thread.
class CniMetrics {
 public:
  CniMetrics(std::string file, const Logger& log) : file_(std::move(file)), log_(log) {}

  std::string text() {
    if (file_.empty()) return "";
    const auto snapshot = callstats::read_snapshot(file_);
    const auto error = snapshot ? std::string() : snapshot.error().to_string();
    // Once, not at every scrape: a file of another version stays until sluice-cni replaces it.
    if (error != last_error_ && !error.empty()) {
      log_.warn("the statistics of sluice-cni can't be read", {{"error", error}});
    }
    last_error_ = error;
    return snapshot ? metrics::cni_text(*snapshot) : "";
  }

 private:
  std::string file_;
  Logger log_;
  std::string last_error_;
};

class MetricsObserver final : public Observer {
 public:
  MetricsObserver(os::EventLoop& loop, broker::Broker& broker, CniMetrics cni)
      : loop_(loop), broker_(broker), cni_(std::move(cni)) {}
  ~MetricsObserver() override {
    if (timer_ != 0) loop_.cancel(timer_);
  }

  Status serve(const std::string& address, const Logger& log) {
    timer_ = loop_.every(kGaugesEvery, [this] { set_gauges(); });
    broker_.on_change([this] { set_gauges(); });
    metrics::HttpContent content;
    content.metrics = [this] { return metrics_.text() + cni_.text(); };
    content.unhealthy = [] { return std::string(); };
    content.not_ready = [this] {
      const std::lock_guard lock(mutex_);
      return not_ready_;
    };
    SLUICE_TRY(server_, metrics::HttpServer::start(address, std::move(content), log));
    return {};
  }

  void watch(const kubelet::Front* kubelet, const dra::Front* dra) override {
    kubelet_ = kubelet;
    dra_ = dra;
  }

  void called(const std::string& resource, std::string_view method, std::string_view code,
              Duration took) override {
    metrics_.called(method, took);
    if (method == "Allocate") metrics_.allocated(resource, code);
  }
  void registered(const std::string& resource) override { metrics_.registered(resource); }
  void lost_kubelet(const std::string& resource) override { metrics_.lost_kubelet(resource); }

 private:
  void set_gauges() {
    std::map<std::string, metrics::DeviceCounts> pools;
    for (const auto& pool : broker_.pools().pools()) {
      auto& counts = pools[pool.config.resource()];
      const bool claims_front = dra_ && pool.config.offer == config::Offer::kDra;
      for (const auto& member : pool.members) count(member, claims_front, counts);
    }
    metrics_.set_devices(pools);
    metrics_.set_refused_pools(broker_.config().refused.size());
    metrics_.rescanned(broker_.inventory_feed().last_took(), seconds_since_1970());
    if (dra_) metrics_.set_claims_prepared(dra_->state().prepared);
    count_reloads();
    const std::lock_guard lock(mutex_);
    not_ready_ = why_not_ready();
  }

  void count_reloads() {
    const auto& state = broker_.config_state();
    for (; taken_ < state.taken; ++taken_) metrics_.config_reloaded(true);
    for (; refused_ < state.refused; ++refused_) metrics_.config_reloaded(false);
  }

  std::string why_not_ready() const {
    if (!broker_.config_state().error.empty()) return broker_.config_state().error;
    if (!kubelet_) return "starting";
    for (const auto& pool : kubelet_->states()) {
      if (!pool.registered) return pool.resource + " is not registered: " + pool.last_error;
    }
    return "";
  }

  os::EventLoop& loop_;
  broker::Broker& broker_;
  metrics::PluginMetrics metrics_;
  CniMetrics cni_;
  const kubelet::Front* kubelet_ = nullptr;
  const dra::Front* dra_ = nullptr;
  os::EventLoop::TimerId timer_ = 0;
  std::uint64_t taken_ = 0, refused_ = 0;
  std::mutex mutex_;  // the server's thread reads not_ready_
  std::string not_ready_ = "starting";
  std::unique_ptr<metrics::HttpServer> server_;  // last: its thread ends first
};

class NoObserver final : public Observer {
 public:
  void watch(const kubelet::Front*, const dra::Front*) override {}
  void called(const std::string&, std::string_view, std::string_view, Duration) override {}
  void registered(const std::string&) override {}
  void lost_kubelet(const std::string&) override {}
};

}  // namespace

Result<std::unique_ptr<Observer>> Observer::make(os::EventLoop& loop, const Settings& settings,
                                                 broker::Broker& broker, const Logger& log) {
  if (settings.address.empty()) return std::unique_ptr<Observer>(std::make_unique<NoObserver>());
  const auto metrics_log = log.named("metrics");
  auto observer =
      std::make_unique<MetricsObserver>(loop, broker, CniMetrics(settings.cni_stats, metrics_log));
  auto served = observer->serve(settings.address, metrics_log);
  if (!served) return fail(std::move(served).error().with("--metrics-address " + settings.address));
  return std::unique_ptr<Observer>(std::move(observer));
}

}  // namespace sluice::plugin
