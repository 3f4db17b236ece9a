// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_api_server/object_store.h"

#include <sstream>

#include <nlohmann/json.hpp>

namespace sluice::test {
namespace {

using nlohmann::json;

bool selected(const json& object, const std::string& selector) {
  std::istringstream parts(selector);
  for (std::string part; std::getline(parts, part, ',');) {
    const auto equals = part.find('=');
    std::string pointer = "/" + part.substr(0, equals);
    for (char& c : pointer) c = c == '.' ? '/' : c;
    const json::json_pointer where(pointer);
    if (!object.contains(where) || object.at(where) != part.substr(equals + 1)) return false;
  }
  return true;
}

}  // namespace

ApiAnswer status_answer(int code, const std::string& reason, const std::string& message) {
  return {code, json{{"kind", "Status"},
                     {"apiVersion", "v1"},
                     {"status", "Failure"},
                     {"reason", reason},
                     {"message", message},
                     {"code", code}}
                    .dump()};
}

void ObjectStore::put(const std::string& path, const std::string& text) {
  auto object = json::parse(text);
  auto& metadata = object["metadata"];
  ++version_;
  if (!metadata.contains("uid")) metadata["uid"] = "uid-" + std::to_string(version_);
  metadata["resourceVersion"] = std::to_string(version_);
  objects_[path] = object.dump();
}

ApiAnswer ObjectStore::get(const std::string& path) const {
  const auto found = objects_.find(path);
  if (found == objects_.end()) return status_answer(404, "NotFound", path + " not found");
  return {200, found->second};
}

ApiAnswer ObjectStore::list(const std::string& collection,
                            const std::map<std::string, std::string>& query) {
  const auto value = [&](const char* key) {
    const auto found = query.find(key);
    return found == query.end() ? std::string() : found->second;
  };
  const std::size_t limit = value("limit").empty() ? 1000000 : std::stoul(value("limit"));
  json out = {{"kind", "List"}, {"apiVersion", "v1"}, {"metadata", json::object()}};
  out["items"] = nullptr;  // as a Go server does for none
  const std::string prefix = collection + "/";
  for (const auto& [path, text] : objects_) {
    if (!path.starts_with(prefix) || path.find('/', prefix.size()) != std::string::npos) continue;
    if (!value("continue").empty() && path < value("continue")) continue;
    const auto object = json::parse(text);
    if (!selected(object, value("fieldSelector"))) continue;
    if (out["items"].size() == limit) {
      out["metadata"]["continue"] = path;
      break;
    }
    out["items"].push_back(object);
  }
  return {200, out.dump()};
}

ApiAnswer ObjectStore::create(const std::string& collection, const std::string& body) {
  const auto object = json::parse(body, nullptr, false);
  if (!object.is_object()) return status_answer(400, "BadRequest", "no JSON");
  const std::string path = collection + "/" + object.at("metadata").at("name").get<std::string>();
  if (objects_.contains(path)) return status_answer(409, "AlreadyExists", path + " exists");
  put(path, body);
  return {201, objects_.at(path)};
}

ApiAnswer ObjectStore::update(const std::string& path, const std::string& body) {
  const auto found = objects_.find(path);
  if (found == objects_.end()) return status_answer(404, "NotFound", path + " not found");
  auto object = json::parse(body, nullptr, false);
  if (!object.is_object()) return status_answer(400, "BadRequest", "no JSON");
  const auto old = json::parse(found->second);
  const auto& metadata = object.at("metadata");
  const std::string version = metadata.value("resourceVersion", "");
  if (!version.empty() && version != old.at("metadata").at("resourceVersion")) {
    return status_answer(409, "Conflict", "the object has been modified");
  }
  object["metadata"]["uid"] = old.at("metadata").at("uid");
  put(path, object.dump());
  return {200, objects_.at(path)};
}

ApiAnswer ObjectStore::remove(const std::string& path, const std::string& options) {
  const auto found = objects_.find(path);
  if (found == objects_.end()) return status_answer(404, "NotFound", path + " not found");
  const auto wanted = json::parse(options, nullptr, false);
  const json::json_pointer where("/preconditions/uid");
  if (wanted.is_object() && wanted.contains(where)) {
    const auto object = json::parse(found->second);
    if (wanted.at(where) != object.at("metadata").at("uid")) {
      return status_answer(409, "Conflict", "the UID in the precondition is another");
    }
  }
  objects_.erase(found);
  return {200, json{{"kind", "Status"}, {"status", "Success"}}.dump()};
}

}  // namespace sluice::test
