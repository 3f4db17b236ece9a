// SPDX-License-Identifier: Apache-2.0
// What discovery takes from outside: names and attributes of sysfs, what the kernel says of VFs and
// default routes, device events, and the files of baselines. The first byte chooses.
// fuzz-deps: sluice_nic sluice_netlink
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstdlib>

#include "common/netlink/decode.h"
#include "common/netlink/default_routes.h"
#include "common/netlink/uevent.h"
#include "common/nic/baseline.h"
#include "common/nic/reader.h"
#include "common/nic/uplink.h"

using namespace sluice;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> result;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    result.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

void names_and_attributes(std::string_view text) {
  const auto number = nic::parse_number(text, 0xffff);
  require(!number || *number <= 0xffff);
  require(!nic::parse_sf_name(text) || text.find(".sf.") != std::string_view::npos);
  require(nic::parse_rdma_state(text).size() <= nic::kMaxName);
  (void)nic::parse_pkey(text);
  require(text.find(nic::last_part(text)) != std::string_view::npos);
  if (const auto port = nic::parse_port_name(text)) {
    require(!port->uplink || (!port->vf && !port->sf));
    require(!port->vf || !port->sf);
  }
  if (const auto address = nic::PciAddress::parse(text)) {
    require(nic::PciAddress::parse(address->to_string()) == *address);
  }
}

void places(std::string_view text) {
  const auto place = nic::parse_place(text);
  require(place.path.size() <= 64);
  require(place.root.size() <= 16);
  require(!place.root.empty() || place.path.empty());
}

void directories(std::string_view text) {
  const auto names = lines(text);
  const auto entries = nic::parse_entries(names);
  require(std::is_sorted(entries.virtfns.begin(), entries.virtfns.end()));
  require(entries.virtfns.size() + entries.vdpa.size() + entries.virtio.size() +
              entries.sfs.size() <=
          names.size());
}

void baselines(std::string_view text) {
  const auto baseline = nic::parse_baseline(text);
  if (!baseline) {
    require(baseline.error().to_string().size() < 1000);
    return;
  }
  const auto again = nic::parse_baseline(nic::to_json(*baseline));
  require(again && *again == *baseline);
}

void netlink_messages(netlink::Bytes bytes) {
  const netlink::Message message{RTM_NEWLINK, 0, 0, bytes};
  if (const auto vfs = netlink::decode_vf_attributes(message)) {
    for (const auto& [index, vf] : *vfs) {
      require(!vf.vlan || *vf.vlan <= 0xfff);
      require(!vf.qos || *vf.qos <= 7);
      nic::Baseline baseline;
      baseline.attributes = vf;
      const auto again = nic::parse_baseline(nic::to_json(baseline));
      require(again && *again == baseline);
    }
  }
  std::vector<netlink::DefaultRoute> routes;
  if (const auto route = netlink::decode_default_route(message); route && *route) {
    require((*route)->links.size() <= 1024);
    routes.push_back(**route);
  }
  if (const auto object = netlink::decode_nexthop(message); object && *object) {
    require((*object)->id != 0);
    (void)netlink::links_of({**object}, (*object)->id);
  }
  if (const auto link = netlink::decode_link(message); link && *link) {
    (void)nic::uplinks_of(routes, {**link});
  }
}

void device_events(netlink::Bytes bytes) {
  if (const auto event = netlink::parse_uevent(bytes)) {
    require(!event->action.empty() && event->path.starts_with("/"));
    require(event->action.size() + event->path.size() + event->subsystem.size() < 5000);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const netlink::Bytes bytes(data + 1, size - 1);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  switch (data[0] % 6) {
    case 0:
      names_and_attributes(text);
      break;
    case 1:
      places(text);
      break;
    case 2:
      directories(text);
      break;
    case 3:
      baselines(text);
      break;
    case 4:
      netlink_messages(bytes);
      break;
    default:
      device_events(bytes);
      break;
  }
  return 0;
}
