// SPDX-License-Identifier: Apache-2.0
#include "common/nic/inventory_json.h"

#include <algorithm>
#include <concepts>
#include <limits>
#include <set>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/base/nearest_name.h"

namespace sluice::nic {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kMaxText = 256;
constexpr std::size_t kMaxObjects = 65536;  // in one inventory: each is some hundred bytes here

// Each type's fields are listed once, for both directions. X is the type, or const of it.
template <class X, class T>
concept Is = std::same_as<std::remove_const_t<X>, T>;

template <class V, Is<Netdev> X>
void fields(V& v, X& x) {
  v("name", x.name);
  v("ifIndex", x.if_index);
  v("mac", x.mac);
  v("carrier", x.carrier);
  v("type", x.type);
  v("mtu", x.mtu);
  v("speedMbps", x.speed_mbps);
  v("physicalPortName", x.physical_port_name);
  v("physicalSwitchId", x.physical_switch_id);
}

template <class V, Is<RdmaDevice::Port> X>
void fields(V& v, X& x) {
  v("number", x.number);
  v("state", x.state);
  v("physicalState", x.physical_state);
  v("linkLayer", x.link_layer);
  v("pkeys", x.pkeys);
}

template <class V, Is<RdmaDevice> X>
void fields(V& v, X& x) {
  v("name", x.name);
  v("uverbs", x.uverbs);
  v("umad", x.umad);
  v("issm", x.issm);
  v("ucm", x.ucm);
  v("ports", x.ports);
}

template <class V, Is<VdpaDevice> X>
void fields(V& v, X& x) {
  v("name", x.name);
  v("driver", x.driver);
  v("charDevice", x.char_device);
}

template <class V, class X>
void function_fields(V& v, X& x) {
  v("address", x.address);
  v("vendor", x.vendor);
  v("device", x.device);
  v("classCode", x.class_code);
  v("driver", x.driver);
  v("netdev", x.netdev);
  v("moreNetdevs", x.more_netdevs);
  v("numaNode", x.numa_node);
  v("acpiIndex", x.acpi_index);
  v("pciePath", x.pcie_path);
  v("pcieRoot", x.pcie_root);
  v("rdma", x.rdma);
  v("vdpa", x.vdpa);
  v("iommuGroup", x.iommu_group);
  v("iommuNoiommu", x.iommu_noiommu);
  v("vfioDevice", x.vfio_device);
  v("uioDevice", x.uio_device);
}

template <class V, Is<Function> X>
void fields(V& v, X& x) {
  function_fields(v, x);
}

template <class V, Is<Vf> X>
void fields(V& v, X& x) {
  v("index", x.index);
  function_fields(v, x);
}

template <class V, Is<Sf> X>
void fields(V& v, X& x) {
  v("name", x.name);
  v("number", x.number);
  v("driver", x.driver);
  v("netdev", x.netdev);
  v("rdma", x.rdma);
}

template <class V, Is<Pf> X>
void fields(V& v, X& x) {
  function_fields(v, x);
  v("sriov", x.sriov);
  v("totalVfs", x.total_vfs);
  v("numVfs", x.num_vfs);
  v("switchId", x.switch_id);
  v("vfs", x.vfs);
  v("sfs", x.sfs);
}

template <class V, Is<Representor> X>
void fields(V& v, X& x) {
  v("name", x.name);
  v("switchId", x.switch_id);
  v("pf", x.pf);
  v("vf", x.vf);
  v("sf", x.sf);
}

template <class V, Is<Broken> X>
void fields(V& v, X& x) {
  v("device", x.device);
  v("reason", x.reason);
}

template <class V, Is<Inventory> X>
void fields(V& v, X& x) {
  v("pfs", x.pfs);
  v("accelerators", x.accelerators);
  v("gpus", x.gpus);
  v("representors", x.representors);
  v("broken", x.broken);
  v("vhostNet", x.vhost_net);
  v("rdmaCm", x.rdma_cm);
}

// --- out

class Writer {
 public:
  // What is empty by default is left out when it is: strings, lists, optionals.
  template <class T>
  void operator()(const char* key, const T& value) {
    auto json = encode(value);
    const bool empty = json.is_null() || (json.is_array() && json.empty()) || json == "";
    if (!empty) object_[key] = std::move(json);
  }
  OrderedJson take() { return std::move(object_); }

 private:
  static OrderedJson encode(bool value) { return value; }
  template <std::integral T>
  static OrderedJson encode(const T& value) {
    return value;
  }
  static OrderedJson encode(const std::string& value) { return value; }
  static OrderedJson encode(const PciAddress& value) { return value.to_string(); }
  static OrderedJson encode(const MacAddr& value) { return value.to_string(); }
  template <class T>
  static OrderedJson encode(const std::optional<T>& value) {
    return value ? encode(*value) : OrderedJson();
  }
  template <class T>
  static OrderedJson encode(const std::vector<T>& values) {
    auto out = OrderedJson::array();
    for (const auto& value : values) out.push_back(encode(value));
    return out;
  }
  template <class T>
  static OrderedJson encode(const T& value) {
    Writer writer;
    fields(writer, value);
    return writer.object_;
  }

  OrderedJson object_ = OrderedJson::object();
};

// --- in

std::string shown(std::string_view text) {
  std::string out(text.substr(0, 64));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  return "'" + out + "'";
}

class Reader {
 public:
  Reader(const Json& object, std::string where, std::size_t& objects_left)
      : object_(object), where_(std::move(where)), objects_left_(objects_left) {}

  template <class T>
  void operator()(const char* key, T& value) {
    known_.push_back(key);
    const auto found = object_.find(key);
    if (!outcome_ || found == object_.end()) return;
    outcome_ = decode(*found, where_ + "." + key, value);
  }

  template <class T>
  static Status read(const Json& json, const std::string& where, std::size_t& objects_left,
                     T& out) {
    if (!json.is_object()) return fail(Code::kInvalid, where + " must be an object");
    if (objects_left == 0) {
      return fail(Code::kInvalid, "the inventory has more than 65536 objects, at " + where);
    }
    --objects_left;
    Reader reader(json, where, objects_left);
    fields(reader, out);
    return reader.finish();
  }

 private:
  Status finish() {
    SLUICE_CHECK_OK(outcome_);
    for (auto entry = object_.begin(); entry != object_.end(); ++entry) {
      if (std::find(known_.begin(), known_.end(), entry.key()) != known_.end()) continue;
      std::string message = where_ + " has the unknown key " + shown(entry.key());
      if (const auto meant = nearest_name(entry.key(), known_)) {
        message += ", did you mean '" + std::string(*meant) + "'?";
      }
      return fail(Code::kInvalid, message);
    }
    return {};
  }

  static Status decode(const Json& json, const std::string& where, bool& out) {
    if (!json.is_boolean()) return fail(Code::kInvalid, where + " must be true or false");
    out = json.get<bool>();
    return {};
  }
  template <std::integral T>
  static Status decode(const Json& json, const std::string& where, T& out) {
    using Limits = std::numeric_limits<T>;
    // Nothing in an inventory is negative; what is unknown is absent.
    if (!json.is_number_unsigned() ||
        json.get<std::uint64_t>() > static_cast<std::uint64_t>(Limits::max())) {
      return fail(Code::kInvalid,
                  where + " must be a number from 0 to " + std::to_string(Limits::max()));
    }
    out = json.get<T>();
    return {};
  }
  static Status decode(const Json& json, const std::string& where, std::string& out) {
    if (!json.is_string() || json.get_ref<const std::string&>().size() > kMaxText) {
      return fail(Code::kInvalid, where + " must be a string of at most 256 bytes");
    }
    out = json.get<std::string>();
    return {};
  }
  template <class T>
  static Status parsed(const Json& json, const std::string& where, T& out) {
    std::string text;
    SLUICE_CHECK_OK(decode(json, where, text));
    auto value = T::parse(text);
    if (!value) return fail(Code::kInvalid, where + ": " + value.error().message);
    out = *value;
    return {};
  }
  static Status decode(const Json& json, const std::string& where, PciAddress& out) {
    return parsed(json, where, out);
  }
  static Status decode(const Json& json, const std::string& where, MacAddr& out) {
    return parsed(json, where, out);
  }
  template <class T>
  Status decode(const Json& json, const std::string& where, std::optional<T>& out) {
    return decode(json, where, out.emplace());
  }
  template <class T>
  Status decode(const Json& json, const std::string& where, std::vector<T>& out) {
    if (!json.is_array() || json.size() > kMaxObjects) {
      return fail(Code::kInvalid, where + " must be a list of at most 65536 entries");
    }
    for (std::size_t i = 0; i < json.size(); ++i) {
      SLUICE_CHECK_OK(decode(json[i], where + "[" + std::to_string(i) + "]", out.emplace_back()));
    }
    return {};
  }
  template <class T>
  Status decode(const Json& json, const std::string& where, T& out) {
    return read(json, where, objects_left_, out);
  }

  const Json& object_;
  std::string where_;
  std::size_t& objects_left_;
  std::vector<std::string_view> known_;
  Status outcome_;
};

// Whoever assigns devices counts on this.
Status check_unique(const Inventory& inventory) {
  std::set<std::string> seen;
  std::string twice;
  const auto see = [&](std::string id) {
    if (!seen.insert(id).second && twice.empty()) twice = std::move(id);
  };
  for (const auto& pf : inventory.pfs) {
    see(pf.address.to_string());
    for (const auto& vf : pf.vfs) see(vf.address.to_string());
    for (const auto& sf : pf.sfs) see(sf.name);
  }
  for (const auto& function : inventory.accelerators) see(function.address.to_string());
  if (twice.empty()) return {};
  return fail(Code::kInvalid, "the inventory has the device " + shown(twice) + " twice");
}

}  // namespace

std::string to_json(const Inventory& inventory) {
  Writer writer;
  fields(writer, inventory);
  // Names from sysfs are whatever a driver wrote: what is no UTF-8 is replaced.
  return writer.take().dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

Result<Inventory> inventory_from_json(std::string_view text) {
  if (text.size() > kMaxInventoryBytes) {
    return fail(Code::kInvalid, "the inventory has " + std::to_string(text.size()) +
                                    " bytes; allowed are " + std::to_string(kMaxInventoryBytes));
  }
  const auto json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return fail(Code::kInvalid, "the inventory is not JSON");
  Inventory out;
  std::size_t objects_left = kMaxObjects;
  SLUICE_CHECK_OK(Reader::read(json, "inventory", objects_left, out));
  SLUICE_CHECK_OK(check_unique(out));
  return out;
}

}  // namespace sluice::nic
