// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/vf_service.h"

#include <doctest/doctest.h>

#include "common/api/vf_control.pb.h"

using namespace sluice;
using namespace sluice::softnic;

namespace {

struct FakeVfs {
  MacAddr mac;
  int calls = 0;
  Result<MacAddr> operator()(const nic::PciAddress& vf, std::optional<MacAddr> wanted) {
    ++calls;
    if (vf.function != 1) return fail(Code::kPrecondition, "in a pod");
    if (wanted) mac = *wanted;
    return mac;
  }
};

api::VfResponse ask(const std::string& request, FakeVfs& vfs) {
  api::VfResponse response;
  REQUIRE(response.ParseFromString(answer_vf_request(request, std::ref(vfs))));
  return response;
}

std::string request_of(const std::string& address, const char* mac) {
  api::VfRequest request;
  request.set_pci_address(address);
  if (mac != nullptr) request.set_mac(mac);
  return request.SerializeAsString();
}

}  // namespace

TEST_CASE("sets, asks, and answers with the MAC as it is now") {
  FakeVfs vfs;
  const auto set = ask(request_of("0000:5c:00.1", "02:00:00:00:00:01"), vfs);
  CHECK(set.code().empty());
  CHECK(set.mac() == "02:00:00:00:00:01");
  CHECK(ask(request_of("0000:5c:00.1", nullptr), vfs).mac() == "02:00:00:00:00:01");
  CHECK(ask(request_of("0000:5c:00.1", "00:00:00:00:00:00"), vfs).mac() == "00:00:00:00:00:00");
}

TEST_CASE("what is wrong is answered with code and message and changes nothing") {
  FakeVfs vfs;
  for (const std::string& request :
       {std::string("\xff\xff\xff"), std::string(), request_of("junk", "02:00:00:00:00:01"),
        request_of("0000:5c:00.1", "02:00"), request_of("0000:5c:00.1", "")}) {
    const auto response = ask(request, vfs);
    CHECK(response.code() == to_string(Code::kInvalid));
    CHECK_FALSE(response.message().empty());
  }
  CHECK(vfs.calls == 0);
  const auto refused = ask(request_of("0000:5c:00.2", "02:00:00:00:00:01"), vfs);
  CHECK(refused.code() == to_string(Code::kPrecondition));
  CHECK(refused.message() == "in a pod");
  CHECK(vfs.mac.is_zero());
}
