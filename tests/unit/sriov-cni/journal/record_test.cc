// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/journal/record.h"

#include <doctest/doctest.h>

#include "tests/unit/sriov-cni/journal/records.h"

using namespace sluice;
using namespace sluice::cni;

namespace {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("A record is read as it was printed") {
  const auto record = test::full_record();
  const auto text = print_record(record);
  const auto read = parse_record(text);
  REQUIRE(read);
  CHECK(print_record(*read) == text);
  CHECK(read->key == record.key);
  CHECK(read->stage == Stage::kAttached);
  CHECK(read->network_reference == "shop/fast");
  CHECK(read->args == record.args);
  CHECK(read->netns_inode == record.netns_inode);
  CHECK(read->vf->attributes == record.vf->attributes);
  CHECK(read->vf->altnames == record.vf->altnames);
  CHECK(read->vf->trunk == record.vf->trunk);
  CHECK(read->vf->has_parent);
  CHECK(read->vf->link_index == 17);
  CHECK(read->vf->link_peer == 18);
  CHECK(read->vf->alias == record.vf->alias);
  CHECK(read->vf->up);
  CHECK(read->vf->driver == "iavf");
  CHECK(read->wish.attributes == record.wish.attributes);
  CHECK(read->wish.trunk == record.wish.trunk);
  CHECK(read->wish.pkey == record.wish.pkey);
  CHECK(read->wish.mac == record.wish.mac);
  CHECK(read->wish.mtu == record.wish.mtu);
  CHECK(read->wish.promiscuous == false);
  CHECK(read->wish.all_multicast == true);
  CHECK(read->wish.rdma == RdmaUse::kExclusive);
  CHECK(read->rdma == record.rdma);
  CHECK(read->mac == record.mac);
  CHECK(read->ipam.kind == IpamKind::kPool);
  CHECK(read->ipam.rail == record.ipam.rail);
  CHECK(read->ipam.text == record.ipam.text);
  CHECK(read->result == record.result);
  CHECK(read->engine == EngineState::kPending);
  CHECK(read->port_mappings == record.port_mappings);
  CHECK(read->others == record.others);
  CHECK(read->first == record.first);
  CHECK(read->given == record.given);
  CHECK(read->claim == record.claim);
  CHECK(read->alias() == record.alias());
}

TEST_CASE("A record with hardly anything in it is read too") {
  Record record;
  record.key = {"abc", "eth0"};
  record.veth = veth_name(record.id());
  const auto read = parse_record(print_record(record));
  REQUIRE(read);
  CHECK(read->kind == PortKind::kVeth);
  CHECK_FALSE(read->vf);
  CHECK_FALSE(read->claim);
  CHECK(read->network_reference.empty());
  CHECK(print_record(record).find("networkReference") == std::string::npos);  // as it was before
  CHECK(print_record(record).find("\"args\"") == std::string::npos);
  CHECK(read->stage == Stage::kBegun);
}

TEST_CASE("Arguments that are too long to keep are none, and cost no record") {
  auto record = test::full_record();
  record.args.assign(kMaxArgs, '\xff');  // longer on disk
  REQUIRE(parse_record(print_record(record)));
  record.args.assign(kMaxArgs + 1, 'x');
  const auto read = parse_record(print_record(record));
  REQUIRE(read);
  CHECK(read->args.empty());
  record.args.assign(kMaxArgs, 'x');
  CHECK(parse_record(print_record(record))->args == record.args);
}

TEST_CASE("Any change to a record is seen") {
  const auto text = print_record(test::full_record());
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"eth0\"", "\"eth1\""}, {"1400", "1401"}, {"true", "false"}, {"mlx5_3", "mlx5_4"}}) {
    const auto changed = parse_record(replaced(text, from, to));
    REQUIRE_FALSE(changed);
    CHECK(changed.error().code == Code::kInvalid);
    CHECK(changed.error().message.find("checksum") != std::string::npos);
  }
  for (std::size_t length = 0; length + 2 < text.size(); length += 7) {
    CHECK_FALSE(parse_record(text.substr(0, length)));
  }
}

TEST_CASE("A record of a later version is no damaged one") {
  const auto text = replaced(print_record(test::full_record()), "\"version\": 2", "\"version\": 3");
  const auto later = parse_record(text);
  REQUIRE_FALSE(later);
  CHECK(later.error().code == Code::kUnsupported);
  for (const auto* bad : {"", "[]", "{}", "{\"version\": \"2\"}", "{\"version\": 0}",
                          "{\"version\": -1}", "{\"version\": 2}"}) {
    CHECK(parse_record(bad).error().code == Code::kInvalid);
  }
}

TEST_CASE("A record that is whole, but makes no sense, is refused by its field") {
  auto record = test::full_record();
  record.key.interface = "../../x";
  CHECK(parse_record(print_record(record)).error().message.find("interface") == 0);
  record = test::full_record();
  record.vf->name = "a name too long for a link";
  CHECK(parse_record(print_record(record)).error().message.find("vf.name") == 0);
  record = test::full_record();
  record.vf.reset();
  CHECK_FALSE(parse_record(print_record(record)));
  record = test::full_record();
  record.wish.trunk = {{10, 5}};
  CHECK(parse_record(print_record(record)).error().message.find("trunk") == 0);
}

TEST_CASE("Text that is no UTF-8 costs its letters and not the record") {
  auto record = test::full_record();
  record.pod = "shop/\xff\xfe";
  CHECK(parse_record(print_record(record)));
}

TEST_CASE("A record of the first version is read with what it says") {
  const auto record = parse_record(test::kVersion1);
  REQUIRE(record);
  CHECK(record->id() == "abc/eth0");
  CHECK(record->stage == Stage::kAttached);
  CHECK(record->kind == PortKind::kNetdev);
  REQUIRE(record->vf);
  CHECK(record->vf->pci == "0000:3b:00.2");
  CHECK(record->vf->name == "vf0");
  CHECK(record->vf->mtu == 1500);
  CHECK(record->vf->attributes.mac == MacAddr{});
  CHECK(record->vf->vf_control_socket == "/run/sluice/vf.sock");
  CHECK(record->ipam.kind == IpamKind::kNodeBlock);
  CHECK(record->ipam.node == "node-a");
  REQUIRE(record->result.addresses.size() == 1);
  CHECK(record->result.addresses[0].address.to_string() == "10.244.1.2/32");
  CHECK(record->engine == EngineState::kTold);
  CHECK(record->others == std::vector<std::string>{"net1"});
  CHECK(record->first == "eth9");
  CHECK(record->given == 7);
  CHECK(record->claim == "shop/net");
  CHECK(parse_record(print_record(*record)));  // and written as one of today

  const auto veth = parse_record(
      replaced(replaced(test::kVersion1, "0000:3b:00.2", ""), "\"vf0\"", "\"sl0123\""));
  REQUIRE(veth);
  CHECK(veth->kind == PortKind::kVeth);
  CHECK(veth->veth == "sl0123");
  CHECK_FALSE(parse_record(replaced(test::kVersion1, "\"abc/eth0\"", "\"abc\"")));
  CHECK_FALSE(parse_record(replaced(test::kVersion1, "4026532000", "\"x\"")));
}
