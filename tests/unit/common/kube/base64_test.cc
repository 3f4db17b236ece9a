// SPDX-License-Identifier: Apache-2.0
#include "common/kube/base64.h"

#include <doctest/doctest.h>

namespace sluice::kube {

TEST_CASE("base64: the vectors of RFC 4648, and bytes of every kind") {
  CHECK(*decode_base64("") == "");
  CHECK(*decode_base64("Zg==") == "f");
  CHECK(*decode_base64("Zm8=") == "fo");
  CHECK(*decode_base64("Zm9v") == "foo");
  CHECK(*decode_base64("Zm9v\nYmE=\n") == "fooba");
  CHECK(*decode_base64("+/8A") == std::string("\xfb\xff\x00", 3));
}

TEST_CASE("base64: what is none, without showing it") {
  for (const char* text : {"Z", "Zg", "Zg=", "=Zg=", "Zg==Zg==", "Zg=a", "Z*==", "Zm9v=", "===="}) {
    CAPTURE(text);
    const auto decoded = decode_base64(text);
    REQUIRE(!decoded);
    CHECK(decoded.error().code == Code::kInvalid);
    CHECK(decoded.error().message.find(text) == std::string::npos);
  }
}

}  // namespace sluice::kube
