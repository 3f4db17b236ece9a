// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/vf_attributes.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>

using namespace sluice;
using namespace sluice::netlink;

namespace {

// What a driver says of its VFs, as the kernel packs it.
class Answer {
 public:
  Answer() {
    writer_.put_struct(ifinfomsg{});
    writer_.put_text(IFLA_IFNAME, "ens1f0");
    list_ = writer_.begin(IFLA_VFINFO_LIST | NLA_F_NESTED);
  }
  template <class Fill>
  Answer& vf(Fill fill) {
    const auto info = writer_.begin(IFLA_VF_INFO | NLA_F_NESTED);
    fill(writer_);
    writer_.end(info);
    return *this;
  }
  Bytes payload() {
    if (!ended_) writer_.end(list_);
    ended_ = true;
    return writer_.bytes().subspan(sizeof(nlmsghdr));
  }
  Result<VfAttributesByIndex> decode() {
    return decode_vf_attributes(Message{RTM_NEWLINK, 0, 0, payload()});
  }

 private:
  MessageWriter writer_{RTM_NEWLINK, 0};
  std::size_t list_ = 0;
  bool ended_ = false;
};

void put_mac(MessageWriter& w, std::uint32_t vf, std::uint8_t last) {
  ifla_vf_mac mac{};
  mac.vf = vf;
  mac.mac[0] = 2;
  mac.mac[5] = last;
  w.put(IFLA_VF_MAC, &mac, sizeof mac);
}

template <class T>
void put_switch(MessageWriter& w, std::uint16_t type, std::uint32_t vf, std::uint32_t setting) {
  T value{};
  value.vf = vf;
  value.setting = setting;
  w.put(type, &value, sizeof value);
}

void put_everything(MessageWriter& w) {
  put_mac(w, 3, 0xaa);
  ifla_vf_vlan vlan{3, 100, 5};
  w.put(IFLA_VF_VLAN, &vlan, sizeof vlan);
  ifla_vf_rate rate{3, 100, 25000};
  w.put(IFLA_VF_RATE, &rate, sizeof rate);
  ifla_vf_tx_rate old_rate{3, 7};
  w.put(IFLA_VF_TX_RATE, &old_rate, sizeof old_rate);
  put_switch<ifla_vf_spoofchk>(w, IFLA_VF_SPOOFCHK, 3, 1);
  ifla_vf_link_state state{3, IFLA_VF_LINK_STATE_DISABLE};
  w.put(IFLA_VF_LINK_STATE, &state, sizeof state);
  put_switch<ifla_vf_rss_query_en>(w, IFLA_VF_RSS_QUERY_EN, 3, 0);
  put_switch<ifla_vf_trust>(w, IFLA_VF_TRUST, 3, 1);
  const auto list = w.begin(IFLA_VF_VLAN_LIST | NLA_F_NESTED);
  ifla_vf_vlan_info info{};
  info.vf = 3;
  info.vlan = 100;
  info.qos = 5;
  info.vlan_proto = htons(0x88a8);
  w.put(IFLA_VF_VLAN_INFO, &info, sizeof info);
  w.end(list);
  ifla_vf_guid guid{};
  guid.vf = 3;
  guid.guid = 0x0002c90300ea5010;
  w.put(IFLA_VF_IB_NODE_GUID, &guid, sizeof guid);
  w.put(IFLA_VF_IB_PORT_GUID, &guid, sizeof guid - 1);  // too short
}

// What set_vf_attributes() would send about VF 3, read back as the kernel would answer.
Result<VfAttributes> echoed(const VfAttributes& wish) {
  MessageWriter writer(RTM_NEWLINK, 0);
  writer.put_struct(ifinfomsg{});
  const auto list = writer.begin(IFLA_VFINFO_LIST | NLA_F_NESTED);
  SLUICE_CHECK_OK(put_vf_attributes(writer, 3, wish));
  writer.end(list);
  SLUICE_TRY(const auto all, decode_vf_attributes(Message{
                                 RTM_NEWLINK, 0, 0, writer.bytes().subspan(sizeof(nlmsghdr))}));
  REQUIRE(all.size() == 1);
  REQUIRE(all.count(3) == 1);
  return all.at(3);
}

std::vector<std::uint16_t> types_in(const VfAttributes& wish) {
  MessageWriter writer(RTM_SETLINK, 0);
  REQUIRE(put_vf_attributes(writer, 3, wish));
  AttributeReader outer(writer.bytes().subspan(sizeof(nlmsghdr)));
  Attribute info;
  REQUIRE(outer.next(info));
  CHECK(info.type == IFLA_VF_INFO);
  std::vector<std::uint16_t> types;
  AttributeReader inner(info.data);
  for (Attribute one; inner.next(one);) types.push_back(one.type);
  return types;
}

VfAttributes full_wish() {
  VfAttributes wish;
  wish.mac = MacAddr{{2, 0, 0, 0, 0, 7}};
  wish.vlan = 4095;
  wish.qos = 7;
  wish.vlan_protocol = 0x8100;
  wish.spoof_check = false;
  wish.trust = true;
  wish.rss_query = true;
  wish.link_state = VfLinkState::kEnable;
  wish.min_rate_mbps = 10;
  wish.max_rate_mbps = 4000000000;
  wish.node_guid = 0x0002c90300ea5010;
  wish.port_guid = 0xffffffffffffffff;
  return wish;
}

}  // namespace

TEST_CASE("A wish is written with all that is set in it, and nothing else") {
  auto wish = full_wish();
  auto seen = echoed(wish);
  REQUIRE(seen);
  CHECK_FALSE(seen->vlan_protocol);  // the attribute of 802.1Q has no room for it
  seen->vlan_protocol = 0x8100;
  CHECK(*seen == wish);

  CHECK(types_in({}).empty());
  VfAttributes trust;
  trust.trust = false;
  CHECK(types_in(trust) == std::vector<std::uint16_t>{IFLA_VF_TRUST});
  CHECK(echoed(trust)->trust == false);
}

TEST_CASE("A VLAN of another protocol goes by the list, once") {
  VfAttributes wish;
  wish.vlan = 100;
  CHECK(types_in(wish) == std::vector<std::uint16_t>{IFLA_VF_VLAN});
  CHECK(echoed(wish)->qos == 0);
  wish.qos = 5;
  wish.vlan_protocol = 0x88a8;
  CHECK(types_in(wish) == std::vector<std::uint16_t>{IFLA_VF_VLAN_LIST});
  const auto seen = echoed(wish);
  REQUIRE(seen);
  CHECK(*seen == wish);
}

TEST_CASE("One rate alone takes the other's limit away") {
  VfAttributes wish;
  wish.max_rate_mbps = 100;
  CHECK(types_in(wish) == std::vector<std::uint16_t>{IFLA_VF_RATE});
  CHECK(echoed(wish)->min_rate_mbps == 0U);
  CHECK(echoed(wish)->max_rate_mbps == 100U);
}

TEST_CASE("Only what isn't so yet is asked for, and what goes together stays together") {
  const auto wish = full_wish();
  CHECK(changes(wish, wish) == VfAttributes{});
  CHECK(changes({}, wish) == wish);
  CHECK(changes(wish, {}) == VfAttributes{});

  auto now = wish;
  now.trust = false;
  now.link_state.reset();
  now.port_guid = 1;
  VfAttributes expected;
  expected.trust = wish.trust;
  expected.link_state = wish.link_state;
  expected.port_guid = wish.port_guid;
  CHECK(changes(now, wish) == expected);

  now = wish;
  now.qos = 0;
  expected = {};
  expected.vlan = wish.vlan;
  expected.qos = wish.qos;
  expected.vlan_protocol = wish.vlan_protocol;
  CHECK(changes(now, wish) == expected);

  now = wish;
  now.min_rate_mbps = 11;
  expected = {};
  expected.min_rate_mbps = wish.min_rate_mbps;
  expected.max_rate_mbps = wish.max_rate_mbps;
  CHECK(changes(now, wish) == expected);
}

TEST_CASE("Values that no VF can have are refused by name") {
  const auto refused = [](auto change) {
    VfAttributes wish;
    change(wish);
    MessageWriter writer(RTM_SETLINK, 0);
    const auto status = put_vf_attributes(writer, 3, wish);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == Code::kInvalid);
    return status.error().message;
  };
  CHECK(refused([](auto& w) { w.vlan = 4096; }).starts_with("vlan of VF 3 is 4096"));
  CHECK(refused([](auto& w) {
          w.vlan = 1;
          w.qos = 8;
        }).starts_with("qos of VF 3 is 8"));
  CHECK(refused([](auto& w) {
          w.vlan = 1;
          w.vlan_protocol = 0x0800;
        }).starts_with("vlan protocol of VF 3 is 2048"));
  CHECK(refused([](auto& w) { w.qos = 0; }).starts_with("qos of VF 3 is set without a vlan"));
  CHECK(refused([](auto& w) {
          w.vlan_protocol = 0x8100;
        }).starts_with("vlan protocol of VF 3 is set without a vlan"));
}

TEST_CASE("All that a driver says of a VF") {
  const auto all = Answer().vf(put_everything).decode();
  REQUIRE(all);
  REQUIRE(all->size() == 1);
  const VfAttributes& vf = all->at(3);
  CHECK(vf.mac == MacAddr{{2, 0, 0, 0, 0, 0xaa}});
  CHECK(vf.vlan == 100);
  CHECK(vf.qos == 5);
  CHECK(vf.vlan_protocol == 0x88a8);
  CHECK(vf.min_rate_mbps == 100U);
  CHECK(vf.max_rate_mbps == 25000U);
  CHECK(vf.spoof_check == true);
  CHECK(vf.trust == true);
  CHECK(vf.rss_query == false);
  CHECK(vf.link_state == VfLinkState::kDisable);
  CHECK(vf.node_guid == 0x0002c90300ea5010);
  CHECK_FALSE(vf.port_guid);
}

TEST_CASE("What a driver doesn't know is unset") {
  const auto all = Answer()
                       .vf([](MessageWriter& w) {
                         put_mac(w, 0, 1);
                         put_switch<ifla_vf_spoofchk>(w, IFLA_VF_SPOOFCHK, 0, 0xffffffff);
                         put_switch<ifla_vf_trust>(w, IFLA_VF_TRUST, 0, 2);
                         ifla_vf_link_state state{0, 77};
                         w.put(IFLA_VF_LINK_STATE, &state, sizeof state);
                         w.put_number(IFLA_VF_RATE, std::uint16_t{1});  // too short
                         w.put_number(200, std::uint32_t{1});           // of a later kernel
                       })
                       .vf([](MessageWriter& w) {
                         ifla_vf_tx_rate rate{1, 500};
                         w.put(IFLA_VF_TX_RATE, &rate, sizeof rate);
                       })
                       .decode();
  REQUIRE(all);
  REQUIRE(all->size() == 2);
  VfAttributes only_mac;
  only_mac.mac = MacAddr{{2, 0, 0, 0, 0, 1}};
  CHECK(all->at(0) == only_mac);
  CHECK(all->at(1).max_rate_mbps == 500U);
  CHECK_FALSE(all->at(1).min_rate_mbps);
}

TEST_CASE("A link without VFs has none") {
  MessageWriter writer(RTM_NEWLINK, 0);
  writer.put_struct(ifinfomsg{});
  writer.put_text(IFLA_IFNAME, "eth0");
  const auto all =
      decode_vf_attributes(Message{RTM_NEWLINK, 0, 0, writer.bytes().subspan(sizeof(nlmsghdr))});
  REQUIRE(all);
  CHECK(all->empty());
}

TEST_CASE("Malformed answers are errors") {
  CHECK_FALSE(decode_vf_attributes(Message{}));
  CHECK_FALSE(Answer().vf([](MessageWriter&) {}).decode());  // no number in it
  CHECK_FALSE(Answer().vf([](MessageWriter& w) { put_mac(w, 70000, 1); }).decode());
  CHECK_FALSE(
      Answer().vf([](MessageWriter& w) { w.put_number(0, std::uint32_t{0x00050001}); }).decode());
  // Cut anywhere it is an error or one VF less, and never more than there is.
  Answer answer;
  for (std::uint32_t i = 0; i < 3; ++i) {
    answer.vf([&](MessageWriter& w) { put_mac(w, i, static_cast<std::uint8_t>(i)); });
  }
  const Bytes whole = answer.payload();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = decode_vf_attributes(Message{RTM_NEWLINK, 0, 0, whole.first(size)});
    if (cut) CHECK(cut->empty());
  }
  CHECK(answer.decode()->size() == 3);
}
