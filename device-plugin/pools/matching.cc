// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/pools/matching.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "device-plugin/config/ranges.h"
#include "device-plugin/config/text.h"

namespace sluice::pools {
namespace {

using config::PfSelector;
using config::Selector;

constexpr std::array kOrder = {
    Key::kPossible,    Key::kVendors,  Key::kDevices, Key::kDrivers,     Key::kPciAddresses,
    Key::kAcpiIndexes, Key::kAuxTypes, Key::kPfNames, Key::kRootDevices, Key::kLinkTypes,
    Key::kDdpProfiles, Key::kPkeys,    Key::kRdma,    Key::kVdpaType};
constexpr std::size_t kMaxShown = 8;
constexpr std::uint16_t kArphrdEthernet = 1;
constexpr std::uint16_t kArphrdInfiniband = 32;

template <class T>
bool has(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::string link_type_of(const Candidate& candidate) {
  const nic::Netdev* netdev = candidate.netdev() ? &*candidate.netdev() : nullptr;
  if (netdev == nullptr && candidate.pf != nullptr) netdev = pf_netdev(*candidate.pf);
  if (netdev == nullptr) return "";
  if (netdev->type == kArphrdEthernet) return "ether";
  if (netdev->type == kArphrdInfiniband) return "infiniband";
  return "type " + std::to_string(netdev->type);
}

bool drivers_hold(const Selector& selector, const Candidate& candidate, Missing missing) {
  if (selector.drivers.empty()) return true;
  if (missing == Missing::kForgiven && candidate.driver().empty()) return true;
  // The peer compares the driver of an SF's parent; its own is as good a name.
  return has(selector.drivers, candidate.driver()) ||
         (candidate.sf != nullptr && has(selector.drivers, candidate.function->driver));
}

// The first item of the PF decides, as in the peer.
bool functions_hold(const std::vector<PfSelector>& list, const std::string& pf,
                    const Candidate& candidate) {
  if (list.empty()) return true;
  if (pf.empty()) return false;
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const PfSelector& item) { return item.name == pf; });
  return found != list.end() && config::selects_index(*found, candidate.index);
}

bool vdpa_holds(const std::string& wanted, const Candidate& candidate, Missing missing) {
  if (wanted.empty()) return true;
  if (candidate.sf != nullptr) return false;
  if (missing == Missing::kForgiven && candidate.driver().empty()) return true;
  const auto& vdpa = candidate.function->vdpa;
  return !vdpa.empty() && vdpa.front().driver == wanted + "_vdpa";
}

bool holds(Key key, const Selector& selector, const Facts& facts, Missing missing) {
  const Candidate& candidate = *facts.candidate;
  const nic::Function& function = *candidate.function;
  const bool forgiven = missing == Missing::kForgiven;
  switch (key) {
    case Key::kPossible:
      return selector.nothing.empty();
    case Key::kVendors:
      return selector.vendors.empty() || has(selector.vendors, function.vendor);
    case Key::kDevices:
      return selector.devices.empty() || has(selector.devices, function.device);
    case Key::kDrivers:
      return drivers_hold(selector, candidate, missing);
    case Key::kPciAddresses:
      return selector.pci_addresses.empty() || has(selector.pci_addresses, function.address);
    case Key::kAcpiIndexes:
      return selector.acpi_indexes.empty() || has(selector.acpi_indexes, function.acpi_index);
    case Key::kAuxTypes:
      return selector.aux_types.empty() || candidate.sf != nullptr;
    case Key::kPfNames:
      return functions_hold(selector.pf_names, facts.pf_name, candidate);
    case Key::kRootDevices:
      return functions_hold(selector.root_devices, facts.pf_address, candidate);
    case Key::kLinkTypes:
      return selector.link_types.empty() || has(selector.link_types, facts.link_type) ||
             (forgiven && facts.link_type.empty());
    case Key::kDdpProfiles:
      return selector.ddp_profiles.empty();
    case Key::kPkeys:
      return selector.pkeys.empty() || (facts.pkey && has(selector.pkeys, *facts.pkey)) ||
             (forgiven && candidate.rdma().empty());
    case Key::kRdma:
      return !selector.is_rdma || !candidate.rdma().empty() || forgiven;
    case Key::kVdpaType:
      return vdpa_holds(selector.vdpa_type, candidate, missing);
  }
  return false;
}

std::string hex(std::uint16_t value) {
  char out[8];
  std::snprintf(out, sizeof out, "%04x", unsigned{value});
  return out;
}

std::string text_of(std::uint16_t value) { return hex(value); }
std::string text_of(const std::string& value) { return config::bounded(value); }
std::string text_of(const nic::PciAddress& value) { return value.to_string(); }
std::string text_of(const PfSelector& value) { return config::bounded(to_string(value)); }

template <class T>
std::string difference(const char* key, const std::vector<T>& wanted, const std::string& actual) {
  std::string out = std::string(key) + " wants ";
  for (std::size_t i = 0; i < wanted.size() && i < kMaxShown; ++i) {
    if (i > 0) out += ", ";
    out += text_of(wanted[i]);
  }
  if (wanted.size() > kMaxShown) {
    out += " and " + std::to_string(wanted.size() - kMaxShown) + " more";
  }
  return out + "; it " + actual;
}

std::string is(const std::string& value, const char* nothing) {
  return value.empty() ? nothing : "has " + config::bounded(value);
}

std::string explain_place(Key key, const Selector& selector, const Facts& facts) {
  if (key == Key::kRootDevices) {
    const std::string actual = facts.pf_address.empty()
                                   ? "has no PF"
                                   : describe(*facts.candidate) + ", " + facts.pf_address;
    return difference("rootDevices", selector.root_devices,
                      facts.pf_address.empty() ? actual : "is " + actual);
  }
  return difference(
      "pfNames", selector.pf_names,
      facts.pf_name.empty() ? "has no PF with a netdev" : "is " + describe(*facts.candidate));
}

std::string explain_rdma(Key key, const Selector& selector, const Facts& facts) {
  if (key == Key::kRdma) return "isRdma wants an RDMA device; it has none";
  if (key == Key::kPkeys) {
    return difference("pKeys", selector.pkeys,
                      facts.pkey ? "has " + hex(*facts.pkey) : "has none, as it is no InfiniBand");
  }
  const auto& vdpa = facts.candidate->function->vdpa;
  const std::string actual = vdpa.empty()                  ? "has no vDPA device"
                             : vdpa.front().driver.empty() ? "has an unbound one"
                                                           : "has " + vdpa.front().driver;
  return difference("vdpaType", std::vector<std::string>{selector.vdpa_type + "_vdpa"}, actual);
}

}  // namespace

Facts facts_of(const Candidate& candidate) {
  Facts out;
  out.candidate = &candidate;
  out.link_type = link_type_of(candidate);
  if (candidate.pf != nullptr) {
    if (const auto* netdev = pf_netdev(*candidate.pf)) {
      out.pf_name = config::lower_case(netdev->name);
    }
    // A PF has no root device, as in the peer.
    if (candidate.kind != Candidate::Kind::kPf) out.pf_address = candidate.pf->address.to_string();
  }
  const auto& rdma = candidate.rdma();
  if (out.link_type == "infiniband" && !rdma.empty() && !rdma.front().ports.empty() &&
      !rdma.front().ports.front().pkeys.empty()) {
    out.pkey = rdma.front().ports.front().pkeys.front();
  }
  return out;
}

std::optional<Key> first_failing(const Selector& selector, const Facts& facts, Missing missing) {
  for (const Key key : kOrder) {
    if (!holds(key, selector, facts, missing)) return key;
  }
  return std::nullopt;
}

std::vector<Key> all_failing(const Selector& selector, const Facts& facts) {
  std::vector<Key> out;
  for (const Key key : kOrder) {
    if (!holds(key, selector, facts, Missing::kCounts)) out.push_back(key);
  }
  return out;
}

std::string explain_key(Key key, const Selector& selector, const Facts& facts) {
  const nic::Function& function = *facts.candidate->function;
  switch (key) {
    case Key::kPossible:
      return selector.nothing;
    case Key::kVendors:
      return difference("vendors", selector.vendors, "has " + hex(function.vendor));
    case Key::kDevices:
      return difference("devices", selector.devices, "has " + hex(function.device));
    case Key::kDrivers:
      return difference(
          "drivers", selector.drivers,
          is(facts.candidate->sf != nullptr ? function.driver : facts.candidate->driver(),
             "has none"));
    case Key::kPciAddresses:
      return difference("pciAddresses", selector.pci_addresses,
                        "has " + function.address.to_string());
    case Key::kAcpiIndexes:
      return difference("acpiIndexes", selector.acpi_indexes, is(function.acpi_index, "has none"));
    case Key::kAuxTypes:
      return difference("auxTypes", selector.aux_types, "is no subfunction");
    case Key::kPfNames:
    case Key::kRootDevices:
      return explain_place(key, selector, facts);
    case Key::kLinkTypes:
      return difference("linkTypes", selector.link_types,
                        is(facts.link_type, "has no netdev, nor has its PF"));
    case Key::kDdpProfiles:
      return difference("ddpProfiles", selector.ddp_profiles, "has none that is known");
    case Key::kPkeys:
    case Key::kRdma:
    case Key::kVdpaType:
      return explain_rdma(key, selector, facts);
  }
  return "";
}

bool type_fits(config::DeviceType type, Candidate::Kind kind) {
  using Kind = Candidate::Kind;
  switch (type) {
    case config::DeviceType::kNetwork:
      return kind == Kind::kPf || kind == Kind::kVf;
    case config::DeviceType::kVf:
      return kind == Kind::kVf;
    case config::DeviceType::kPf:
      return kind == Kind::kPf;
    case config::DeviceType::kSf:
      return kind == Kind::kSf;
    case config::DeviceType::kAccelerator:
      return kind == Kind::kAccelerator;
  }
  return false;
}

}  // namespace sluice::pools
