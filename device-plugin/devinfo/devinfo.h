// SPDX-License-Identifier: Apache-2.0
// Device-info files: what a meta plugin wants to know of a device that a container got.
//
// Contract: written at Allocate, removed when the device is nobody's; a restart removes nothing
// that is in use. Source: the device information specification 1.1.0 of k8snetworkplumbingwg.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "device-plugin/pools/candidate.h"

namespace sluice::devinfo {

inline constexpr const char* kDefaultDirectory = "/var/run/k8s.cni.cncf.io/devinfo/dp";

// What the pool's selector makes of the device.
struct Given {
  bool vhost_net = false;  // the container gets /dev/vhost-net
  bool rdma = true;        // it gets the RDMA devices
  // The selector's vdpaType. Unset: vDPA when the device has a bound vDPA device, whichever it is.
  std::optional<std::string> vdpa_type;
};

// The file's content for a device; `representor`: its netdev's name, "" when unknown. "" for a
// subfunction: the specification has no kind for what isn't a PCI function.
std::string render(const pools::Candidate& candidate, const std::string& representor,
                   const Given& given = {});
// Of a VF in switchdev mode, from the inventory's representors; "" elsewhere.
std::string representor_of(const pools::Candidate& candidate, const nic::Inventory& inventory);
// "sluice.dev-vf-0000:3b:00.2-device.json"
std::string file_name(const std::string& resource, const std::string& id);

class Store {
 public:
  explicit Store(std::string directory) : directory_(std::move(directory)) {}
  // Replaced atomically, readable by all and writable by nobody; the same content again writes
  // nothing. Not synced: the directory is gone with the machine's next start anyway. Empty content:
  // no file.
  Status put(const std::string& resource, const std::string& id, const std::string& content);
  // Removes files of `resource` whose device isn't in `in_use`; others' files are left alone.
  Status sweep(const std::string& resource, const std::set<std::string>& in_use);

 private:
  std::string directory_;
};

}  // namespace sluice::devinfo
