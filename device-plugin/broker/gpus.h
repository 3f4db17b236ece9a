// SPDX-License-Identifier: Apache-2.0
// Where the GPUs are of the pod that is being admitted, as far as it can be told. Pure.
//
// The kubelet asks for a preference without saying for which pod. It allocates one resource after
// the other, so the pod that has GPUs and none of our devices yet is the one.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/nic/inventory.h"
#include "device-plugin/kubelet/pod_resources.h"

namespace sluice::broker {

// NVIDIA's device plugin names GPUs by UUID ("GPU-..."): read from the driver's
// /proc/driver/nvidia/gpus/<PCI address>/information. Empty where there is no such driver.
std::map<std::string, nic::PciAddress> read_gpu_uuids(const std::string& proc_root);

// The pods that have a GPU of the inventory's and nothing of `resource`; when they are several,
// those that `before` did not list so. Still several, or none: nobody can tell, and the result is
// empty.
std::vector<std::vector<nic::PciAddress>> gpus_of_new_pod(
    const std::vector<kubelet::PodDevices>& now, const std::vector<kubelet::PodDevices>& before,
    const nic::Inventory& inventory, const std::map<std::string, nic::PciAddress>& uuids,
    const std::string& resource);

}  // namespace sluice::broker
