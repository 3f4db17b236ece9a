// SPDX-License-Identifier: Apache-2.0
// A client of the Kubernetes API: blocking calls, JSON texts in and out.
//
// Contract: TLS is verified against the Config's authority alone. Tokens and certificates in files
// are read again for every call, and a 401 is tried once more when the token changed meanwhile.
// Answers are bounded, in bytes and in depth (100 levels); what a call returns is one JSON object.
// Threading: calls from one thread at a time (a thread of its own has a Client of its own);
// cancel() from any, for good: the call under way ends at once, later ones don't begin.
// Errors: as of HTTP: 404 kNotFound; 409 kExists or (a conflict) kPrecondition; 401 and 403
// kPermission; 410 kPrecondition; 400 and 422 kInvalid; 429 and 5xx kUnavailable; the number is in
// `native`. Nobody there or canceled: kUnavailable. Too late: kTimeout. TLS: kPermission. Garbage
// or too large: kInvalid. Retry::kLater says which of them may pass.
// Source: Kubernetes API concepts (kubernetes.io/docs/reference/using-api/api-concepts).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/result.h"
#include "common/kube/config.h"

namespace sluice::kube {

struct ClientLimits {
  std::size_t answer_bytes = std::size_t{16} << 20U;  // of one answer
  std::size_t list_items = 10000;                     // over all pages
  std::size_t page_items = 500;
};

struct ListOptions {
  std::string field_selector, label_selector;
};

class Client {
 public:
  // Errors: a Config that can't be right (check()).
  static Result<std::unique_ptr<Client>> make(Config config, const Logger& log,
                                              ClientLimits limits = {});
  virtual ~Client() = default;

  // Paths as in the API: "/apis/resource.k8s.io/v1/resourceslices/a". Deadlines are for the whole
  // call, with all its pages and retries.
  virtual Result<std::string> get(const std::string& path, Duration deadline) = 0;
  // The items of all pages. A list that expired between two pages is begun again once.
  virtual Result<std::vector<std::string>> list(const std::string& path, const ListOptions& options,
                                                Duration deadline) = 0;
  virtual Result<std::string> create(const std::string& path, const std::string& body,
                                     Duration deadline) = 0;
  // The body has the metadata.resourceVersion that it is based on.
  virtual Result<std::string> update(const std::string& path, const std::string& body,
                                     Duration deadline) = 0;
  // `uid`: only that very object; "" any of that name. Gone already: success.
  virtual Status remove(const std::string& path, const std::string& uid, Duration deadline) = 0;
  virtual void cancel() = 0;
};

// For a query or a path segment: everything but unreserved characters as %XX.
std::string percent_encoded(const std::string& text);

}  // namespace sluice::kube
