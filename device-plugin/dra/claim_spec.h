// SPDX-License-Identifier: Apache-2.0
// What the containers of a claim get, as a CDI specification: pure. Internal to device-plugin/dra.
//
// Contract: each device has a CDI device of its own, since a container may ask for one request of a
// claim alone. Its variables: SLUICE_REQUEST_<REQUEST>, the devices of that request (PCI addresses,
// or "port-7"), so that a program knows what a prioritized list came to; and
// SLUICE_DEVICE_<DEVICE>_INFO, in the JSON of PCIDEVICE_*_INFO.
#pragma once

#include <string>

#include "device-plugin/cdi/spec_store.h"
#include "device-plugin/dra/checkpoint.h"

namespace sluice::dra {

inline constexpr const char* kClaimSetPrefix = "claim-";
std::string spec_set_of(const std::string& uid);  // of the SpecStore
std::string cdi_device_of(const std::string& uid, const std::string& device);
std::string qualified_cdi_device(const std::string& uid, const std::string& device);
cdi::Spec spec_of(const PreparedClaim& claim);

}  // namespace sluice::dra
