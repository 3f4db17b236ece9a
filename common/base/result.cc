// SPDX-License-Identifier: Apache-2.0
#include "common/base/result.h"

#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

Code code_of(int number) {
  switch (number) {
    case EINVAL:
    case ENAMETOOLONG:
    case ERANGE:
      return Code::kInvalid;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH:
    case EADDRNOTAVAIL:
      return Code::kNotFound;
    case EEXIST:
    case EADDRINUSE:
      return Code::kExists;
    case EPERM:
    case EACCES:
      return Code::kPermission;
    case ENOSPC:
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
      return Code::kExhausted;
    case ETIMEDOUT:
      return Code::kTimeout;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAFNOSUPPORT:
      return Code::kUnsupported;
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
      return Code::kUnavailable;
    case EBUSY:
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
      return Code::kPrecondition;
    default:
      return Code::kInternal;
  }
}

}  // namespace

std::string Error::to_string() const {
  std::string text;
  for (auto it = context.rbegin(); it != context.rend(); ++it) {
    text += "while ";
    text += *it;
    text += ": ";
  }
  return text + message;
}

Error errno_error(int number, std::string_view what) {
  char buffer[128];
  // The GNU variant: returns a pointer, which need not be the buffer.
  const char* reason = ::strerror_r(number, buffer, sizeof buffer);
  Error error;
  error.code = code_of(number);
  error.domain = Domain::kKernel;
  error.native = number;
  error.message = std::string(what) + ": " + reason;
  error.retry = error.code == Code::kUnavailable ? Retry::kLater : Retry::kNever;
  return error;
}

std::string_view to_string(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "invalid";
    case Code::kNotFound:
      return "not-found";
    case Code::kExists:
      return "exists";
    case Code::kPrecondition:
      return "precondition";
    case Code::kExhausted:
      return "exhausted";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kTimeout:
      return "timeout";
    case Code::kPermission:
      return "permission";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kInternal:
      return "internal";
  }
  return "internal";
}

Code code_from(std::string_view name) {
  for (const auto code :
       {Code::kInvalid, Code::kNotFound, Code::kExists, Code::kPrecondition, Code::kExhausted,
        Code::kUnavailable, Code::kTimeout, Code::kPermission, Code::kUnsupported}) {
    if (name == to_string(code)) return code;
  }
  return Code::kInternal;
}

std::string_view to_string(Domain domain) {
  switch (domain) {
    case Domain::kNone:
      return "none";
    case Domain::kKernel:
      return "kernel";
    case Domain::kDpdk:
      return "dpdk";
    case Domain::kKube:
      return "kube";
    case Domain::kTool:
      return "tool";
    case Domain::kConfig:
      return "config";
    case Domain::kProtocol:
      return "protocol";
  }
  return "none";
}

}  // namespace sluice
