// SPDX-License-Identifier: Apache-2.0
// What the device plugin counts, in Prometheus' text format.
//
// Contract: the number of series is bounded whatever happens: labels are pools of the configuration
// (at most kMaxPools different ones in a process' life, further ones count as "other"), and closed
// lists of states, reasons, codes and methods.
// Threading: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::metrics {

inline constexpr std::size_t kMaxPools = 256;

enum class State : std::uint8_t {
  kFree,
  kUsed,
  kUnhealthy,
  kLeaving,     // no longer the pool's by configuration, still in use
  kOtherFront,  // "taken-by-other-front": given out by DRA, here, or by the device plugin, there
};

// Of unhealthy devices: the kind of reason, whose text has names in it.
enum class Reason : std::uint8_t { kNone, kDriver, kCarrier, kRdma, kGone, kUnreadable, kOther };

std::string_view to_string(State state);
std::string_view to_string(Reason reason);
// Of the text that a pool keeps with an unhealthy device.
Reason reason_class(std::string_view text);

struct DeviceCounts {
  std::size_t free = 0, used = 0, leaving = 0, other_front = 0;
  std::map<Reason, std::size_t> unhealthy;
  // One device more; `reason` counts only for kUnhealthy.
  void add(State state, std::string_view reason = "");
};

class PluginMetrics {
 public:
  PluginMetrics();
  ~PluginMetrics();
  PluginMetrics(const PluginMetrics&) = delete;
  PluginMetrics& operator=(const PluginMetrics&) = delete;

  // All pools as they are, by resource ("sluice.dev/vf"); those not named have no devices series
  // any more, their counters stay.
  void set_devices(const std::map<std::string, DeviceCounts>& pools);
  // `code`: "ok" or to_string(Code); anything else counts as "other".
  void allocated(const std::string& resource, std::string_view code);
  // A call of the kubelet's, by method ("Allocate", ...), as long as it took.
  void called(std::string_view method, Duration took);
  void registered(const std::string& resource);
  void lost_kubelet(const std::string& resource);
  void set_claims_prepared(std::size_t claims);
  // `at`: seconds since 1970.
  void rescanned(Duration took, double at);
  void config_reloaded(bool ok);
  void set_refused_pools(std::size_t pools);

  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::metrics
