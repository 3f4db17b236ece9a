// SPDX-License-Identifier: Apache-2.0
// What the lookup socket answers from: the broker's side of "which devices has this pod".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "device-plugin/pools/pool_set.h"

namespace sluice::lookup {

// One device that the kubelet says a pod has.
struct PodDevice {
  std::string id;           // PCI address or SF name; "" for a plain port of a claim
  std::string resource;     // "sluice.dev/vf"; of a claim: the pool's resource
  std::string claim;        // "shop/net"; "" for the device plugin's
  std::uint64_t given = 0;  // grows with each grant of ours; 0: given before our start
};

class Directory {
 public:
  virtual ~Directory() = default;
  // In pool order, then in the order of the pool's devices; a same-name predecessor's may be among
  // them. Unknown pod, or one without devices of ours: an empty list.
  // Errors: Code::kUnavailable, kTimeout: the kubelet doesn't answer.
  using Found = std::function<void(Result<std::vector<PodDevice>>)>;
  virtual void devices_of(const std::string& pod_namespace, const std::string& pod,
                          Found found) = 0;
  virtual const pools::PoolSet& pools() const = 0;
};

}  // namespace sluice::lookup
