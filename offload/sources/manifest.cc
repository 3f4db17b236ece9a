// SPDX-License-Identifier: Apache-2.0
#include "offload/sources/manifest.h"

#include <iterator>

#include <nlohmann/json.hpp>

#include "offload/sources/objects.h"
#include "offload/sources/schema.h"
#include "offload/sources/yaml.h"

namespace sluice::sources {
namespace {

using nlohmann::json;

// A pod with all its fields has a few hundred values.
constexpr std::size_t kMaxNodes = 4'000'000;

tl::unexpected<Error> invalid(std::string message) {
  return fail(Error{Code::kInvalid, Domain::kConfig, 0, std::move(message), {}, Retry::kNever});
}

class Reader {
 public:
  Status document(const json& value, std::size_t index) {
    const std::string where = "document " + std::to_string(index + 1);
    if (value.is_null()) return {};  // "---" twice in a row, or a comment alone
    if (!value.is_object())
      return invalid(where + " is " + printable(value) + ", must be a Kubernetes object");
    const auto kind = value.find("kind");
    if (kind == value.end() || *kind != "List") return object(value, where);
    return list(value, where);
  }

  Manifest manifest;

 private:
  Status list(const json& value, const std::string& where) {
    for (const auto& [name, ignored] : value.items()) {
      if (name == "apiVersion" || name == "kind" || name == "metadata" || name == "items") continue;
      return invalid(where + ": List: " + name.substr(0, 64) +
                     " is unknown; allowed: apiVersion, kind, metadata, items");
    }
    const auto found = value.find("items");
    if (found == value.end() || found->is_null()) return {};
    const json& items = *found;
    if (!items.is_array())
      return invalid(where + ": List: items is " + printable(items) +
                     ", must be a list of objects");
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string item = where + ", items[" + std::to_string(i) + "]";
      if (!items[i].is_object())
        return invalid(item + " is " + printable(items[i]) + ", must be a Kubernetes object");
      SLUICE_CHECK_OK(object(items[i], item));
    }
    return {};
  }

  Status object(const json& value, const std::string& where) {
    if (++objects_ > kMaxManifestObjects) {
      return invalid(where + ": more than " + std::to_string(kMaxManifestObjects) + " objects");
    }
    Status status = read_object(value, manifest);
    if (status) return {};
    Error error = std::move(status).error();
    error.message = where + ": " + describe(value) + ": " + error.message;
    return fail(std::move(error));
  }

  std::size_t objects_ = 0;
};

}  // namespace

Result<Manifest> parse_manifest(std::string_view yaml) {
  SLUICE_TRY(const auto documents,
             parse_yaml(yaml, {kMaxManifestBytes, kMaxManifestDepth, kMaxNodes}));
  Reader reader;
  for (std::size_t i = 0; i < documents.size(); ++i)
    SLUICE_CHECK_OK(reader.document(documents[i], i));
  SLUICE_CHECK_OK(check_consistency(reader.manifest));
  SLUICE_TRY(auto cluster, merge(reader.manifest));
  auto& warnings = reader.manifest.warnings;
  warnings.insert(warnings.end(), std::make_move_iterator(cluster.warnings.begin()),
                  std::make_move_iterator(cluster.warnings.end()));
  return std::move(reader.manifest);
}

}  // namespace sluice::sources
