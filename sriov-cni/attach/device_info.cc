// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/device_info.h"

#include <nlohmann/json.hpp>

#include "common/os/files.h"

namespace sluice::cni {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxInfoBytes = std::size_t{64} << 10U;

// Whether the file, whatever it is, has this VF in the section that its type names.
bool tells_of(const std::string& path, const nic::PciAddress& address) {
  const auto text = os::read_file(path, kMaxInfoBytes);
  if (!text) return false;
  const auto info = json::parse(*text, nullptr, false);
  if (!info.is_object()) return false;
  const auto type = info.find("type");
  if (type == info.end() || !type->is_string()) return false;
  const auto section = info.find(type->get_ref<const std::string&>());
  if (section == info.end() || !section->is_object()) return false;
  const auto device = section->find("pci-address");
  return device != section->end() && *device == address.to_string();
}

}  // namespace

std::string device_info_json(const FoundVf& found) {
  json pci = {{"pci-address", found.vf.address.to_string()},
              {"pf-pci-address", found.pf.address.to_string()}};
  std::string rdma;
  for (const auto& device : found.rdma) rdma += (rdma.empty() ? "" : ",") + device.name;
  if (!rdma.empty()) pci["rdma-device"] = rdma;
  const json out = {{"version", "1.1.0"}, {"type", "pci"}, {"pci", std::move(pci)}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Status write_device_info(const std::string& path, const FoundVf& found) {
  if (tells_of(path, found.vf.address)) return {};
  SLUICE_CHECK_OK(os::make_directories(path.substr(0, path.rfind('/'))));
  auto written = os::write_file_atomic(path, device_info_json(found), 0444);
  if (written) return {};
  return fail(std::move(written).error().with("writing runtimeConfig.CNIDeviceInfoFile"));
}

}  // namespace sluice::cni
