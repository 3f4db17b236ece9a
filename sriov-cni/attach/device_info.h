// SPDX-License-Identifier: Apache-2.0
// The device-info file of a pod's interface, where the runtime asks for one by the capability
// CNIDeviceInfoFile.
//
// Source: Device Information Specification 1.1.0 of the Network Plumbing Working Group. It has no
// kind for a veth.
#pragma once

#include <string>

#include "common/base/result.h"
#include "sriov-cni/ports/vf.h"

namespace sluice::cni {

std::string device_info_json(const FoundVf& found);
// Readable by all and writable by nobody. A file that tells of this VF already stays as it is: a
// meta-plugin puts the device plugin's there, which knows more (representor, vDPA, vhost-net).
Status write_device_info(const std::string& path, const FoundVf& found);

}  // namespace sluice::cni
