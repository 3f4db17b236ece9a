// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/gpus.h"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "tests/unit/common/temp_dir.h"

namespace sluice::broker {
namespace {

constexpr const char* kResource = "sluice.dev/vf";

nic::Inventory two_gpus() {
  nic::Inventory inventory;
  for (const std::uint8_t bus : {std::uint8_t{0x11}, std::uint8_t{0x21}}) {
    nic::Function gpu;
    gpu.address = nic::PciAddress{0, bus, 0, 0};
    gpu.pcie_path = {nic::PciAddress{0, 0, 1, 0}};
    inventory.gpus.push_back(gpu);
  }
  return inventory;
}

kubelet::PodDevices pod(std::string name, std::vector<kubelet::ContainerDevices> devices) {
  return {"ai", std::move(name), std::move(devices), {}};
}

}  // namespace

TEST_CASE("the pod with GPUs and without our devices is the one that is admitted") {
  const auto inventory = two_gpus();
  const std::vector<kubelet::PodDevices> now{
      pod("old", {{"nvidia.com/gpu", {"GPU-1"}}, {kResource, {"0000:08:00.1"}}}),
      pod("new", {{"nvidia.com/gpu", {"GPU-2"}}}), pod("web", {})};
  const std::map<std::string, nic::PciAddress> uuids{{"GPU-1", {0, 0x11, 0, 0}},
                                                     {"GPU-2", {0, 0x21, 0, 0}}};
  const auto gpus = gpus_of_new_pod(now, {}, inventory, uuids, kResource);
  REQUIRE(gpus.size() == 1);
  CHECK(gpus[0].back() == nic::PciAddress{0, 0x21, 0, 0});
  CHECK(gpus[0].front() == nic::PciAddress{0, 0, 1, 0});
}

TEST_CASE("of several the one that wasn't there before; still several: nobody can tell") {
  const auto inventory = two_gpus();
  const auto one = pod("one", {{"gpu", {"0000:11:00.0"}}});
  const auto two = pod("two", {{"gpu", {"0000:21:00.0::3"}}});
  CHECK(gpus_of_new_pod({one, two}, {one}, inventory, {}, kResource).size() == 1);
  CHECK(gpus_of_new_pod({one, two}, {one}, inventory, {}, kResource)[0].back() ==
        nic::PciAddress{0, 0x21, 0, 0});
  CHECK(gpus_of_new_pod({one, two}, {}, inventory, {}, kResource).empty());
  CHECK(gpus_of_new_pod({}, {}, inventory, {}, kResource).empty());
}

TEST_CASE("UUIDs are read from the driver's files, as far as they make sense") {
  test::TempDir proc;
  CHECK(read_gpu_uuids(proc.path()).empty());
  const std::filesystem::path gpus = std::filesystem::path(proc.path()) / "driver/nvidia/gpus";
  const auto write = [&](const char* name, const char* text) {
    std::filesystem::create_directories(gpus / name);
    std::ofstream(gpus / name / "information") << text;
  };
  write("0000:11:00.0", "Model: \t X\nGPU UUID: \t GPU-aa-bb\nBus Location: 0000:11:00.0\n");
  write("0000:21:00.0", "Model: X\nGPU UUID:\nBus Location: 0000:21:00.0\n");
  write("0000:31:00.0", "nothing");
  write("junk", "GPU UUID: GPU-cc\n");
  const auto uuids = read_gpu_uuids(proc.path());
  REQUIRE(uuids.size() == 1);
  CHECK(uuids.at("GPU-aa-bb") == nic::PciAddress{0, 0x11, 0, 0});
}

}  // namespace sluice::broker
