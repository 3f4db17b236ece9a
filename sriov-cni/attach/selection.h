// SPDX-License-Identifier: Apache-2.0
// Which of the devices that the kubelet lists under a pod's name are this pod's, and not a
// predecessor's of the same name: pure.
//
// Contract: the kubelet's answer has no UID. A device that was another pod's of the same name (by
// UID) is
//   this pod's, when the device plugin gave it again since then;
//   the predecessor's, when it wasn't given again, or while the predecessor's sandbox has it;
//   doubtful, when the plugin was started anew in between and can't know: this pod's only when no
//   device of the same resource is for certain.
// A claim's device is always this pod's: a claim names its device itself, and successors may share
// it. Without a UID on either side nothing is left out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sluice::cni {

struct ListedDevice {
  std::string id;  // PCI address or SF name; empty: a plain port
  std::string resource;
  std::string claim;        // empty: given by the device plugin API
  std::uint64_t given = 0;  // 0: before the plugin's start
};

// Who has a device, or had it last.
struct Holder {
  std::string pod, pod_uid;
  bool living = false;  // has it now, and the sandbox is there
  std::uint64_t given = 0;
  std::string given_by;  // the plugin's instance; empty: unknown
};

struct Asker {
  std::string pod, pod_uid;
  std::string instance;  // of the plugin that answered
};

struct LeftOut {
  std::string id, why;
};

struct Selection {
  std::vector<ListedDevice> own;  // in the order of the list, each device once
  std::vector<LeftOut> left_out;
};

Selection select_own(const std::vector<ListedDevice>& listed, const Asker& asker,
                     const std::map<std::string, Holder>& holders);

}  // namespace sluice::cni
