// SPDX-License-Identifier: Apache-2.0
// Which pods have which devices, asked of the kubelet.
//
// Threading: the loop's thread; `done` is called once, never from within list(), not at all once
// the Query is destroyed. Errors: as litegrpc::Call. A kubelet that answers nonsense:
// Code::kInvalid. Source: k8s.io/kubelet/pkg/apis/podresources/v1.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/os/event_loop.h"

namespace sluice::kubelet {

struct ContainerDevices {
  std::string resource;
  std::vector<std::string> ids;
  bool operator==(const ContainerDevices&) const = default;
};

struct ClaimDevice {
  std::string claim_namespace, claim;
  std::string driver, pool, device;
  bool operator==(const ClaimDevice&) const = default;
};

struct PodDevices {
  std::string pod_namespace, pod;
  std::vector<ContainerDevices> devices;  // of all containers, in the kubelet's order
  std::vector<ClaimDevice> claims;
  bool operator==(const PodDevices&) const = default;
};

class PodResources {
 public:
  // `socket`: "/var/lib/kubelet/pod-resources/kubelet.sock"
  PodResources(os::EventLoop& loop, std::string socket) : loop_(loop), socket_(std::move(socket)) {}

  class Query {
   public:
    virtual ~Query() = default;
  };
  using Done = std::function<void(Result<std::vector<PodDevices>>)>;
  std::unique_ptr<Query> list(Duration deadline, Done done) const;

 private:
  os::EventLoop& loop_;
  std::string socket_;
};

}  // namespace sluice::kubelet
