// SPDX-License-Identifier: Apache-2.0
#include "common/nic/baseline.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "common/os/files.h"
#include "tests/support/fake_sysfs/fake_sysfs.h"
#include "tests/unit/common/nic/machine.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

struct Recorded {
  Recorded() {
    pf.address = at("0000:3b:00.0");
    vf.address = at("0000:3b:02.1");
    vf.index = 1;
    vf.vendor = 0x15b3;
    vf.device = 0x101e;
    vf.driver = "mlx5_core";
    vf.netdev = Netdev{};
    vf.netdev->name = "ens1f0v1";
    vf.netdev->mac = *MacAddr::parse("02:00:00:00:00:01");
    vf.netdev->mtu = 9000;
    attributes.mac = *MacAddr::parse("02:00:00:00:00:aa");
    attributes.vlan = 100;
    attributes.qos = 3;
    attributes.vlan_protocol = 0x8100;
    attributes.spoof_check = true;
    attributes.trust = false;
    attributes.link_state = netlink::VfLinkState::kEnable;
    attributes.min_rate_mbps = 0;
    attributes.max_rate_mbps = 25000;
    attributes.node_guid = 0x0002c90300ea5010;
    attributes.port_guid = 0xfedcba9876543210;
  }
  BaselineStore store() const { return *BaselineStore::open(dir / "baselines"); }
  std::string file() const { return dir / "baselines/0000:3b:02.1.json"; }

  test::TempDir dir;
  Pf pf;
  Vf vf;
  VfAttributes attributes;
};

using Outcome = BaselineStore::Outcome;

}  // namespace

TEST_CASE("A baseline is recorded once and comes back as it was") {
  Recorded r;
  auto store = r.store();
  CHECK(store.load(r.vf.address).error().code == Code::kNotFound);
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes) == Outcome::kRecorded);
  const auto loaded = r.store().load(r.vf.address);
  REQUIRE(loaded);
  CHECK(loaded->vf == r.vf.address);
  CHECK(loaded->pf == r.pf.address);
  CHECK(loaded->index == 1);
  CHECK(loaded->device == 0x101e);
  CHECK(loaded->driver == "mlx5_core");
  CHECK(loaded->attributes == r.attributes);
  CHECK_FALSE(loaded->attributes.rss_query);
  CHECK(loaded->netdev == Baseline::Interface{"ens1f0v1", r.vf.netdev->mac, 9000});

  r.attributes.vlan = 200;
  r.vf.driver = "vfio-pci";
  CHECK(*r.store().record_if_absent(r.pf, r.vf, r.attributes) == Outcome::kKept);
  CHECK(r.store().load(r.vf.address)->attributes.vlan == 100);
  CHECK(*r.store().list() == std::vector{r.vf.address});

  REQUIRE(store.remove(r.vf.address));
  REQUIRE(store.remove(r.vf.address));
  CHECK(store.list()->empty());
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes) == Outcome::kRecorded);
  CHECK(store.load(r.vf.address)->attributes.vlan == 200);
}

TEST_CASE("Another VF at the same address is recorded anew") {
  Recorded r;
  auto store = r.store();
  REQUIRE(store.record_if_absent(r.pf, r.vf, r.attributes));
  SUBCASE("another device") { r.vf.device = 0x1016; }
  SUBCASE("another vendor") { r.vf.vendor = 0x8086; }
  SUBCASE("another PF") { r.pf.address = at("0000:3b:00.1"); }
  r.attributes = {};
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes) == Outcome::kRecorded);
  CHECK_FALSE(store.load(r.vf.address)->attributes.mac);
}

TEST_CASE("A VF that was made anew at its address is recorded anew") {
  Recorded r;
  auto store = r.store();
  REQUIRE(store.record_if_absent(r.pf, r.vf, r.attributes, "boot/1"));
  CHECK(store.load(r.vf.address)->generation == "boot/1");
  r.attributes.vlan = 200;
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes, "boot/1") == Outcome::kKept);
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes) == Outcome::kKept);  // can't be told
  CHECK(store.load(r.vf.address)->attributes.vlan == 100);
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes, "boot/2") == Outcome::kRecorded);
  CHECK(store.load(r.vf.address)->attributes.vlan == 200);
  CHECK(store.load(r.vf.address)->generation == "boot/2");
}

TEST_CASE("A file from before there were generations is one of any") {
  Recorded r;
  auto store = r.store();
  REQUIRE(store.record_if_absent(r.pf, r.vf, r.attributes));
  CHECK(os::read_file(r.file())->find("generation") == std::string::npos);
  CHECK(store.load(r.vf.address)->generation.empty());
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes, "boot/2") == Outcome::kKept);
}

TEST_CASE("A generation is the function's directory, not what is in it") {
  const test::TempDir dir;
  testing::FakeSysfs sysfs{dir / "machine"};
  const auto vf = at("0000:3b:02.1");
  CHECK(generation_of(sysfs.path(), vf).empty());
  sysfs.add_pf("0000:3b:00.0", "mlx5_core", "p0");
  sysfs.add_vf("0000:3b:00.0", 0, "0000:3b:02.1", "mlx5_core");
  const auto first = generation_of(sysfs.path(), vf);
  CHECK(first.size() > 36);
  sysfs.add_netdev("0000:3b:02.1", "v0", "02:00:00:00:00:01", 7);
  sysfs.bind("0000:3b:02.1", "vfio-pci");
  sysfs.set("0000:3b:02.1", "numa_node", "1");
  CHECK(generation_of(sysfs.path(), vf) == first);
  // Held, so that its number isn't given again.
  const auto old = os::Root::open(sysfs.path() + "/bus/pci/devices/0000:3b:02.1");
  REQUIRE(old);
  sysfs.remove_vf("0000:3b:00.0", 0, "0000:3b:02.1");
  sysfs.add_vf("0000:3b:00.0", 0, "0000:3b:02.1", "mlx5_core");
  CHECK_FALSE(same_generation(generation_of(sysfs.path(), vf), first));
}

TEST_CASE("A VF in a pod is not recorded, one for user space is") {
  Recorded r;
  auto store = r.store();
  r.vf.netdev.reset();
  CHECK(seems_in_pod(r.vf));
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes) == Outcome::kInPod);
  CHECK(store.load(r.vf.address).error().code == Code::kNotFound);
  for (const char* driver :
       {"", "vfio-pci", "mlx5_vfio_pci", "igb_uio", "uio_pci_generic", "pci-stub"}) {
    INFO(driver);
    r.vf.driver = driver;
    CHECK_FALSE(seems_in_pod(r.vf));
  }
  r.vf.driver = "mlx5_core";
  r.vf.vdpa.push_back({"vdpa0", "vhost_vdpa", ""});
  CHECK_FALSE(seems_in_pod(r.vf));
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes) == Outcome::kRecorded);
  CHECK_FALSE(store.load(r.vf.address)->netdev);
  // Given to a pod later: what is known stays.
  r.vf.vdpa.clear();
  CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes) == Outcome::kKept);
}

TEST_CASE("A file that can't be read counts as none; one of a later version is kept") {
  Recorded r;
  auto store = r.store();
  REQUIRE(store.record_if_absent(r.pf, r.vf, r.attributes));
  const std::string good = *os::read_file(r.file());
  for (const std::string& content :
       {std::string(), std::string("{"), good.substr(0, good.size() / 2), std::string("[1]"),
        std::string(100000, ' '), std::string("{\"version\": 0}")}) {
    REQUIRE(os::write_file_atomic(r.file(), content));
    const auto loaded = store.load(r.vf.address);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == Code::kInvalid);
    CHECK(*store.record_if_absent(r.pf, r.vf, r.attributes) == Outcome::kRecorded);
    CHECK(*os::read_file(r.file()) == good);
  }
  // Of another VF, put there by hand.
  std::filesystem::rename(r.file(), r.dir / "baselines/0000:3b:02.2.json");
  CHECK(store.load(at("0000:3b:02.2")).error().code == Code::kInvalid);
  REQUIRE(os::write_file_atomic(r.file(), "{\"version\": 2}"));
  CHECK(store.record_if_absent(r.pf, r.vf, r.attributes).error().code == Code::kUnsupported);
  CHECK(*os::read_file(r.file()) == "{\"version\": 2}");
}

TEST_CASE("Fields of the wrong kind are refused by name") {
  struct Case {
    const char* field;
    const char* value;
  };
  for (const Case& c :
       {Case{"vlan", "4096"}, Case{"vlan", "-1"}, Case{"vlan", "\"1\""}, Case{"qos", "8"},
        Case{"vlanProtocol", "65536"}, Case{"trust", "1"}, Case{"spoofCheck", "\"on\""},
        Case{"linkState", "\"up\""}, Case{"linkState", "[[[]]]"}, Case{"mac", "\"02\""},
        Case{"maxRateMbps", "4294967296"}, Case{"minRateMbps", "1.5"}, Case{"nodeGuid", "1"},
        Case{"nodeGuid", "\"0x02c90300ea5010\""}, Case{"portGuid", "\"12345678\""},
        Case{"portGuid", "\"0002c90300ea501g\""}}) {
    INFO(c.field << " " << c.value);
    const auto parsed = parse_baseline(
        std::string(
            R"({"version":1,"vf":"0000:3b:02.1","pf":"0000:3b:00.0","index":1,"vendor":1,)") +
        R"("device":2,"driver":"","attributes":{")" + c.field + "\":" + c.value + "}}");
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Code::kInvalid);
    CHECK(parsed.error().to_string().find(c.field) != std::string::npos);
  }
  const std::string deep = std::string(R"({"version":1,"vf":)") + std::string(30000, '[') +
                           std::string(30000, ']') + "}";
  CHECK(parse_baseline(deep).error().message.find("vf is an array") != std::string::npos);
}

TEST_CASE("A file from before there were GUIDs is read") {
  Recorded r;
  auto store = r.store();
  REQUIRE(store.record_if_absent(r.pf, r.vf, r.attributes));
  auto text = *os::read_file(r.file());
  for (const std::string line :
       {"\"nodeGuid\": \"0002c90300ea5010\",", "\"portGuid\": \"fedcba9876543210\","}) {
    const auto at = text.find(line);
    REQUIRE(at != std::string::npos);
    text.erase(at, line.size());
  }
  const auto parsed = parse_baseline(text);
  REQUIRE_MESSAGE(parsed, parsed.error().to_string());
  r.attributes.node_guid.reset();
  r.attributes.port_guid.reset();
  CHECK(parsed->attributes == r.attributes);
}

TEST_CASE("Names of any bytes survive as text") {
  Recorded r;
  r.vf.netdev->name = "eth\xff\"\n0";
  auto store = r.store();
  REQUIRE(store.record_if_absent(r.pf, r.vf, r.attributes));
  const auto loaded = store.load(r.vf.address);
  REQUIRE_MESSAGE(loaded, loaded.error().to_string());
  CHECK(loaded->netdev->name.starts_with("eth"));
}

TEST_CASE("A directory that can't be made is an error") {
  const test::TempDir dir;
  dir.file("file", "");
  CHECK_FALSE(BaselineStore::open(dir / "file/baselines"));
}
