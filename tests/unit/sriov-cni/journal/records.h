// SPDX-License-Identifier: Apache-2.0
// A record with something in every field.
#pragma once

#include "sriov-cni/journal/record.h"

namespace sluice::test {

inline cni::VfHome full_home() {
  cni::VfHome out;
  out.pci = "0000:3b:00.2";
  out.pf = "0000:3b:00.0";
  out.index = 1;
  out.name = "ens1v1";
  out.mac = MacAddr::parse("02:00:00:00:00:01").value();
  out.mtu = 1500;
  out.tx_queue_length = 1000;
  out.altnames = {"enp59s0v1"};
  out.has_parent = true;
  out.link_index = 17;
  out.link_peer = 18;
  out.alias = "uplink of the lab";
  out.up = true;
  out.driver = "iavf";
  out.attributes.mac = MacAddr{};
  out.attributes.spoof_check = true;
  out.attributes.node_guid = 18446744073709551615ULL;
  out.trunk = {{1, 4094}};
  out.sysfs_root = "/sys";
  out.vf_control_socket = "/run/sluice/vf.sock";
  return out;
}

inline cni::VfWish full_wish() {
  cni::VfWish out;
  out.attributes.vlan = std::uint16_t{100};
  out.attributes.qos = std::uint8_t{7};
  out.attributes.vlan_protocol = std::uint16_t{0x88a8};
  out.attributes.trust = true;
  out.attributes.rss_query = false;
  out.attributes.link_state = netlink::VfLinkState::kDisable;
  out.attributes.min_rate_mbps = 10U;
  out.attributes.max_rate_mbps = 4294967295U;
  out.attributes.port_guid = 7U;
  out.trunk = {{100, 110}, {200, 200}};
  out.pkey = std::uint16_t{0x8001};
  out.mac = MacAddr::parse("0a:58:0a:f4:01:02").value();
  out.mtu = 1400U;
  out.promiscuous = false;
  out.all_multicast = true;
  out.rdma = cni::RdmaUse::kExclusive;
  return out;
}

inline cni::IpamSource full_source() {
  cni::IpamSource out;
  out.kind = cni::IpamKind::kPool;
  out.state_dir = "/var/lib/sluice";
  out.network = "storage";
  out.node = "node-a";
  out.block = "10.244.1.0/24";
  out.gateway = "169.254.1.1";
  out.rail = {"0000:3b:00.0", "ens1"};
  out.type = "sluice";
  out.text = R"({"type":"sluice"})";
  out.plugin_path = "/opt/cni/bin";
  return out;
}

inline cni::CniResult full_result() {
  cni::CniResult out;
  out.interfaces.push_back({"eth0", "0a:58:0a:f4:01:02", 1400, "/run/netns/x", "", "0000:3b:00.2"});
  cni::CniAddress address;
  address.address = IpPrefix::parse("fd00::5/64").value();
  address.gateway = IpAddr::parse("fd00::1").value();
  address.interface = 0;
  out.addresses = {address};
  cni::CniRoute route;
  route.destination = IpPrefix::parse("0.0.0.0/0").value();
  route.mtu = 1380U;
  route.table = 77U;
  out.routes = {route};
  return out;
}

inline cni::Record full_record() {
  cni::Record out;
  out.key = {"abc", "eth0"};
  out.stage = cni::Stage::kAttached;
  out.network = "storage";
  out.network_reference = "shop/fast";
  out.pod = "shop/web-0";
  out.pod_uid = "3f1c";
  out.args = "IgnoreUnknown=1;K8S_POD_NAME=web-0";
  out.netns = "/run/netns/x";
  out.netns_inode = 4026532000;
  out.boot = "5f6c";
  out.kind = cni::PortKind::kNetdev;
  out.vf = full_home();
  out.wish = full_wish();
  out.rdma = {"mlx5_3"};
  out.mac = *out.wish.mac;
  out.mtu = 1400;
  out.ipam = full_source();
  out.result = full_result();
  out.engine = cni::EngineState::kPending;
  out.engine_socket = "/run/sluice/offload.sock";
  out.pending_directory = "/run/sluice/pending";
  out.port_mappings = {{8080, 80, "tcp", IpAddr::parse("192.0.2.1").value()}, {53, 53, "udp", {}}};
  out.device_info_file = "/var/run/devinfo/x";
  out.others = {"net1", "net2"};
  out.first = "eth9";
  out.given = 18446744073709551615ULL;
  out.given_by = "start 7";
  out.claim = "shop/net";
  return out;
}

// As the first version wrote it.
inline constexpr const char* kVersion1 = R"({
  "version": 1, "id": "abc/eth0", "interface": "eth0", "pod": "shop/web-0",
  "netns": "/run/netns/x", "netnsInode": 4026532000, "node": "node-a",
  "mac": "0a:58:0a:f4:01:02", "ip": "10.244.1.2", "pci": "0000:3b:00.2", "hostName": "vf0",
  "hostMac": "02:00:00:00:00:01", "hostMtu": 1500, "sysfsRoot": "/run/sluice/sys",
  "vfControlSocket": "/run/sluice/vf.sock", "portReturned": false, "podUid": "3f1c",
  "others": ["abc/net1"], "first": "abc/eth9", "given": 7, "givenBy": "start 7",
  "claim": "shop/net"
})";

}  // namespace sluice::test
