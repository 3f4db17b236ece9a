// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/attach_spec.h"

#include <algorithm>

#include "common/api/offload.pb.h"

namespace sluice::engine {
namespace {

constexpr std::size_t kMaxText = 512;
constexpr int kMaxPortMappings = 1024;
constexpr std::size_t kShownText = 200;

tl::unexpected<Error> bad(const std::string& field, const std::string& value,
                          const std::string& rule) {
  return fail(Code::kInvalid, field + " '" + value.substr(0, kShownText) + "': " + rule);
}

Result<std::uint16_t> read_port(const std::string& field, std::uint32_t value) {
  if (value >= 1 && value <= 0xffff) return static_cast<std::uint16_t>(value);
  return bad(field, std::to_string(value), "allowed are 1 to 65535");
}

Result<model::HostPort> read_mapping(const api::PortMapping& mapping) {
  model::HostPort port;
  SLUICE_TRY(port.port, read_port("host_port", mapping.host_port()));
  SLUICE_TRY(port.pod_port, read_port("container_port", mapping.container_port()));
  if (mapping.protocol() == "udp") {
    port.proto = model::Proto::kUdp;
  } else if (mapping.protocol() != "tcp") {
    return bad("protocol", mapping.protocol(), "allowed are tcp and udp");
  }
  if (!mapping.host_ip().empty()) {
    const auto address = Ipv4::parse(mapping.host_ip());
    if (!address) return bad("host_ip", mapping.host_ip(), "not an IPv4 address");
    port.address = *address;
  }
  return port;
}

Status check_texts(const api::AttachRequest& request) {
  const std::pair<const char*, const std::string&> texts[] = {
      {"id", request.id()},
      {"pod", request.pod()},
      {"interface", request.interface()},
      {"pci_address", request.pci_address()},
      {"veth", request.veth()}};
  for (const auto& [field, text] : texts) {
    if (text.size() > kMaxText) {
      return bad(field, text, "allowed are " + std::to_string(kMaxText) + " characters");
    }
  }
  return {};
}

}  // namespace

Result<AttachSpec> read_attach_request(const api::AttachRequest& request) {
  SLUICE_CHECK_OK(check_texts(request));
  AttachSpec spec;
  spec.id = request.id();
  spec.pod = request.pod();
  spec.interface = request.interface();
  spec.pci_address = request.pci_address();
  spec.veth = request.veth();
  auto mac = MacAddr::parse(request.mac());
  if (!mac) return fail(std::move(mac).error().with("reading field mac"));
  spec.mac = *mac;
  auto ip = Ipv4::parse(request.ip());
  if (!ip) return fail(std::move(ip).error().with("reading field ip"));
  spec.ip = *ip;
  if (request.port_mappings_size() > kMaxPortMappings) {
    return bad("port_mappings", std::to_string(request.port_mappings_size()) + " of them",
               "allowed are " + std::to_string(kMaxPortMappings));
  }
  for (int i = 0; i < request.port_mappings_size(); ++i) {
    auto port = read_mapping(request.port_mappings(i));
    if (!port) {
      return fail(std::move(port).error().with("reading port_mappings[" + std::to_string(i) + "]"));
    }
    spec.host_ports.push_back(*port);
  }
  auto& ports = spec.host_ports;
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  return spec;
}

Result<AttachSpec> parse_attach_request(std::string_view bytes) {
  api::AttachRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Code::kInvalid, std::to_string(bytes.size()) + " bytes: not an AttachRequest");
  }
  return read_attach_request(request);
}

}  // namespace sluice::engine
