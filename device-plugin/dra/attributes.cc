// SPDX-License-Identifier: Apache-2.0
// What a device says of itself in its slice.
//
// Contract: only facts that stay while a pod has the device: a VF's own netdev moves into the pod,
// so link type and speed are its PF's. Source: k8s.io/dynamic-resource-allocation/deviceattribute
// for resource.kubernetes.io/*; the Multus DRA client for k8s.cni.cncf.io/*.
#include <algorithm>
#include <string_view>

#include "device-plugin/dra/slices.h"

namespace sluice::dra {
namespace {

using pools::Candidate;

std::string hex4(std::uint16_t value) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kDigits[value >> shift & 0xf]);
  return out;
}

std::string_view kind_of(Candidate::Kind kind) {
  switch (kind) {
    case Candidate::Kind::kPf:
      return "pf";
    case Candidate::Kind::kVf:
      return "vf";
    case Candidate::Kind::kSf:
      return "sf";
    case Candidate::Kind::kAccelerator:
      return "accelerator";
  }
  return "";
}

class Writer {
 public:
  // Left out when empty, too long for the API, or no plain text: a cut value would be another one.
  void text(const char* name, const std::string& value) {
    const bool plain =
        std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (!value.empty() && value.size() <= kMaxAttributeText && plain) put(name, value);
  }
  void number(const char* name, std::int64_t value) { put(name, value); }
  void flag(const char* name, bool value) { put(name, value); }
  std::map<std::string, Attribute> take() { return std::move(attributes_); }

 private:
  void put(const char* name, Attribute value) {
    if (attributes_.size() < kMaxAttributes) attributes_[name] = std::move(value);
  }
  std::map<std::string, Attribute> attributes_;
};

void add_link(const Candidate& candidate, Writer& out) {
  const bool through_pf = candidate.pf != nullptr && candidate.pf->netdev;
  const auto& netdev = through_pf ? candidate.pf->netdev : candidate.netdev();
  if (!netdev) return;
  if (netdev->type == 1) out.text("linkType", "ether");
  if (netdev->type == 32) out.text("linkType", "infiniband");
  if (netdev->speed_mbps != 0) out.number("linkSpeedMbps", netdev->speed_mbps);
}

void add_place(const nic::Function& function, Writer& out) {
  if (function.numa_node && *function.numa_node >= 0) {
    out.number("numaNode", *function.numa_node);
    out.number("resource.kubernetes.io/numaNode", *function.numa_node);
  }
  out.text("resource.kubernetes.io/pcieRoot", function.pcie_root);
  // Below a switch there are at least root port, upstream port and downstream port; the nearest
  // switch is told by its upstream port.
  if (const auto& path = function.pcie_path; path.size() >= 3) {
    out.text("pcieSwitch", path[path.size() - 2].to_string());
  }
}

}  // namespace

std::map<std::string, Attribute> attributes_of(const Offered& offered) {
  const Candidate& candidate = offered.candidate;
  Writer out;
  out.text("kind", std::string(kind_of(candidate.kind)));
  out.text("pool", offered.pool);
  out.text("driver", candidate.driver());
  out.text("k8s.cni.cncf.io/deviceID", candidate.id);
  out.text("k8s.cni.cncf.io/resourceName",
           offered.resource.empty() ? std::string(kDriver) + "/" + offered.pool : offered.resource);
  out.flag("rdma", !candidate.rdma().empty());
  out.number("rail", offered.rail);
  if (const auto* function = candidate.function) {
    out.text("vendor", hex4(function->vendor));
    out.text("device", hex4(function->device));
    add_place(*function, out);
    if (candidate.kind != Candidate::Kind::kSf) {
      out.text("pciAddress", function->address.to_string());
      out.text("resource.kubernetes.io/pciBusID", function->address.to_string());
    }
  }
  if (candidate.pf != nullptr) {
    if (candidate.pf->netdev) out.text("pfName", candidate.pf->netdev->name);
    out.text("pfPciAddress", candidate.pf->address.to_string());
  }
  if (candidate.index) {
    out.number(candidate.kind == Candidate::Kind::kSf ? "sfNumber" : "vfIndex", *candidate.index);
  }
  add_link(candidate, out);
  return out.take();
}

}  // namespace sluice::dra
