// SPDX-License-Identifier: Apache-2.0
// gRPC's status codes and ours.
// Source: "Status codes and their use in gRPC" (statuscodes.md of grpc).
#pragma once

#include "common/base/result.h"

namespace sluice::litegrpc {

// 0 to 16; of an unknown number: kInternal.
Code code_of_grpc(int status);
int grpc_of_code(Code code);

}  // namespace sluice::litegrpc
