// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/device_info.h"

#include <nlohmann/json.hpp>

#include "common/os/files.h"

namespace sluice::cni {

std::string device_info_json(const FoundVf& found) {
  nlohmann::json pci = {{"pci-address", found.vf.address.to_string()},
                        {"pf-pci-address", found.pf.address.to_string()}};
  std::string rdma;
  for (const auto& device : found.rdma) rdma += (rdma.empty() ? "" : ",") + device.name;
  if (!rdma.empty()) pci["rdma-device"] = rdma;
  const nlohmann::json out = {{"version", "1.1.0"}, {"type", "pci"}, {"pci", std::move(pci)}};
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Status write_device_info(const std::string& path, const FoundVf& found) {
  SLUICE_CHECK_OK(os::make_directories(path.substr(0, path.rfind('/'))));
  auto written = os::write_file_atomic(path, device_info_json(found), 0444);
  if (written) return {};
  return fail(std::move(written).error().with("writing runtimeConfig.CNIDeviceInfoFile"));
}

}  // namespace sluice::cni
