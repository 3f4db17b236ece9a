// SPDX-License-Identifier: Apache-2.0
// Kubernetes objects as the API server keeps them: resource versions, conflicts, UIDs, pages.
//
// Threading: none of its own; the server locks.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sluice::test {

struct ApiAnswer {
  int status = 200;
  std::string body;
};

class ObjectStore {
 public:
  // By path: "/api/v1/nodes/n1". A UID and a resource version are given.
  void put(const std::string& path, const std::string& json);
  void erase(const std::string& path) { objects_.erase(path); }
  const std::map<std::string, std::string>& objects() const { return objects_; }

  ApiAnswer get(const std::string& path) const;
  // Query values: fieldSelector "spec.driver=x,spec.nodeName=y", limit, continue.
  ApiAnswer list(const std::string& collection, const std::map<std::string, std::string>& query);
  ApiAnswer create(const std::string& collection, const std::string& body);
  ApiAnswer update(const std::string& path, const std::string& body);
  ApiAnswer remove(const std::string& path, const std::string& options);

 private:
  std::map<std::string, std::string> objects_;
  std::uint64_t version_ = 100;
};

// {"kind":"Status",...} with that code.
ApiAnswer status_answer(int code, const std::string& reason, const std::string& message);

}  // namespace sluice::test
