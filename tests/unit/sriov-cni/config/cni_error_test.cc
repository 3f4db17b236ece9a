// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

int code_of(Code code, Domain domain = Domain::kNone, Retry retry = Retry::kNever) {
  return cni_code(Error{code, domain, 0, "x", {}, retry});
}

TEST_CASE("which CNI code an Error is") {
  CHECK(code_of(Code::kInvalid) == kInvalidConfig);
  CHECK(code_of(Code::kUnavailable) == kTryAgainLater);
  CHECK(code_of(Code::kTimeout) == kTryAgainLater);
  CHECK(code_of(Code::kExhausted) == kTryAgainLater);
  CHECK(code_of(Code::kInternal, Domain::kNone, Retry::kLater) == kTryAgainLater);
  CHECK(code_of(Code::kInternal, Domain::kKernel) == kIoFailure);
  CHECK(code_of(Code::kInternal) == kInternal);
  CHECK(code_of(Code::kNotFound) == kNotFound);
  CHECK(code_of(Code::kPermission) == kPermission);
  for (const int code : {kIncompatibleVersion, kUnsupportedField, kTryAgainLater, kNotAvailable,
                         kLimitedConnectivity}) {
    CHECK(cni_code(cni_fail(code, "x").value()) == code);
  }
}

TEST_CASE("the error object") {
  auto error = Error{Code::kInvalid, Domain::kNone, 0, "mtu is \"x\"", {}, Retry::kNever};
  error.context = {"reading the configuration", "doing ADD"};
  CHECK(nlohmann::json::parse(error_json("0.4.0", error)) ==
        nlohmann::json{{"cniVersion", "0.4.0"},
                       {"code", kInvalidConfig},
                       {"msg", "mtu is \"x\""},
                       {"details", "while reading the configuration, while doing ADD"}});
  error.context.clear();
  error.message = "bad byte \xff";
  const auto out = nlohmann::json::parse(error_json("1.1.0", error));
  CHECK_FALSE(out.contains("details"));
}

}  // namespace
}  // namespace sluice::cni
