// SPDX-License-Identifier: Apache-2.0
// A Kubernetes API server in the test's process, over real TLS, with levers.
//
// Threading: every member from any thread; the hook runs on the server's threads, unlocked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/fake_api_server/object_store.h"

namespace sluice::test {

struct ApiRequest {
  std::string method, path, body;
  std::map<std::string, std::string> query;
  std::string token;           // of "Authorization: Bearer"
  std::string client_subject;  // of the client's certificate; "" without
  std::string peer;            // "127.0.0.1:40000": the connection
};

struct ApiServerOptions {
  std::string certificate, key;  // PEM files
  std::string client_ca;         // set: clients must have a certificate of it
};

class FakeApiServer {
 public:
  static std::unique_ptr<FakeApiServer> start(const ApiServerOptions& options);
  virtual ~FakeApiServer() = default;  // ends hanging requests, joins its threads

  virtual std::string url() const = 0;  // "https://127.0.0.1:40001"
  // What it answers instead of the store's word; nullopt: the store's.
  using Hook = std::function<std::optional<ApiAnswer>(const ApiRequest&)>;
  virtual void set_hook(Hook hook) = 0;
  // Requests are not answered while it hangs.
  virtual void hang(bool on) = 0;
  virtual void wait_for_hanging(std::size_t requests) = 0;  // until so many wait

  virtual void put(const std::string& path, const std::string& json) = 0;
  virtual void erase(const std::string& path) = 0;
  virtual std::map<std::string, std::string> objects() const = 0;
  virtual std::vector<ApiRequest> requests() const = 0;
  // Blocks until so many requests were answered since the start; false after ten seconds.
  virtual bool wait_for_requests(std::size_t count) const = 0;
};

}  // namespace sluice::test
