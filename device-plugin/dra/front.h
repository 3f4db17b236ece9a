// SPDX-License-Identifier: Apache-2.0
// The same devices through Dynamic Resource Allocation: ResourceSlices out, claims in.
//
// Contract: level-triggered. The slices in the API server are made to agree with what is offered,
// with as few writes as that takes; claims that the kubelet had prepared survive a restart (a
// checkpoint file) and are prepared again without harm. A node without a reachable API server keeps
// its device plugin; slices follow when the server comes.
// Threading: the loop's thread; calls to the API server are made on a thread of its own.
// Source: k8s.io/kubelet/pkg/apis/dra/{v1,v1beta1}, dra-health/{v1,v1alpha1},
// pluginregistration/v1; resource.k8s.io/{v1,v1beta1}.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/os/event_loop.h"
#include "device-plugin/allocate/grant.h"
#include "device-plugin/pools/pool_set.h"

namespace sluice::dra {

inline constexpr const char* kDriver = "sluice.dev";

// A device that claims may have. What points into an inventory is valid until the next changed().
struct Offered {
  std::string pool;  // "vf"
  pools::Candidate candidate;
  std::uint32_t rail = 0;
  std::optional<std::string> unhealthy;  // the reason
  bool taken = false;                    // by the device plugin's front: in no slice
  // A claim has it, and its pool doesn't offer it any more: in no slice.
  bool only_held = false;
  std::string resource = {};  // "sluice.dev/vf"; "": the driver's name and the pool's
};

// Who has the devices (the broker).
class DeviceSource {
 public:
  virtual ~DeviceSource() = default;
  virtual std::vector<Offered> offered() const = 0;
  // How many devices of the class of plain ports the node has; 0: none. Asked each time.
  virtual std::uint32_t plain_ports() const = 0;
  // Takes a device for a claim; again for the same claim: the same answer. Somebody else has it, or
  // it can't be used: Code::kPrecondition, which says who or why.
  virtual Result<allocate::Access> take(const std::string& id, const std::string& claim_uid,
                                        const std::string& claim) = 0;
  virtual void give_back(const std::string& id, const std::string& claim_uid) = 0;
};

class Front {
 public:
  struct Settings {
    std::string node;
    std::string kubelet_dir = "/var/lib/kubelet";
    std::string kubeconfig;  // "": the pod's own service account
    std::string state_dir;   // the checkpoint's
    std::string cdi_dir;     // where claims' CDI files go
    Duration resync = std::chrono::seconds(60);
  };
  // Errors: a checkpoint that can't be read is put aside with a warning, not an error; a directory
  // that can't be made is (but the kubelet's own, where plugins register, is waited for). May be
  // tried again.
  static Result<std::unique_ptr<Front>> make(os::EventLoop& loop, Settings settings,
                                             DeviceSource& source, Logger log);
  virtual ~Front() = default;

  // What offered() or plain_ports() say may have changed.
  virtual void changed() = 0;
  // The devices that prepared claims hold, right from make(): id -> use.
  virtual std::map<std::string, pools::Use> uses() const = 0;

  // The device behind a name in our slices: "0000:3b:00.2"; nullopt for a plain port or no name of
  // ours.
  static std::optional<std::string> id_of(const std::string& device_name);
  static bool is_plain_port(const std::string& device_name);

  struct State {
    bool registered = false;
    std::uint64_t prepared = 0;  // claims
    std::uint64_t slices = 0;
    std::string last_error;  // of the API server, "" when the last call went well
  };
  virtual State state() const = 0;
};

}  // namespace sluice::dra
