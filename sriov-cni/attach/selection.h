// SPDX-License-Identifier: Apache-2.0
// Which of the devices that the kubelet lists under a pod's name are this pod's, and not a
// predecessor's of the same name: pure.
//
// Contract: the kubelet's answer has no UID. A device that was another pod's of the same name (by
// UID) is
//   this pod's, when it was given since then: by the number of the plugin's grants, or because it
//   is listed for another claim (or none) than it was had for;
//   the predecessor's, when the same start of the plugin says that it wasn't given again;
//   doubtful, when the plugin was started anew in between and can't know. Nobody goes on while a
//   device is doubtful: not with a veth, not with fewer devices, not with somebody else's. That
//   ends: a doubtful device whose old sandbox has been gone for kListedAfterEndSeconds is this
//   pod's, as the kubelet lists no pod that long after its end. Something that the plugin had no
//   part in leaves no doubt behind when its sandbox has gone.
// Claims: one that people made and named may be shared, so that its device is always this pod's.
// One that was made for a pod of this name from a template ("<pod>-<name>-<5 characters>") and that
// a predecessor had is doubtful, or the predecessor's for certain when this pod's own of the same
// template is listed too. Without a UID on either side nothing is left out.
// Source: resourceclaim controller (generateName "<pod>-<name in the pod>-"), names.go of the API
// server (5 random characters, 63 in all).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sluice::cni {

// The kubelet drops a pod from its answers when the pod is gone from the API server, which a
// successor of the same name waits for: seconds at most after the sandbox's end.
inline constexpr std::uint64_t kListedAfterEndSeconds = 10;

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
  std::string given_by;              // the plugin's instance; empty: it had no part in it
  std::optional<std::string> claim;  // as in ListedDevice; unset: unknown
  bool settled = false;              // not living for kListedAfterEndSeconds
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
  std::vector<LeftOut> doubtful;  // not empty: `own` is not to be used, ask again later
};

Selection select_own(const std::vector<ListedDevice>& listed, const Asker& asker,
                     const std::map<std::string, Holder>& holders);

}  // namespace sluice::cni
