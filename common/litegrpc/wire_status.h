// SPDX-License-Identifier: Apache-2.0
// How statuses, messages and deadlines look in gRPC's header fields.
// Source: PROTOCOL-HTTP2.md, statuscodes.md and http-grpc-status-mapping.md of grpc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace sluice::litegrpc {

enum GrpcStatus : int {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// Peers bound their header lists, some to 8 KiB; a longer message is cut between two characters.
inline constexpr std::size_t kMaxEncodedMessage = 4096;

std::string percent_encode(std::string_view message);
// A % that begins no escape stands for itself.
std::string percent_decode(std::string_view text);

// "grpc-timeout": 1 to 8 digits and one of HMSmun. Nothing if it is malformed.
std::optional<Duration> parse_timeout(std::string_view text);
std::string format_timeout(Duration timeout);

// 0 to 16, or kUnknown for what is no such number.
int parse_status(std::string_view text);
// Of an answer that has no grpc-status.
int status_of_http(std::string_view http_status);
// Of a stream that was reset: the HTTP/2 error code.
int status_of_reset(std::uint32_t error_code);

// "application/grpc", and with "+proto", "; charset" and so on.
bool is_grpc_content(std::string_view content_type);

}  // namespace sluice::litegrpc
