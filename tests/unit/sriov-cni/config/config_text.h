// SPDX-License-Identifier: Apache-2.0
// What the tables of configurations are written with.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/net_config.h"

namespace sluice::cni {

inline Invocation call_of(Verb verb) {
  Invocation out;
  out.verb = verb;
  return out;
}

// The minimal configuration with more members.
inline std::string config(const std::string& more, const std::string& type = "sluice-cni",
                          const std::string& version = "1.1.0") {
  return R"({"cniVersion":")" + version + R"(","name":"pods","type":")" + type + "\"" +
         (more.empty() ? "" : ",") + more + "}";
}

// One of sriov-cni's, with a device.
inline std::string sriov(const std::string& more) {
  return config(R"("deviceID":"0000:3b:00.2")" + (more.empty() ? "" : "," + more), "sriov");
}

inline std::string infiniband(const std::string& more) {
  return config(R"("deviceID":"0000:3b:00.2")" + (more.empty() ? "" : "," + more), "ib-sriov");
}

// On ADD; a refusal fails the test.
inline NetConfig parsed(const std::string& text) {
  INFO(text);
  auto out = parse_config(text, call_of(Verb::kAdd));
  INFO((out ? "" : out.error().message));
  REQUIRE(out);
  return *out;
}

struct Refused {
  std::string text;
  int code;
  const char* named;
};

inline void check_refused(const std::vector<Refused>& rows, const Invocation& call) {
  for (const auto& row : rows) {
    INFO(row.text.substr(0, 300));
    const auto result = parse_config(row.text, call);
    REQUIRE_FALSE(result);
    INFO(result.error().message);
    CHECK(cni_code(result.error()) == row.code);
    CHECK(result.error().message.find(row.named) != std::string::npos);
    CHECK(result.error().message.size() < 600);
  }
}

}  // namespace sluice::cni
