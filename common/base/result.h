// SPDX-License-Identifier: Apache-2.0
// What can fail returns Result<T>; an Error says what failed, where, and whether trying again
// helps.
//
// Errors: nothing in Sluice throws across a function boundary. Exceptions of libraries are caught
// at the call that can raise them and become an Error there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace sluice {

// The kind of failure, the same small set as gRPC's canonical codes.
enum class Code : std::uint8_t {
  kInvalid,  // the input is wrong; the caller must change it
  kNotFound,
  kExists,
  kPrecondition,  // right input, wrong state (device busy, privilege missing)
  kExhausted,     // no room, no address, no device left
  kUnavailable,   // the other side isn't there now
  kTimeout,
  kPermission,
  kUnsupported,
  kInternal,  // an invariant of ours did not hold
};

// Whose number `native` is.
enum class Domain : std::uint8_t { kNone, kKernel, kDpdk, kKube, kTool, kConfig, kProtocol };

enum class Retry : std::uint8_t { kNever, kLater, kAfterReset };

struct [[nodiscard]] Error {
  Code code = Code::kInternal;
  Domain domain = Domain::kNone;
  int native = 0;  // errno, rte_flow_error type, exit status: see `domain`; 0 where there is none
  std::string message;  // one sentence without a final full stop, names the field or object
  std::vector<std::string> context;  // outermost last: what was being done when it failed
  Retry retry = Retry::kNever;

  // "while <context n>: ... while <context 0>: <message>"
  std::string to_string() const;

  Error&& with(std::string what) && {
    context.push_back(std::move(what));
    return std::move(*this);
  }
  Error&& and_retry(Retry hint) && {
    retry = hint;
    return std::move(*this);
  }
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// return fail(Code::kInvalid, "...");
inline tl::unexpected<Error> fail(Code code, std::string message) {
  return tl::unexpected<Error>(
      Error{code, Domain::kNone, 0, std::move(message), {}, Retry::kNever});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// An Error from an errno value; `what` names the call and its object ("open /run/x").
Error errno_error(int number, std::string_view what);
inline tl::unexpected<Error> fail_errno(int number, std::string_view what) {
  return tl::unexpected<Error>(errno_error(number, what));
}

std::string_view to_string(Code code);
// The other way; a name that is none, as from another version's program: kInternal.
Code code_from(std::string_view name);
std::string_view to_string(Domain domain);

}  // namespace sluice

#define SLUICE_CONCAT_(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_(a, b)

// SLUICE_TRY(auto x, make_x());  binds the value, or returns the error from the enclosing function.
#define SLUICE_TRY(binding, expression) \
  SLUICE_TRY_(binding, expression, SLUICE_CONCAT(try_, __LINE__))
#define SLUICE_TRY_(binding, expression, temporary)                    \
  auto temporary = (expression);                                       \
  if (!temporary) return ::sluice::fail(std::move(temporary).error()); \
  binding = std::move(*temporary)

// SLUICE_CHECK_OK(do_it());  for a Status: returns its error, or goes on.
#define SLUICE_CHECK_OK(expression)                                  \
  do {                                                               \
    auto status_ = (expression);                                     \
    if (!status_) return ::sluice::fail(std::move(status_).error()); \
  } while (false)
