// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/metrics/metrics.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <set>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace sluice::metrics {
namespace {

constexpr std::array kReasons = {Reason::kDriver, Reason::kCarrier,    Reason::kRdma,
                                 Reason::kGone,   Reason::kUnreadable, Reason::kOther};
constexpr std::array<std::string_view, 10> kMethods = {
    "GetDevicePluginOptions",   "ListAndWatch",
    "GetPreferredAllocation",   "Allocate",
    "PreStartContainer",        "GetInfo",
    "NotifyRegistrationStatus", "Register",
    "NodePrepareResources",     "NodeUnprepareResources"};

std::string method_label(std::string_view method) {
  const bool known = std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
  return known ? std::string(method) : "other";
}

std::string code_label(std::string_view code) {
  const bool known = code == "ok" || sluice::to_string(code_from(code)) == code;
  return known ? std::string(code) : "other";
}

// From a fast Allocate to a slow prepare with an API server in between.
prometheus::Histogram::BucketBoundaries latency_buckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5};
}

template <class Builder>
auto& family(Builder builder, const char* name, const char* help, prometheus::Registry& registry) {
  return builder.Name(std::string("sluice_device_plugin_") + name).Help(help).Register(registry);
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::kFree:
      return "free";
    case State::kUsed:
      return "used";
    case State::kUnhealthy:
      return "unhealthy";
    case State::kLeaving:
      return "leaving";
    case State::kOtherFront:
      return "taken-by-other-front";
  }
  return "";
}

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "";
    case Reason::kDriver:
      return "driver";
    case Reason::kCarrier:
      return "carrier";
    case Reason::kRdma:
      return "rdma";
    case Reason::kGone:
      return "gone";
    case Reason::kUnreadable:
      return "unreadable";
    case Reason::kOther:
      return "other";
  }
  return "";
}

Reason reason_class(std::string_view text) {
  if (text.empty()) return Reason::kNone;
  if (starts_with(text, "RDMA port ")) return Reason::kRdma;
  if (starts_with(text, "PF ") && ends_with(text, " has no carrier")) return Reason::kCarrier;
  if (text == "no driver is bound") return Reason::kDriver;
  if (starts_with(text, "gone ")) return Reason::kGone;
  if (starts_with(text, "can't be read")) return Reason::kUnreadable;
  return Reason::kOther;
}

void DeviceCounts::add(State state, std::string_view reason) {
  switch (state) {
    case State::kFree:
      ++free;
      break;
    case State::kUsed:
      ++used;
      break;
    case State::kUnhealthy:
      ++unhealthy[reason.empty() ? Reason::kOther : reason_class(reason)];
      break;
    case State::kLeaving:
      ++leaving;
      break;
    case State::kOtherFront:
      ++other_front;
      break;
  }
}

struct PluginMetrics::Impl {
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Counters = prometheus::Family<prometheus::Counter>;

  static Gauges& gauges(prometheus::Registry& registry, const char* name, const char* help) {
    return family(prometheus::BuildGauge(), name, help, registry);
  }
  static Counters& counters(prometheus::Registry& registry, const char* name, const char* help) {
    return family(prometheus::BuildCounter(), name, help, registry);
  }

  // The label of a pool.
  std::string pool(const std::string& resource) {
    const std::lock_guard lock(mutex);
    if (pools_seen.count(resource) != 0) return resource;
    if (pools_seen.size() >= kMaxPools) return "other";
    pools_seen.insert(resource);
    return resource;
  }

  void set(const std::string& name, State state, Reason reason, std::size_t count) {
    auto& gauge = devices.Add({{"pool", name},
                               {"state", std::string(to_string(state))},
                               {"reason", std::string(to_string(reason))}});
    gauge.Set(static_cast<double>(count));
    device_gauges[name].insert(&gauge);
  }

  prometheus::Registry registry;
  Gauges& devices =
      gauges(registry, "devices", "Devices by pool, state and, of unhealthy ones, kind of reason");
  Counters& allocations =
      counters(registry, "allocations_total", "Answers to Allocate by pool and code");
  prometheus::Family<prometheus::Histogram>& calls =
      family(prometheus::BuildHistogram(), "call_seconds",
             "How long the kubelet's calls took, by method", registry);
  Counters& registrations = counters(registry, "kubelet_registrations_total",
                                     "Registrations with a kubelet by pool, repeated ones too");
  Counters& losses = counters(registry, "kubelet_losses_total",
                              "How often a pool's kubelet was lost: stream ended, socket gone");
  prometheus::Gauge& claims =
      gauges(registry, "claims_prepared", "Resource claims prepared now").Add({});
  prometheus::Gauge& rescan_took =
      gauges(registry, "last_rescan_duration_seconds", "How long the last look at the node took")
          .Add({});
  prometheus::Gauge& rescan_at =
      gauges(registry, "last_rescan_timestamp_seconds", "When that was, seconds since 1970")
          .Add({});
  Counters& reloads =
      counters(registry, "config_reloads_total", "Reads of the configuration by result");
  prometheus::Gauge& refused =
      gauges(registry, "refused_pools", "Pools of the configuration that were refused").Add({});

  std::mutex mutex;  // the containers below
  std::set<std::string> pools_seen;
  std::map<std::string, std::set<prometheus::Gauge*>> device_gauges;
  std::mutex device_mutex;  // set_devices() as a whole, and text() not in the middle of it
};

PluginMetrics::PluginMetrics() : impl_(std::make_unique<Impl>()) {
  // There from the start, so that a rate has something to begin at.
  for (const char* result : {"ok", "failed"}) impl_->reloads.Add({{"result", result}});
}

PluginMetrics::~PluginMetrics() = default;

void PluginMetrics::set_devices(const std::map<std::string, DeviceCounts>& pools) {
  const std::lock_guard lock(impl_->device_mutex);
  std::map<std::string, DeviceCounts> by_label;
  for (const auto& [resource, counts] : pools) {
    auto& sum = by_label[impl_->pool(resource)];  // several where they are "other"
    sum.free += counts.free;
    sum.used += counts.used;
    sum.leaving += counts.leaving;
    sum.other_front += counts.other_front;
    for (const auto& [reason, count] : counts.unhealthy) sum.unhealthy[reason] += count;
  }
  for (auto at = impl_->device_gauges.begin(); at != impl_->device_gauges.end();) {
    if (by_label.count(at->first) != 0) {
      ++at;
      continue;
    }
    for (auto* gauge : at->second) impl_->devices.Remove(gauge);
    at = impl_->device_gauges.erase(at);
  }
  for (const auto& [name, counts] : by_label) {
    impl_->set(name, State::kFree, Reason::kNone, counts.free);
    impl_->set(name, State::kUsed, Reason::kNone, counts.used);
    impl_->set(name, State::kLeaving, Reason::kNone, counts.leaving);
    impl_->set(name, State::kOtherFront, Reason::kNone, counts.other_front);
    for (const auto reason : kReasons) {
      const auto found = counts.unhealthy.find(reason);
      const std::size_t count = found == counts.unhealthy.end() ? 0 : found->second;
      impl_->set(name, State::kUnhealthy, reason, count);
    }
  }
}

void PluginMetrics::allocated(const std::string& resource, std::string_view code) {
  impl_->allocations.Add({{"pool", impl_->pool(resource)}, {"code", code_label(code)}}).Increment();
}

void PluginMetrics::called(std::string_view method, Duration took) {
  impl_->calls.Add({{"method", method_label(method)}}, latency_buckets())
      .Observe(std::chrono::duration<double>(took).count());
}

void PluginMetrics::registered(const std::string& resource) {
  impl_->registrations.Add({{"pool", impl_->pool(resource)}}).Increment();
}

void PluginMetrics::lost_kubelet(const std::string& resource) {
  impl_->losses.Add({{"pool", impl_->pool(resource)}}).Increment();
}

void PluginMetrics::set_claims_prepared(std::size_t claims) {
  impl_->claims.Set(static_cast<double>(claims));
}

void PluginMetrics::rescanned(Duration took, double at) {
  impl_->rescan_took.Set(std::chrono::duration<double>(took).count());
  impl_->rescan_at.Set(at);
}

void PluginMetrics::config_reloaded(bool ok) {
  impl_->reloads.Add({{"result", ok ? "ok" : "failed"}}).Increment();
}

void PluginMetrics::set_refused_pools(std::size_t pools) {
  impl_->refused.Set(static_cast<double>(pools));
}

std::string PluginMetrics::text() const {
  const std::lock_guard lock(impl_->device_mutex);
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace sluice::metrics
