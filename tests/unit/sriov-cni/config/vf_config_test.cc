// SPDX-License-Identifier: Apache-2.0
#include <linux/if_ether.h>

#include "tests/unit/sriov-cni/config/config_text.h"

namespace sluice::cni {
namespace {

using netlink::VfAttributes;
using netlink::VfLinkState;

VfAttributes attributes(const std::string& text) { return parsed(text).vf.attributes; }

VfAttributes vlan(std::uint16_t id, std::uint8_t qos, std::uint16_t protocol) {
  VfAttributes out;
  out.vlan = id;
  out.qos = qos;
  out.vlan_protocol = protocol;
  return out;
}

TEST_CASE("vlan, vlanQoS, vlanProto: the rules of sriov-cni") {
  CHECK(attributes(sriov("")) == VfAttributes{});
  CHECK(attributes(sriov(R"("vlan":null,"vlanProto":"")")) == VfAttributes{});
  CHECK(attributes(sriov(R"("vlan":0)")) == vlan(0, 0, ETH_P_8021Q));
  CHECK(attributes(sriov(R"("vlan":0,"vlanQoS":0,"vlanProto":"802.1q")")) ==
        vlan(0, 0, ETH_P_8021Q));
  CHECK(attributes(sriov(R"("vlan":100)")) == vlan(100, 0, ETH_P_8021Q));
  CHECK(attributes(sriov(R"("vlan":4094,"vlanQoS":7)")) == vlan(4094, 7, ETH_P_8021Q));
  CHECK(attributes(sriov(R"("vlan":100,"vlanProto":"802.1Q")")) == vlan(100, 0, ETH_P_8021Q));
  CHECK(attributes(sriov(R"("vlan":100,"vlanQoS":3,"vlanProto":"802.1AD")")) ==
        vlan(100, 3, ETH_P_8021AD));
  check_refused({{sriov(R"("vlan":-1)"), kInvalidConfig, "vlan is -1; allowed are whole numbers"},
                 {sriov(R"("vlan":4095)"), kInvalidConfig, "from 0 to 4094"},
                 {sriov(R"("vlan":"100")"), kInvalidConfig, "vlan is '100'"},
                 {sriov(R"("vlan":1.5)"), kInvalidConfig, "vlan is 1.5"},
                 {sriov(R"("vlan":100,"vlanQoS":8)"), kInvalidConfig, "vlanQoS is 8"},
                 {sriov(R"("vlanQoS":0)"), kInvalidConfig, "vlanQoS is 0; allowed only with vlan"},
                 {sriov(R"("vlan":0,"vlanQoS":1)"), kInvalidConfig, "vlanQoS is 1"},
                 {sriov(R"("vlanProto":"802.1q")"), kInvalidConfig, "allowed only with vlan"},
                 {sriov(R"("vlan":0,"vlanProto":"802.1ad")"), kInvalidConfig, "'802.1ad'"},
                 {sriov(R"("vlan":1,"vlanProto":"802")"), kInvalidConfig,
                  "vlanProto is '802'; allowed are 802.1q, 802.1ad"}},
                call_of(Verb::kAdd));
}

TEST_CASE("trunk") {
  const auto trunk = [](const std::string& list) {
    return parsed(config(R"("trunk":)" + list)).vf.trunk;
  };
  CHECK(trunk("[]").empty());
  CHECK(trunk(R"([4094,"1",{"id":7},{"minID":100,"maxID":110},"200-210"])") ==
        std::vector<VlanRange>{{1, 1}, {7, 7}, {100, 110}, {200, 210}, {4094, 4094}});
  CHECK(trunk(R"(["10-20",15,"21-30",{"id":5,"minID":6,"maxID":7},"12-13"])") ==
        std::vector<VlanRange>{{5, 7}, {10, 30}});
  CHECK(parsed(config(R"("vlan":0,"trunk":[5])")).vf.trunk.size() == 1);
  const auto text = [](const std::string& list) { return config(R"("trunk":)" + list); };
  check_refused({{text("5"), kInvalidConfig, "trunk is 5; allowed is a list"},
                 {text("[0]"), kInvalidConfig, "trunk[0] is 0"},
                 {text("[1,4095]"), kInvalidConfig, "trunk[1] is 4095"},
                 {text(R"(["9-8"])"), kInvalidConfig, "trunk[0] is '9-8'"},
                 {text(R"(["8-"])"), kInvalidConfig, "trunk[0] is '8-'"},
                 {text("[null]"), kInvalidConfig, "trunk[0] is null"},
                 {text(R"([{}])"), kInvalidConfig, "trunk[0].id is missing"},
                 {text(R"([{"minID":7}])"), kInvalidConfig, "trunk[0].maxID is missing"},
                 {text(R"([{"maxID":7}])"), kInvalidConfig, "trunk[0].minID is missing"},
                 {text(R"([{"minID":7,"maxID":6}])"), kInvalidConfig, "trunk[0].minID is 7"},
                 {text(R"([{"id":4095}])"), kInvalidConfig, "trunk[0].id is 4095"},
                 {config(R"("vlan":5,"trunk":[6])"), kInvalidConfig, "vlan is 5; with a trunk"}},
                call_of(Verb::kAdd));
}

TEST_CASE("mac: canonical, and the pod's wish before the network's") {
  const auto mac = [](const std::string& more, const std::string& argument = "",
                      const std::string& type = "sluice-cni") {
    auto call = call_of(Verb::kAdd);
    call.args_mac = argument;
    const auto out = parse_config(config(more, type), call);
    REQUIRE(out);
    return out->vf.mac ? out->vf.mac->to_string() : "";
  };
  const std::string own = R"("mac":"02:00:00:00:00:04")";
  const std::string args = R"("args":{"cni":{"mac":"02:00:00:00:00:02"}})";
  const std::string runtime = R"("runtimeConfig":{"mac":"02:00:00:00:00:01"})";
  const std::string argument = "02:00:00:00:00:03";
  CHECK(mac("").empty());
  CHECK(mac(R"("mac":"")").empty());
  CHECK(mac(own) == "02:00:00:00:00:04");
  CHECK(mac(own, argument) == "02:00:00:00:00:03");
  CHECK(mac(own + "," + args, argument) == "02:00:00:00:00:02");
  CHECK(mac(own + "," + args + "," + runtime, argument) == "02:00:00:00:00:01");
  // sriov-cni doesn't know args.cni.mac.
  CHECK(mac(own + "," + args, "", "sriov") == "02:00:00:00:00:04");
  CHECK(mac(own + "," + args, argument, "sriov") == "02:00:00:00:00:03");
  CHECK(mac(own + "," + args + "," + runtime, argument, "sriov") == "02:00:00:00:00:01");
  CHECK(mac(R"("args":{"cni":{"mac":"x"}})", "", "sriov").empty());
  CHECK(mac(own + R"(,"runtimeConfig":{"mac":""})") == "02:00:00:00:00:04");
  CHECK(mac(R"("mac":"02-00-00-AA-BB-CC")") == "02:00:00:aa:bb:cc");
  CHECK(mac(R"("mac":"0200.00aa.bbcc")") == "02:00:00:aa:bb:cc");
  check_refused(
      {{sriov(R"("mac":"00:00:00:00:00:00")"), kInvalidConfig, "mac is '00:00:00:00:00:00'"},
       {sriov(R"("mac":"01:00:5e:00:00:01")"), kInvalidConfig, "allowed is a unicast MAC"},
       {sriov(R"("mac":"02:00:00:00:00")"), kInvalidConfig, "mac is '02:00:00:00:00'"},
       {sriov(R"("mac":7)"), kInvalidConfig, "mac is 7"},
       {sriov(R"("runtimeConfig":{"mac":"x"})"), kInvalidConfig, "runtimeConfig.mac is 'x'"},
       {config(R"("args":{"cni":{"mac":"x"}})"), kInvalidConfig, "args.cni.mac is 'x'"},
       {infiniband(R"("runtimeConfig":{"mac":"02:00:00:00:00:01"})"), kUnsupportedField,
        "runtimeConfig.mac is \"02:00:00:00:00:01\""}},
      call_of(Verb::kAdd));
  auto call = call_of(Verb::kCheck);
  call.args_mac = "x";
  check_refused({{sriov(R"("prevResult":{})"), kInvalidEnvironment, "CNI_ARGS: MAC is 'x'"}}, call);
}

TEST_CASE("on and off, in any case and as a truth value; nothing else") {
  CHECK_FALSE(attributes(sriov("")).spoof_check);
  for (const char* word : {R"("on")", R"("On")", R"("ON")", "true"}) {
    const auto out = parsed(sriov(R"("spoofchk":)" + std::string(word) + R"(,"trust":)" + word +
                                  R"(,"promisc":)" + word + R"(,"allmulti":)" + word));
    CHECK(out.vf.attributes.spoof_check == true);
    CHECK(out.vf.attributes.trust == true);
    CHECK(out.vf.promiscuous == true);
    CHECK(out.vf.all_multicast == true);
  }
  for (const char* word : {R"("off")", R"("OFF")", "false"}) {
    CHECK(attributes(sriov(R"("spoofchk":)" + std::string(word))).spoof_check == false);
  }
  CHECK_FALSE(attributes(sriov(R"("spoofchk":"")")).spoof_check);
  check_refused({{sriov(R"("spoofchk":"yes")"), kInvalidConfig,
                  "spoofchk is 'yes'; allowed are on, off, true, false"},
                 {sriov(R"("trust":1)"), kInvalidConfig, "trust is 1"},
                 {config(R"("promisc":"x")"), kInvalidConfig, "promisc is 'x'"},
                 {config(R"("allmulti":{})"), kInvalidConfig, "allmulti is an object"},
                 {config(R"("vfioPciMode":"x")"), kInvalidConfig, "vfioPciMode is 'x'"}},
                call_of(Verb::kAdd));
}

TEST_CASE("link_state") {
  CHECK(attributes(sriov(R"("link_state":"auto")")).link_state == VfLinkState::kAuto);
  CHECK(attributes(sriov(R"("link_state":"enable")")).link_state == VfLinkState::kEnable);
  CHECK(attributes(infiniband(R"("link_state":"disable")")).link_state == VfLinkState::kDisable);
  CHECK_FALSE(attributes(sriov(R"("link_state":"")")).link_state);
  check_refused({{sriov(R"("link_state":"up")"), kInvalidConfig,
                  "link_state is 'up'; allowed are auto, enable, disable"}},
                call_of(Verb::kAdd));
}

TEST_CASE("rates: the missing one of the two is none") {
  struct Row {
    const char* more;
    std::optional<std::uint32_t> min, max;
  };
  const std::vector<Row> rows = {
      {"", {}, {}},
      {R"("max_tx_rate":100)", 0, 100},
      {R"("min_tx_rate":100)", 100, 0},
      {R"("min_tx_rate":0,"max_tx_rate":0)", 0, 0},
      {R"("min_tx_rate":100,"max_tx_rate":100)", 100, 100},
      {R"("maxRate":"2.5Gbit","minRate":"500Mbit")", 500, 2500},
      {R"("maxRate":100,"max_tx_rate":100)", 0, 100},
      {R"("max_tx_rate":9,"runtimeConfig":{"bandwidth":{"egressRate":2500000}})", 0, 2},
      {R"("runtimeConfig":{"bandwidth":{"ingressRate":0,"egressRate":0}})", {}, {}},
      {R"("min_tx_rate":1,"runtimeConfig":{"bandwidth":
          {"egressRate":1000000,"egressBurst":2147483647}})",
       1, 1}};
  for (const auto& row : rows) {
    INFO(row.more);
    const auto out = attributes(sriov(row.more));
    CHECK(out.min_rate_mbps == row.min);
    CHECK(out.max_rate_mbps == row.max);
  }
  const auto bandwidth = [](const std::string& members) {
    return sriov(R"("min_tx_rate":5,"runtimeConfig":{"bandwidth":{)" + members + "}}");
  };
  check_refused(
      {{sriov(R"("min_tx_rate":101,"max_tx_rate":100)"), kInvalidConfig,
        "is 101 Mbit/s; allowed is at most the maximal one, 100"},
       {sriov(R"("max_tx_rate":-1)"), kInvalidConfig, "max_tx_rate is -1"},
       {sriov(R"("max_tx_rate":"1")"), kInvalidConfig, "max_tx_rate is '1'"},
       {sriov(R"("max_tx_rate":4294967296)"), kInvalidConfig, "max_tx_rate is 4294967296"},
       {sriov(R"("maxRate":"fast")"), kInvalidConfig, "maxRate is 'fast'; allowed are whole Mbit"},
       {sriov(R"("maxRate":"1500kbit")"), kInvalidConfig, "maxRate is '1500kbit'"},
       {sriov(R"("maxRate":-1)"), kInvalidConfig, "maxRate is -1"},
       {sriov(R"("maxRate":"1Gbit","max_tx_rate":100)"), kInvalidConfig,
        "maxRate is '1Gbit'; but max_tx_rate is 100"},
       {bandwidth(R"("ingressRate":1000000)"), kUnsupportedField,
        "runtimeConfig.bandwidth.ingressRate is 1000000"},
       {bandwidth(R"("egressRate":999999)"), kInvalidConfig, "egressRate is 999999"},
       {bandwidth(R"("egressRate":"1M")"), kInvalidConfig, "egressRate is '1M'"},
       {bandwidth(R"("egressRate":1000000)"), kInvalidConfig, "is 5 Mbit/s"},
       {sriov(R"("runtimeConfig":{"bandwidth":7})"), kInvalidConfig, "bandwidth is 7"}},
      call_of(Verb::kAdd));
}

TEST_CASE("mtu") {
  const auto out = parsed(sriov(R"("mtu":9000)"));
  CHECK(out.mtu == 9000U);
  CHECK(out.vf.mtu == 9000U);
  CHECK_FALSE(parsed(config(R"("mtu":0)")).mtu);
  CHECK_FALSE(parsed(config(R"("mtu":0)")).vf.mtu);
  check_refused({{config(R"("mtu":100)"), kInvalidConfig, "mtu is 100"},
                 {config(R"("mtu":-1)"), kInvalidConfig, "mtu is -1"},
                 {config(R"("mtu":"1400")"), kInvalidConfig, "mtu is '1400'"},
                 {config(R"("mtu":65536)"), kInvalidConfig, "from 0 to 65535"},
                 {infiniband(R"("mtu":1400,"vfioPciMode":true)"), kInvalidConfig,
                  "mtu is 1400; but vfioPciMode is on"}},
                call_of(Verb::kAdd));
}

TEST_CASE("rdma, rdmaIsolation, vfioPciMode") {
  const auto rdma = [](const std::string& text) { return parsed(text).vf.rdma; };
  CHECK(rdma(config(R"("rdma":"off")")) == RdmaUse::kOff);
  CHECK(rdma(config(R"("rdma":"auto")")) == RdmaUse::kAuto);
  CHECK(rdma(sriov(R"("rdma":"shared")")) == RdmaUse::kShared);
  CHECK(rdma(sriov(R"("rdma":"exclusive")")) == RdmaUse::kExclusive);
  CHECK(rdma(infiniband(R"("rdmaIsolation":true)")) == RdmaUse::kExclusive);
  CHECK(rdma(infiniband(R"("rdmaIsolation":true,"rdma":"exclusive")")) == RdmaUse::kExclusive);
  CHECK(rdma(infiniband(R"("rdmaIsolation":false,"rdma":"auto")")) == RdmaUse::kAuto);
  CHECK(parsed(infiniband(R"("vfioPciMode":true)")).vf.user_space_only);
  CHECK_FALSE(parsed(infiniband(R"("vfioPciMode":false)")).vf.user_space_only);
  check_refused(
      {{config(R"("rdma":"on")"), kInvalidConfig,
        "rdma is 'on'; allowed are off, auto, shared, exclusive"},
       {infiniband(R"("rdmaIsolation":true,"rdma":"shared")"), kInvalidConfig, "rdma is 'shared'"}},
      call_of(Verb::kAdd));
}

TEST_CASE("GUIDs: the pod's wish before the network's, for both the node and the port") {
  const std::string own = R"("guid":"00:11:22:33:44:55:66:03")";
  const std::string args = R"("args":{"cni":{"guid":"00:11:22:33:44:55:66:02"}})";
  const std::string runtime = R"("runtimeConfig":{"infinibandGUID":"00:11:22:33:44:55:66:01"})";
  for (const auto& [more, guid] : std::vector<std::pair<std::string, std::uint64_t>>{
           {own, 0x11223344556603},
           {R"("infinibandGUID":"FF:11:22:33:44:55:66:04")", 0xff11223344556604},
           {own + "," + args, 0x11223344556602},
           {own + "," + args + "," + runtime, 0x11223344556601}}) {
    const auto out = attributes(infiniband(more));
    CHECK(out.node_guid == guid);
    CHECK(out.port_guid == guid);
  }
  CHECK_FALSE(attributes(infiniband(R"("guid":"")")).node_guid);
  CHECK_FALSE(attributes(sriov(own)).node_guid);
  const auto guid = [](const std::string& text) { return infiniband(R"("guid":")" + text + "\""); };
  check_refused({{guid("00:00:00:00:00:00:00:00"), kInvalidConfig, "guid is '00:00"},
                 {guid("00:11:22:33:44:55:66"), kInvalidConfig, "eight bytes"},
                 {guid("00:11:22:33:44:55:66:gg"), kInvalidConfig, "guid is"},
                 {guid("00-11-22-33-44-55-66-77"), kInvalidConfig, "guid is"},
                 {infiniband(R"("runtimeConfig":{"infinibandGUID":"x"})"), kInvalidConfig,
                  "runtimeConfig.infinibandGUID is 'x'"},
                 {sriov(runtime), kUnsupportedField, "runtimeConfig.infinibandGUID is \"00:11"}},
                call_of(Verb::kAdd));
}

TEST_CASE("P_Key and ib-kubernetes") {
  CHECK(parsed(infiniband(R"("pkey":"0x8001")")).vf.pkey == 0x8001);
  CHECK(parsed(infiniband(R"("pkey":32769)")).vf.pkey == 0x8001);
  CHECK_FALSE(parsed(infiniband(R"("pkey":"")")).vf.pkey);
  const std::string managed = R"("ibKubernetesEnabled":true)";
  const std::string seen = R"("args":{"cni":{"mellanox.infiniband.app":"configured"}})";
  const std::string guid = R"("runtimeConfig":{"infinibandGUID":"00:11:22:33:44:55:66:01"})";
  CHECK(attributes(infiniband(managed + "," + seen + "," + guid)).port_guid);
  CHECK(parsed(infiniband(R"("ibKubernetesEnabled":false)")).device);
  check_refused({{infiniband(R"("pkey":"0x8000")"), kInvalidConfig, "pkey is '0x8000'"},
                 {infiniband(R"("pkey":65536)"), kInvalidConfig, "pkey is 65536"},
                 {infiniband(R"("pkey":true)"), kInvalidConfig, "pkey is true"},
                 {infiniband(managed + "," + guid), kInvalidConfig, "mellanox.infiniband.app"},
                 {infiniband(managed + "," + seen), kInvalidConfig, "guid is missing"}},
                call_of(Verb::kAdd));
}

TEST_CASE("an InfiniBand network leaves alone what Ethernet has") {
  CHECK(attributes(infiniband(R"("vlan":"x","spoofchk":"yes","trust":7,"mac":1)")) ==
        VfAttributes{});
}

}  // namespace
}  // namespace sluice::cni
