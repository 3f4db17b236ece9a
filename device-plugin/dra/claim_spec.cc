// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/claim_spec.h"

#include <nlohmann/json.hpp>

#include "device-plugin/dra/front.h"

namespace sluice::dra {
namespace {

// In letters that a shell can read.
std::string variable_part(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    const bool upper = c >= 'A' && c <= 'Z';
    const bool lower = c >= 'a' && c <= 'z';
    out.push_back(digit || upper ? c : lower ? static_cast<char>(c - 'a' + 'A') : '_');
  }
  return out;
}

const std::string& shown(const PreparedDevice& device) {
  return device.id.empty() ? device.allotted.device : device.id;
}

std::string kind() { return cdi::kind_of(std::string(kDriver) + "/claim"); }

}  // namespace

std::string spec_set_of(const std::string& uid) { return kClaimSetPrefix + uid; }

std::string cdi_device_of(const std::string& uid, const std::string& device) {
  return uid + "-" + device;
}

std::string qualified_cdi_device(const std::string& uid, const std::string& device) {
  return cdi::qualified(kind(), cdi_device_of(uid, device));
}

cdi::Spec spec_of(const PreparedClaim& claim) {
  std::map<std::string, std::string> by_request;
  for (const auto& device : claim.devices) {
    for (const auto& request : device.allotted.requests) {
      auto& list = by_request["SLUICE_REQUEST_" + variable_part(request)];
      list += (list.empty() ? "" : ",") + shown(device);
    }
  }
  cdi::Spec out;
  out.kind = kind();
  for (const auto& device : claim.devices) {
    cdi::SpecDevice entry;
    entry.name = cdi_device_of(claim.claim.uid, device.allotted.device);
    entry.nodes = device.nodes;
    for (const auto& request : device.allotted.requests) {
      const std::string variable = "SLUICE_REQUEST_" + variable_part(request);
      entry.envs[variable] = by_request[variable];
    }
    if (!device.info.empty()) {
      const nlohmann::json info = {{shown(device), device.info}};
      entry.envs["SLUICE_DEVICE_" + variable_part(device.allotted.device) + "_INFO"] =
          info.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
    out.devices.push_back(std::move(entry));
  }
  return out;
}

}  // namespace sluice::dra
