// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/devinfo/devinfo.h"

#include <doctest/doctest.h>

#include <string>

#include <nlohmann/json.hpp>

namespace sluice::devinfo {
namespace {

using nlohmann::json;
using pools::Candidate;

struct Setup {
  Setup() {
    pf.address = *nic::PciAddress::parse("0000:3b:00.0");
    vf.address = *nic::PciAddress::parse("0000:3b:00.4");
    vf.index = 2;
  }
  Candidate vf_candidate() const {
    return {Candidate::Kind::kVf, vf.address.to_string(), &vf, nullptr, &pf, vf.index};
  }
  json rendered(const std::string& representor = "", const Given& given = {}) const {
    return json::parse(render(vf_candidate(), representor, given));
  }
  nic::Pf pf;
  nic::Vf vf;
};

nic::RdmaDevice rdma(const std::string& name) {
  nic::RdmaDevice device;
  device.name = name;
  return device;
}

TEST_CASE("PCI: a plain VF, and one with everything") {
  Setup setup;
  CHECK(setup.rendered() == json::parse(R"({"type": "pci", "version": "1.1.0", "pci": {
      "pci-address": "0000:3b:00.4", "pf-pci-address": "0000:3b:00.0"}})"));
  setup.vf.rdma = {rdma("mlx5_2"), rdma("mlx5_3")};
  CHECK(setup.rendered("eth3", {true, true, ""}) ==
        json::parse(R"({"type": "pci", "version": "1.1.0", "pci": {
      "pci-address": "0000:3b:00.4", "pf-pci-address": "0000:3b:00.0",
      "rdma-device": "mlx5_2,mlx5_3", "representor-device": "eth3",
      "vhost-net": "/dev/vhost-net"}})"));
  CHECK(setup.rendered("", {false, false, ""})["pci"].count("rdma-device") == 0);
}

TEST_CASE("vDPA: what the selector asks for, or what there is") {
  Setup setup;
  setup.vf.vdpa = {{"vdpa0", "", ""},
                   {"vdpa1", "virtio_vdpa", ""},
                   {"vdpa2", "vhost_vdpa", "/dev/vhost-vdpa-2"}};
  CHECK(setup.rendered("eth3", {false, true, "vhost"}) ==
        json::parse(R"({"type": "vdpa", "version": "1.1.0", "vdpa": {
      "parent-device": "vdpa2", "driver": "vhost", "path": "/dev/vhost-vdpa-2",
      "pci-address": "0000:3b:00.4", "pf-pci-address": "0000:3b:00.0",
      "representor-device": "eth3"}})"));
  const auto virtio = json::parse(R"({"type": "vdpa", "version": "1.1.0", "vdpa": {
      "parent-device": "vdpa1", "driver": "virtio",
      "pci-address": "0000:3b:00.4", "pf-pci-address": "0000:3b:00.0"}})");
  CHECK(setup.rendered("", {false, true, "virtio"}) == virtio);
  CHECK(setup.rendered() == virtio);
  CHECK(setup.rendered("", {false, true, ""})["type"] == "pci");
  setup.vf.vdpa.resize(1);
  CHECK(setup.rendered()["type"] == "pci");
}

TEST_CASE("A PF and an accelerator have no PF; a subfunction has no file") {
  Setup setup;
  const Candidate pf{Candidate::Kind::kPf, "0000:3b:00.0", &setup.pf, nullptr, &setup.pf, {}};
  CHECK(json::parse(render(pf, ""))["pci"] == json{{"pci-address", "0000:3b:00.0"}});
  nic::Function card;
  card.address = *nic::PciAddress::parse("0000:af:00.0");
  const Candidate accelerator{
      Candidate::Kind::kAccelerator, "0000:af:00.0", &card, nullptr, nullptr, {}};
  CHECK(json::parse(render(accelerator, ""))["pci"] == json{{"pci-address", "0000:af:00.0"}});
  nic::Sf sf;
  const Candidate sub{Candidate::Kind::kSf, "mlx5_core.sf.4", &setup.pf, &sf, &setup.pf, 4};
  CHECK(render(sub, "").empty());
}

nic::Representor vf_port(const std::string& name, const std::string& switch_id, std::uint16_t pf,
                         std::uint16_t vf) {
  return {name, switch_id, pf, vf, {}};
}

TEST_CASE("The representor of a VF, among other PFs', other switches' and other kinds") {
  Setup setup;
  nic::Inventory inventory;
  inventory.representors = {{"p0", "s1", 0, {}, {}},
                            vf_port("p0_1", "s1", 0, 1),
                            vf_port("p0_2", "s1", 0, 2),
                            vf_port("other_2", "s2", 0, 2),
                            {"p0sf2", "s1", 0, {}, 2}};
  CHECK(representor_of(setup.vf_candidate(), inventory) == "");  // not in switchdev mode
  setup.pf.switch_id = "s1";
  CHECK(representor_of(setup.vf_candidate(), inventory) == "p0_2");

  // Two PFs of one switch: only a PF that says which port it is tells them apart.
  inventory.representors.push_back(vf_port("p1_2", "s1", 1, 2));
  CHECK(representor_of(setup.vf_candidate(), inventory) == "");
  setup.pf.netdev.emplace();
  for (const std::string port : {"", "p", "px", "p1x", "eth1", "p70000"}) {
    CAPTURE(port);
    setup.pf.netdev->physical_port_name = port;
    CHECK(representor_of(setup.vf_candidate(), inventory) == "");
  }
  setup.pf.netdev->physical_port_name = "p1";
  CHECK(representor_of(setup.vf_candidate(), inventory) == "p1_2");
  setup.pf.netdev->physical_port_name = "pf0";
  CHECK(representor_of(setup.vf_candidate(), inventory) == "p0_2");

  nic::Sf sf;
  const Candidate sub{Candidate::Kind::kSf, "mlx5_core.sf.4", &setup.pf, &sf, &setup.pf, 2};
  CHECK(representor_of(sub, inventory) == "p0sf2");
  const Candidate pf{Candidate::Kind::kPf, "0000:3b:00.0", &setup.pf, nullptr, &setup.pf, {}};
  CHECK(representor_of(pf, inventory) == "");
}

TEST_CASE("File names") {
  CHECK(file_name("sluice.dev/vf", "0000:3b:00.2") == "sluice.dev-vf-0000:3b:00.2-device.json");
  CHECK(file_name("a/b", "../../etc") == "a-b-..-..-etc-device.json");
}

}  // namespace
}  // namespace sluice::devinfo
