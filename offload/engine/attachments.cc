// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/attachments.h"

#include <algorithm>

#include "common/api/offload.pb.h"
#include "common/os/files.h"
#include "offload/engine/attach_spec.h"

namespace sluice::engine {
namespace {

void encode(const model::Attachment& from, const std::string& port, api::AttachRequest& to) {
  to.set_id(from.id);
  to.set_pod(from.pod);
  to.set_interface(from.interface);
  to.set_mac(from.mac.to_string());
  to.set_ip(from.ip.to_string());
  if (from.port.kind == model::PortId::Kind::kVf) {
    to.set_pci_address(from.device);
  } else {
    to.set_veth(from.device);
  }
  to.set_port(port);
  for (const auto& host_port : from.host_ports) {
    auto& mapping = *to.add_port_mappings();
    mapping.set_host_port(host_port.port);
    mapping.set_container_port(host_port.pod_port);
    mapping.set_protocol(std::string(model::to_string(host_port.proto)));
    if (!host_port.address.is_zero()) mapping.set_host_ip(host_port.address.to_string());
  }
}

Result<model::Attachment> decode(const api::AttachRequest& from) {
  SLUICE_TRY(auto spec, read_attach_request(from));
  SLUICE_TRY(const auto port, model::PortId::parse(from.port()));
  return model::Attachment{spec.id,
                           spec.pod,
                           spec.interface,
                           port,
                           spec.mac,
                           spec.ip,
                           spec.pci_address.empty() ? spec.veth : spec.pci_address,
                           std::move(spec.host_ports)};
}

}  // namespace

Result<Attachments> Attachments::load(std::string file) {
  Attachments table(std::move(file));
  auto bytes = os::read_file(table.file_);
  if (!bytes) {
    if (bytes.error().code == Code::kNotFound) return table;
    return fail(std::move(bytes).error());
  }
  api::AttachmentList list;
  if (!list.ParseFromString(*bytes)) {
    return fail(Code::kInvalid, "attachment file " + table.file_ + " is damaged");
  }
  for (const auto& entry : list.attachments()) {
    auto attachment = decode(entry);
    if (!attachment) {
      return fail(std::move(attachment).error().with("reading " + table.file_));
    }
    table.all_.push_back(std::move(*attachment));
  }
  return table;
}

Status Attachments::check(const model::Attachment& attachment, const model::Node& self) const {
  const auto bad = [](const std::string& field, const std::string& value, const std::string& rule) {
    return fail(Code::kInvalid, field + " '" + value + "' " + rule);
  };
  if (attachment.id.empty()) return bad("id", "", "is empty");
  if (attachment.mac.is_zero() || attachment.mac.is_multicast()) {
    return bad("mac", attachment.mac.to_string(), "is not a unicast address");
  }
  if (!self.pod_cidr.contains(attachment.ip) || attachment.ip == self.pod_cidr.address ||
      attachment.ip == self.node0()) {
    return bad("ip", attachment.ip.to_string(),
               "is not a pod's address in this node's block " + self.pod_cidr.to_string());
  }
  for (const auto& other : all_) {
    const bool same_device =
        other.device == attachment.device ||
        (other.port == attachment.port && attachment.port.kind == model::PortId::Kind::kVf);
    if (other.ip == attachment.ip) {
      return fail(Code::kExists, "ip " + attachment.ip.to_string() + " belongs to " + other.pod +
                                     " (" + other.id + ")");
    }
    if (other.mac == attachment.mac) {
      return fail(Code::kExists, "mac " + attachment.mac.to_string() + " belongs to " + other.pod +
                                     " (" + other.id + ")");
    }
    if (same_device) {
      return fail(Code::kExists, "device " + attachment.device + " (" +
                                     attachment.port.to_string() + ") belongs to " + other.pod +
                                     " (" + other.id + ")");
    }
  }
  return {};
}

Status Attachments::add(const model::Attachment& attachment, const model::Node& self) {
  if (const auto* known = find(attachment.id)) {
    if (*known == attachment) return {};
    return fail(Code::kExists, "attachment " + attachment.id + " exists with other values");
  }
  SLUICE_CHECK_OK(check(attachment, self));
  auto next = all_;
  next.push_back(attachment);
  SLUICE_CHECK_OK(save(next));
  all_ = std::move(next);
  return {};
}

Result<model::Attachment> Attachments::remove(const std::string& id) {
  const auto* known = find(id);
  if (known == nullptr) return fail(Code::kNotFound, "no attachment " + id);
  auto removed = *known;
  auto next = all_;
  std::erase_if(next, [&](const auto& a) { return a.id == id; });
  SLUICE_CHECK_OK(save(next));
  all_ = std::move(next);
  return removed;
}

const model::Attachment* Attachments::find(const std::string& id) const {
  const auto it = std::find_if(all_.begin(), all_.end(), [&](const auto& a) { return a.id == id; });
  return it == all_.end() ? nullptr : &*it;
}

Status Attachments::save(const std::vector<model::Attachment>& all) const {
  api::AttachmentList list;
  for (const auto& attachment : all) {
    encode(attachment, attachment.port.to_string(), *list.add_attachments());
  }
  return os::write_file_atomic(file_, list.SerializeAsString(), 0600);
}

}  // namespace sluice::engine
