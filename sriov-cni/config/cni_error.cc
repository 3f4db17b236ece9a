// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/config/cni_error.h"

#include <nlohmann/json.hpp>

namespace sluice::cni {

tl::unexpected<Error> cni_fail(int code, std::string message) {
  Error error{Code::kInvalid, Domain::kProtocol, code, std::move(message), {}, Retry::kNever};
  if (code == kTryAgainLater) {
    error.code = Code::kUnavailable;
    error.retry = Retry::kLater;
  }
  return fail(std::move(error));
}

int cni_code(const Error& error) {
  if (error.domain == Domain::kProtocol && error.native != 0) return error.native;
  if (error.retry == Retry::kLater) return kTryAgainLater;
  switch (error.code) {
    case Code::kUnavailable:
    case Code::kTimeout:
    case Code::kExhausted:
      return kTryAgainLater;
    case Code::kInvalid:
      return error.domain == Domain::kKernel ? kIoFailure : kInvalidConfig;
    case Code::kExists:
      return kExists;
    case Code::kNotFound:
      return kNotFound;
    case Code::kPrecondition:
      return kPrecondition;
    case Code::kPermission:
      return kPermission;
    case Code::kUnsupported:
      return kUnsupported;
    case Code::kInternal:
      break;
  }
  return error.domain == Domain::kKernel ? kIoFailure : kInternal;
}

std::string error_json(std::string_view cni_version, const Error& error) {
  nlohmann::ordered_json out;
  out["cniVersion"] = cni_version;
  out["code"] = cni_code(error);
  out["msg"] = error.message;
  std::string details;
  for (const auto& context : error.context) {
    details += (details.empty() ? "while " : ", while ") + context;
  }
  if (!details.empty()) out["details"] = details;
  // What comes from outside may be no UTF-8; a lossy message beats none.
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace sluice::cni
