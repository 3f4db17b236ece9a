// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/checkpoint.h"

#include <doctest/doctest.h>

namespace sluice::dra {
namespace {

PreparedClaims example() {
  PreparedClaim claim{{"shop", "u1", "net"}, {}};
  claim.devices.push_back({{"n1", "0000-08-00-1", {"net", "both"}},
                           "0000:08:00.1",
                           {{"/dev/vfio/7", "/dev/vfio/noiommu-7", "rw"}},
                           {{"generic", {{"deviceID", "0000:08:00.1"}}}}});
  claim.devices.push_back({{"n1-ports", "port-4", {"spare"}}, "", {}, {}});
  return {{"u1", claim}, {"u2", {{"shop", "u2", "x"}, {}}}};
}

}  // namespace

TEST_CASE("checkpoint: read back as it was written") {
  CHECK(*parse_checkpoint(render(example())) == example());
  CHECK(parse_checkpoint(render({}))->empty());
}

TEST_CASE("checkpoint: any byte that is missing or another is noticed") {
  const std::string good = render(example());
  for (std::size_t i = 0; i < good.size(); ++i) {
    CAPTURE(i);
    CHECK(!parse_checkpoint(good.substr(0, i)));
    std::string damaged = good;
    damaged[i] = damaged[i] == 'x' ? 'y' : 'x';
    const auto read = parse_checkpoint(damaged);
    CHECK(!read);
  }
}

TEST_CASE("checkpoint: another release's, and what is none") {
  std::string newer = render(example());
  newer.replace(newer.find("\"version\":1"), 11, "\"version\":2");
  CHECK(parse_checkpoint(newer).error().code == Code::kUnsupported);
  for (const char* text : {"", "{}", "[]", "null", "{\"version\":1}",
                           "{\"version\":1,\"checksum\":7,\"claims\":[]}"}) {
    CAPTURE(text);
    CHECK(parse_checkpoint(text).error().code == Code::kInvalid);
  }
}

}  // namespace sluice::dra
