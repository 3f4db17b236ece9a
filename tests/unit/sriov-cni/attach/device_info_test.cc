// SPDX-License-Identifier: Apache-2.0
// The device-info file: what is written, and what of others is kept.
#include "sriov-cni/attach/device_info.h"

#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "common/os/files.h"

namespace sluice::cni {
namespace {

struct Directory {
  Directory() {
    char pattern[] = "/tmp/sluice-device-info-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    path = pattern;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string path;
};

FoundVf some_vf() {
  FoundVf found;
  found.pf.address = nic::PciAddress::parse("0000:3b:00.0").value();
  found.vf.address = nic::PciAddress::parse("0000:3b:00.2").value();
  return found;
}

constexpr const char* kOwn =
    R"({"pci":{"pci-address":"0000:3b:00.2","pf-pci-address":"0000:3b:00.0"},"type":"pci","version":"1.1.0"})"
    "\n";

}  // namespace

TEST_CASE("a device-info file is made with its directory") {
  const Directory directory;
  const auto path = directory.path + "/devinfo/cni/network-pod_net1";
  REQUIRE(write_device_info(path, some_vf()));
  CHECK(os::read_file(path).value() == kOwn);
}

TEST_CASE("a file of another that tells of the same VF is kept") {
  const Directory directory;
  const auto path = directory.path + "/info";
  for (const std::string kept :
       {R"({"type":"pci","pci":{"pci-address":"0000:3b:00.2","representor-device":"eth5"}})",
        R"({"type":"vdpa","vdpa":{"pci-address":"0000:3b:00.2","driver":"vhost"}})"}) {
    CAPTURE(kept);
    REQUIRE(os::write_file_atomic(path, kept));
    REQUIRE(write_device_info(path, some_vf()));
    CHECK(os::read_file(path).value() == kept);
  }
}

TEST_CASE("a file that tells of something else, or of nothing, is replaced") {
  const Directory directory;
  const auto path = directory.path + "/info";
  for (const auto& text :
       {std::string(R"({"type":"pci","pci":{"pci-address":"0000:3b:00.3"}})"),
        std::string(R"({"type":"vdpa","pci":{"pci-address":"0000:3b:00.2"}})"),
        std::string(R"({"type":"pci","pci":{"pci-address":7}})"),
        std::string(R"({"type":"pci","pci":[]})"), std::string(R"({"type":7,"pci":{}})"),
        std::string("[]"), std::string("{"), std::string(), std::string(70 << 10U, ' ')}) {
    CAPTURE(text.substr(0, 80));
    REQUIRE(os::write_file_atomic(path, text));
    REQUIRE(write_device_info(path, some_vf()));
    CHECK(os::read_file(path).value() == kOwn);
  }
}

}  // namespace sluice::cni
