// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/status.h"

#include "common/litegrpc/wire_status.h"

namespace sluice::litegrpc {

Code code_of_grpc(int status) {
  switch (status) {
    case kInvalidArgument:
    case kOutOfRange:
      return Code::kInvalid;
    case kDeadlineExceeded:
      return Code::kTimeout;
    case kNotFound:
      return Code::kNotFound;
    case kAlreadyExists:
      return Code::kExists;
    case kPermissionDenied:
    case kUnauthenticated:
      return Code::kPermission;
    case kResourceExhausted:
      return Code::kExhausted;
    case kFailedPrecondition:
    case kAborted:
      return Code::kPrecondition;
    case kUnimplemented:
      return Code::kUnsupported;
    case kCancelled:  // by the other side, as one that goes down does
    case kUnavailable:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

int grpc_of_code(Code code) {
  switch (code) {
    case Code::kInvalid:
      return kInvalidArgument;
    case Code::kNotFound:
      return kNotFound;
    case Code::kExists:
      return kAlreadyExists;
    case Code::kPrecondition:
      return kFailedPrecondition;
    case Code::kExhausted:
      return kResourceExhausted;
    case Code::kUnavailable:
      return kUnavailable;
    case Code::kTimeout:
      return kDeadlineExceeded;
    case Code::kPermission:
      return kPermissionDenied;
    case Code::kUnsupported:
      return kUnimplemented;
    case Code::kInternal:
      break;
  }
  return kInternal;
}

}  // namespace sluice::litegrpc
