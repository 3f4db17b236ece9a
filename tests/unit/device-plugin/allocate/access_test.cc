// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "device-plugin/allocate/grant.h"

namespace sluice::allocate {
namespace {

using Nodes = std::vector<DeviceNode>;

// A VF of 0000:3b:00.0 with index 1, as a test wants it.
struct Setup {
  Setup() {
    pf.address = *nic::PciAddress::parse("0000:3b:00.0");
    vf.address = *nic::PciAddress::parse("0000:3b:00.3");
    vf.driver = "mlx5_core";
    vf.index = 1;
    pool.name = "vf";
    pool.prefix = "sluice.dev";
  }
  pools::Candidate candidate() const {
    pools::Candidate out;
    out.kind = pools::Candidate::Kind::kVf;
    out.id = vf.address.to_string();
    out.function = &vf;
    out.pf = &pf;
    out.index = vf.index;
    return out;
  }
  Result<Access> access() const { return access_of(candidate(), selector, pool, host); }

  nic::Pf pf;
  nic::Vf vf;
  config::Selector selector;
  config::PoolConfig pool;
  HostFacts host;
};

nic::RdmaDevice rdma_device(const std::string& number) {
  nic::RdmaDevice device;
  device.name = "mlx5_" + number;
  device.uverbs = "/dev/infiniband/uverbs" + number;
  device.umad = "/dev/infiniband/umad" + number;
  device.issm = "/dev/infiniband/issm" + number;
  return device;
}

const std::string kId = "0000:3b:00.3";
const std::map<std::string, std::string> kGeneric = {{"deviceID", kId}};

TEST_CASE("A device on a network driver needs no nodes") {
  const auto access = Setup().access();
  REQUIRE(access);
  CHECK(access->id == kId);
  CHECK(access->nodes.empty());
  CHECK(access->info == Info{{"generic", kGeneric}});
}

TEST_CASE("vfio-pci: the container device, the group, and the cdev where there is iommufd") {
  Setup setup;
  setup.vf.driver = "vfio-pci";
  setup.vf.iommu_group = "17";
  setup.vf.vfio_device = "vfio3";
  auto access = setup.access();
  REQUIRE(access);
  const Nodes legacy = {{"/dev/vfio/vfio", "/dev/vfio/vfio", "rw"},
                        {"/dev/vfio/17", "/dev/vfio/17", "rw"}};
  CHECK(access->nodes == legacy);
  CHECK(access->info["vfio"] == std::map<std::string, std::string>{{"mount", "/dev/vfio/vfio"},
                                                                   {"dev-mount", "/dev/vfio/17"}});

  setup.host.iommufd = true;
  access = setup.access();
  REQUIRE(access);
  Nodes both = legacy;
  both.push_back({"/dev/vfio/devices/vfio3", "/dev/vfio/devices/vfio3", "rw"});
  both.push_back({"/dev/iommu", "/dev/iommu", "rw"});
  CHECK(access->nodes == both);
  CHECK(access->info["vfio"]["cdev-mount"] == "/dev/vfio/devices/vfio3");
  CHECK(access->info["vfio"]["iommufd-mount"] == "/dev/iommu");

  setup.vf.vfio_device = "";  // a kernel without vfio's character devices
  CHECK(setup.access()->nodes == legacy);
}

TEST_CASE("vfio-pci without an IOMMU: the host's noiommu file under the group's number") {
  Setup setup;
  setup.vf.driver = "vfio-pci";
  setup.vf.iommu_group = "4";
  setup.vf.iommu_noiommu = true;
  const auto access = setup.access();
  REQUIRE(access);
  CHECK(access->nodes == Nodes{{"/dev/vfio/vfio", "/dev/vfio/vfio", "rw"},
                               {"/dev/vfio/4", "/dev/vfio/noiommu-4", "rw"}});
  CHECK(access->info.at("vfio").at("dev-mount") == "/dev/vfio/4");
}

TEST_CASE("uio: every driver of the kind has its node") {
  for (const std::string driver : {"uio", "igb_uio", "uio_pci_generic"}) {
    CAPTURE(driver);
    Setup setup;
    setup.vf.driver = driver;
    setup.vf.uio_device = "uio2";
    const auto access = setup.access();
    REQUIRE(access);
    CHECK(access->nodes == Nodes{{"/dev/uio2", "/dev/uio2", "rw"}});
    CHECK(access->info.at("uio") == std::map<std::string, std::string>{{"mount", "/dev/uio2"}});
  }
}

TEST_CASE("RDMA is given only where the selector asks for it") {
  Setup setup;
  setup.vf.rdma = {rdma_device("3")};
  setup.host.rdma_cm = true;
  CHECK(setup.access()->nodes.empty());
  CHECK(setup.access()->info.count("rdma") == 0);

  setup.selector.is_rdma = true;
  const auto access = setup.access();
  REQUIRE(access);
  CHECK(access->nodes == Nodes{{"/dev/infiniband/issm3", "/dev/infiniband/issm3", "rw"},
                               {"/dev/infiniband/umad3", "/dev/infiniband/umad3", "rw"},
                               {"/dev/infiniband/uverbs3", "/dev/infiniband/uverbs3", "rw"},
                               {"/dev/infiniband/rdma_cm", "/dev/infiniband/rdma_cm", "rw"}});
  CHECK(access->info.at("rdma") ==
        std::map<std::string, std::string>{{"uverbs", "/dev/infiniband/uverbs3"},
                                           {"umad", "/dev/infiniband/umad3"},
                                           {"issm", "/dev/infiniband/issm3"},
                                           {"rdma_cm", "/dev/infiniband/rdma_cm"},
                                           {"rdma_dev", "mlx5_3"}});
}

TEST_CASE("RDMA without umad, issm and rdma_cm, and two devices of one function") {
  Setup setup;
  setup.selector.is_rdma = true;
  nic::RdmaDevice plain;
  plain.name = "mlx5_3";
  plain.uverbs = "/dev/infiniband/uverbs3";
  setup.vf.rdma = {plain, rdma_device("4")};
  const auto access = setup.access();
  REQUIRE(access);
  CHECK(access->nodes.size() == 4);
  CHECK(access->nodes[0].host_path == "/dev/infiniband/uverbs3");
  const auto& info = access->info.at("rdma");
  CHECK(info.at("rdma_dev") == "mlx5_3");
  CHECK(info.at("uverbs") == "/dev/infiniband/uverbs3");
  CHECK(info.count("rdma_cm") == 0);
}

TEST_CASE("vhost-net comes with tun, where it is asked for and the host has it") {
  Setup setup;
  setup.selector.need_vhost_net = true;
  CHECK(setup.access()->nodes.empty());
  CHECK(setup.access()->info.count("vhost") == 0);
  setup.host.vhost_net = true;
  CHECK(setup.access()->nodes ==
        Nodes{{"/dev/vhost-net", "/dev/vhost-net", "rw"}, {"/dev/net/tun", "/dev/net/tun", "rw"}});
  CHECK(setup.access()->info.at("vhost") ==
        std::map<std::string, std::string>{{"net-mount", "/dev/vhost-net"},
                                           {"tun-mount", "/dev/net/tun"}});
  setup.selector.need_vhost_net = false;
  CHECK(setup.access()->nodes.empty());
}

TEST_CASE("vDPA: the character device for vhost, nothing for virtio") {
  Setup setup;
  setup.selector.vdpa_type = "vhost";
  setup.vf.vdpa = {{"vdpa0", "virtio_vdpa", ""}, {"vdpa1", "vhost_vdpa", "/dev/vhost-vdpa-1"}};
  CHECK(setup.access()->nodes == Nodes{{"/dev/vhost-vdpa-1", "/dev/vhost-vdpa-1", "rw"}});
  CHECK(setup.access()->info.at("vdpa") ==
        std::map<std::string, std::string>{{"mount", "/dev/vhost-vdpa-1"}});
  setup.selector.vdpa_type = "virtio";
  REQUIRE(setup.access());
  CHECK(setup.access()->nodes.empty());
  CHECK(setup.access()->info.at("vdpa").empty());
}

TEST_CASE("additionalInfo: everybody's, and over it the device's own") {
  Setup setup;
  setup.pool.additional_info = {{"*", {{"token", "all"}, {"zone", "a"}}},
                                {kId, {{"token", "mine"}}},
                                {"0000:3b:00.4", {{"token", "another's"}}}};
  CHECK(setup.access()->info.at("extra") ==
        std::map<std::string, std::string>{{"token", "mine"}, {"zone", "a"}});
}

TEST_CASE("What can't be used now is refused, and says why") {
  struct Row {
    std::string name;
    std::function<void(Setup&)> change;
    const char* message;
  };
  const std::vector<Row> rows = {
      {"vfio", [](Setup& s) { s.vf.driver = "vfio-pci"; },
       "0000:3b:00.3 is bound to vfio-pci but has no IOMMU group: no container can open it"},
      {"uio", [](Setup& s) { s.vf.driver = "uio_pci_generic"; },
       "0000:3b:00.3 is bound to uio_pci_generic but has no uio device: no container can open it"},
      {"rdma", [](Setup& s) { s.selector.is_rdma = true; },
       "0000:3b:00.3 is asked for with RDMA (isRdma) but has no RDMA device now"},
      {"vdpa gone", [](Setup& s) { s.selector.vdpa_type = "vhost"; },
       "0000:3b:00.3 is asked for as vDPA (vdpaType 'vhost') but has no vDPA device on driver "
       "vhost_vdpa now"},
      {"vdpa of the other type",
       [](Setup& s) {
         s.selector.vdpa_type = "virtio";
         s.vf.vdpa = {{"vdpa1", "vhost_vdpa", "/dev/vhost-vdpa-1"}};
       },
       "0000:3b:00.3 is asked for as vDPA (vdpaType 'virtio') but has no vDPA device on driver "
       "virtio_vdpa now"},
      {"vdpa without its file",
       [](Setup& s) {
         s.selector.vdpa_type = "vhost";
         s.vf.vdpa = {{"vdpa1", "vhost_vdpa", ""}};
       },
       "0000:3b:00.3 is asked for as vDPA (vdpaType 'vhost') but has no vDPA device on driver "
       "vhost_vdpa now"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    Setup setup;
    row.change(setup);
    const auto access = setup.access();
    REQUIRE_FALSE(access);
    CHECK(access.error().code == Code::kPrecondition);
    CHECK(access.error().message == row.message);
  }
}

TEST_CASE("A subfunction has its own RDMA device, and nothing of its PF's") {
  Setup setup;
  setup.pf.driver = "vfio-pci";
  setup.pf.iommu_group = "9";
  setup.pf.rdma = {rdma_device("0")};
  nic::Sf sf;
  sf.name = "mlx5_core.sf.4";
  sf.driver = "mlx5_core.sf";
  sf.rdma = {rdma_device("7")};
  pools::Candidate candidate;
  candidate.kind = pools::Candidate::Kind::kSf;
  candidate.id = sf.name;
  candidate.function = &setup.pf;
  candidate.pf = &setup.pf;
  candidate.sf = &sf;
  setup.selector.is_rdma = true;
  const auto access = access_of(candidate, setup.selector, setup.pool, setup.host);
  REQUIRE(access);
  CHECK(access->info.at("generic").at("deviceID") == "mlx5_core.sf.4");
  CHECK(access->info.at("rdma").at("rdma_dev") == "mlx5_7");
  CHECK(access->info.count("vfio") == 0);
  CHECK(access->nodes.size() == 3);
}

}  // namespace
}  // namespace sluice::allocate
