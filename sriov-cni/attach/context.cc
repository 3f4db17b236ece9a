// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/context.h"

namespace sluice::cni {

void Subject::add(const Record& record) {
  if (network_reference.empty()) network_reference = record.network_reference;
  devices += (devices.empty() ? "" : ",") + (record.vf ? record.vf->pci : "veth");
  const auto& addresses = record.result.addresses;
  if (ip.empty() && !addresses.empty()) ip = addresses.front().address.address.to_string();
}

}  // namespace sluice::cni
