// SPDX-License-Identifier: Apache-2.0
// CNI's error codes, and which one an Error is.
//
// Source: https://github.com/containernetworking/cni/blob/main/SPEC.md, "Error".
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::cni {

inline constexpr int kIncompatibleVersion = 1;
inline constexpr int kUnsupportedField = 2;
inline constexpr int kInvalidEnvironment = 4;
inline constexpr int kIoFailure = 5;
inline constexpr int kDecodeFailure = 6;
inline constexpr int kInvalidConfig = 7;
inline constexpr int kTryAgainLater = 11;
// STATUS only.
inline constexpr int kNotAvailable = 50;
inline constexpr int kLimitedConnectivity = 51;  // and pods that are there may be cut off
// Ours, from 100 on as the specification wants.
inline constexpr int kExists = 101;
inline constexpr int kNotFound = 102;
inline constexpr int kPrecondition = 103;
inline constexpr int kPermission = 104;
inline constexpr int kUnsupported = 105;
inline constexpr int kInternal = 199;

// An Error that carries its CNI code with it (Domain::kProtocol).
tl::unexpected<Error> cni_fail(int code, std::string message);

int cni_code(const Error& error);
// {"cniVersion", "code", "msg", "details"}: msg is the error itself, details what was being done.
std::string error_json(std::string_view cni_version, const Error& error);

}  // namespace sluice::cni
