// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/attachments.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "common/os/files.h"

namespace sluice::engine {
namespace {

class TempDir {
 public:
  TempDir() {
    std::string pattern = "/tmp/sluice-test-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() { (void)os::remove_tree(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

model::Node node_a() {
  return {"node-a", *Ipv4::parse("172.30.0.11"), *Prefix4::parse("10.244.1.0/24")};
}

model::Attachment attachment(const std::string& id, const std::string& ip, std::uint8_t last) {
  return {id,
          "shop/" + id,
          "eth0",
          model::PortId::vf(last),
          MacAddr{{2, 0, 0, 0, 0, last}},
          *Ipv4::parse(ip),
          "0000:00:01." + std::to_string(last)};
}

TEST_CASE("attachments survive the engine") {
  TempDir dir;
  const auto file = dir.file("attachments");
  const auto one = attachment("c1/eth0", "10.244.1.2", 0);
  auto veth = attachment("c2/eth0", "10.244.1.3", 1);
  veth.port = model::PortId::host();
  veth.device = "sl0123456789a";
  veth.host_ports = {{model::Proto::kTcp, 8080, 80, {}},
                     {model::Proto::kUdp, 53, 5353, *Ipv4::parse("127.0.0.1")}};
  {
    auto table = Attachments::load(file);
    REQUIRE(table);
    REQUIRE(table->add(one, node_a()));
    REQUIRE(table->add(veth, node_a()));
    CHECK(table->add(one, node_a()));  // again: nothing changes
    CHECK(table->all().size() == 2);
  }
  auto again = Attachments::load(file);
  REQUIRE(again);
  REQUIRE(again->all().size() == 2);
  CHECK(*again->find("c1/eth0") == one);
  CHECK(*again->find("c2/eth0") == veth);

  REQUIRE(again->remove("c1/eth0"));
  CHECK(again->remove("c1/eth0").error().code == Code::kNotFound);
  CHECK(Attachments::load(file)->all().size() == 1);
}

TEST_CASE("an address, a MAC and a VF belong to one attachment") {
  TempDir dir;
  auto table = Attachments::load(dir.file("attachments"));
  REQUIRE(table);
  REQUIRE(table->add(attachment("c1/eth0", "10.244.1.2", 0), node_a()));

  auto same_ip = attachment("c2/eth0", "10.244.1.2", 1);
  CHECK(table->add(same_ip, node_a()).error().code == Code::kExists);
  auto same_mac = attachment("c2/eth0", "10.244.1.3", 1);
  same_mac.mac = MacAddr{{2, 0, 0, 0, 0, 0}};
  CHECK(table->add(same_mac, node_a()).error().message.find("shop/c1/eth0") != std::string::npos);
  auto same_vf = attachment("c2/eth0", "10.244.1.3", 1);
  same_vf.port = model::PortId::vf(0);
  CHECK(table->add(same_vf, node_a()).error().code == Code::kExists);
  auto other_values = attachment("c1/eth0", "10.244.1.9", 0);
  CHECK(table->add(other_values, node_a()).error().code == Code::kExists);
  CHECK(table->all().size() == 1);
}

TEST_CASE("only a pod's address of this node's block is taken") {
  TempDir dir;
  auto table = Attachments::load(dir.file("attachments"));
  REQUIRE(table);
  for (const auto* ip : {"10.244.2.2", "10.244.1.0", "10.244.1.1", "8.8.8.8"}) {
    CAPTURE(ip);
    const auto refused = table->add(attachment("c1/eth0", ip, 0), node_a());
    REQUIRE(!refused);
    CHECK(refused.error().code == Code::kInvalid);
    CHECK(refused.error().message.find("10.244.1.0/24") != std::string::npos);
  }
}

TEST_CASE("a damaged file is an error, not an empty table") {
  TempDir dir;
  const auto file = dir.file("attachments");
  std::ofstream(file) << "\xff\xff\xff not protobuf";
  const auto table = Attachments::load(file);
  REQUIRE(!table);
  CHECK(table.error().message.find(file) != std::string::npos);
}

}  // namespace
}  // namespace sluice::engine
