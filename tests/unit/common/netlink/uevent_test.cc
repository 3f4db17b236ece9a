// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/uevent.h"

#include <doctest/doctest.h>

#include <string>

using namespace sluice;
using namespace sluice::netlink;

namespace {

std::optional<Uevent> parse(const std::string& text) {
  return parse_uevent(Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

// '|' stands for the zero bytes.
std::string zeros(std::string text) {
  for (char& c : text) {
    if (c == '|') c = '\0';
  }
  return text;
}

}  // namespace

TEST_CASE("A device event as the kernel sends it") {
  const auto event = parse(zeros(
      "bind@/devices/pci0000:00/0000:00:03.0|ACTION=bind|DEVPATH=/devices/pci0000:00/0000:00:03.0|"
      "SUBSYSTEM=pci|DRIVER=virtio-pci|PCI_SLOT_NAME=0000:00:03.0|SEQNUM=1234|"));
  REQUIRE(event);
  CHECK(*event == Uevent{"bind", "/devices/pci0000:00/0000:00:03.0", "pci"});
  CHECK(*parse(zeros("add@/devices/x|")) == Uevent{"add", "/devices/x", ""});
  CHECK(*parse("remove@/devices/x") == Uevent{"remove", "/devices/x", ""});
}

TEST_CASE("What is no device event, or contradicts itself, is nothing") {
  for (const std::string& text :
       {std::string(), zeros("|"), zeros("@/devices/x|"), zeros("add|"), zeros("add@|"),
        zeros("add@devices/x|"), zeros("libudev|\xfe\xed\xca\xfe"),
        zeros("add@/devices/x|ACTION=remove|"), zeros("add@/devices/x|DEVPATH=/devices/y|"),
        std::string(300, 'a') + "@/devices/x", "add@/" + std::string(5000, 'x')}) {
    INFO(text.substr(0, 40));
    CHECK_FALSE(parse(text));
  }
  CHECK(parse(zeros("add@/devices/x|SUBSYSTEM=" + std::string(300, 's')))->subsystem.empty());
}
