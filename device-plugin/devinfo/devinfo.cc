// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/devinfo/devinfo.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <nlohmann/json.hpp>

namespace sluice::devinfo {
namespace {

using nlohmann::json;
using pools::Candidate;

constexpr const char* kVersion = "1.1.0";

// "vhost" of "vhost_vdpa"; "" for an unbound one.
std::string vdpa_type_of(const nic::VdpaDevice& device) {
  if (device.driver == "vhost_vdpa") return "vhost";
  if (device.driver == "virtio_vdpa") return "virtio";
  return "";
}

const nic::VdpaDevice* vdpa_of(const nic::Function& function,
                               const std::optional<std::string>& wanted) {
  for (const auto& device : function.vdpa) {
    const std::string type = vdpa_type_of(device);
    if (!type.empty() && (!wanted || *wanted == type)) return &device;
  }
  return nullptr;
}

std::string join_names(const std::vector<nic::RdmaDevice>& devices) {
  std::string out;
  for (const auto& device : devices) out += (out.empty() ? "" : ",") + device.name;
  return out;
}

// What both forms have.
json address_json(const Candidate& candidate, const std::string& representor) {
  json out = {{"pci-address", candidate.function->address.to_string()}};
  if (candidate.kind == Candidate::Kind::kVf && candidate.pf != nullptr) {
    out["pf-pci-address"] = candidate.pf->address.to_string();
  }
  if (!representor.empty()) out["representor-device"] = representor;
  return out;
}

// The number in a PF's own "p0" or "pf0"; unset where the driver names no ports.
std::optional<std::uint16_t> port_number(const nic::Pf& pf) {
  if (!pf.netdev) return std::nullopt;
  std::string_view name = pf.netdev->physical_port_name;
  if (name.substr(0, 2) == "pf") {
    name.remove_prefix(2);
  } else if (name.substr(0, 1) == "p") {
    name.remove_prefix(1);
  } else {
    return std::nullopt;
  }
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

bool represents(const nic::Representor& representor, const Candidate& candidate) {
  if (representor.switch_id != candidate.pf->switch_id) return false;
  if (candidate.kind == Candidate::Kind::kSf) return representor.sf == candidate.index;
  return candidate.kind == Candidate::Kind::kVf && representor.vf &&
         std::optional<std::uint32_t>(*representor.vf) == candidate.index;
}

}  // namespace

std::string render(const Candidate& candidate, const std::string& representor, const Given& given) {
  if (candidate.sf != nullptr) return "";
  json out = {{"version", kVersion}};
  json fields = address_json(candidate, representor);
  const bool may_be_vdpa = !given.vdpa_type || !given.vdpa_type->empty();
  const auto* vdpa = may_be_vdpa ? vdpa_of(*candidate.function, given.vdpa_type) : nullptr;
  if (vdpa != nullptr) {
    fields["parent-device"] = vdpa->name;
    fields["driver"] = vdpa_type_of(*vdpa);
    if (!vdpa->char_device.empty()) fields["path"] = vdpa->char_device;
    out["type"] = "vdpa";
    out["vdpa"] = std::move(fields);
  } else {
    const std::string rdma = given.rdma ? join_names(candidate.rdma()) : "";
    if (!rdma.empty()) fields["rdma-device"] = rdma;
    if (given.vhost_net) fields["vhost-net"] = "/dev/vhost-net";
    out["type"] = "pci";
    out["pci"] = std::move(fields);
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string representor_of(const Candidate& candidate, const nic::Inventory& inventory) {
  if (candidate.pf == nullptr || candidate.pf->switch_id.empty() || !candidate.index) return "";
  const auto port = port_number(*candidate.pf);
  std::vector<const nic::Representor*> found;
  for (const auto& representor : inventory.representors) {
    if (!represents(representor, candidate)) continue;
    if (port && representor.pf != *port) continue;
    found.push_back(&representor);
  }
  // PFs may share a switch id; which one's port it is must be known then. None is better than
  // another pod's.
  return found.size() == 1 ? found.front()->name : "";
}

std::string file_name(const std::string& resource, const std::string& id) {
  std::string name = resource + "-" + id + "-device.json";
  std::replace(name.begin(), name.end(), '/', '-');
  return name;
}

}  // namespace sluice::devinfo
