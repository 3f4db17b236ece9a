// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/slice_json.h"

#include <array>

#include <nlohmann/json.hpp>

#include "common/kube/json.h"

namespace sluice::dra {
namespace {

using nlohmann::json;

constexpr std::array kVersions = {"v1", "v1beta2", "v1beta1"};

std::string text_at(const json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const json& child(const json& object, const char* key) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::int64_t number_at(const json& object, const char* key) {
  const json& value = child(object, key);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

json attribute_json(const Attribute& attribute) {
  if (const auto* flag = std::get_if<bool>(&attribute)) return {{"bool", *flag}};
  if (const auto* number = std::get_if<std::int64_t>(&attribute)) return {{"int", *number}};
  return {{"string", std::get<std::string>(attribute)}};
}

std::optional<Attribute> parse_attribute(const json& value) {
  if (const json& flag = child(value, "bool"); flag.is_boolean()) return flag.get<bool>();
  if (const json& number = child(value, "int"); number.is_number_integer()) {
    return number.get<std::int64_t>();
  }
  if (const json& text = child(value, "string"); text.is_string()) return text.get<std::string>();
  return std::nullopt;
}

json device_json(const SliceDevice& device, bool basic) {
  json attributes = json::object();
  for (const auto& [name, value] : device.attributes) attributes[name] = attribute_json(value);
  if (basic) return {{"name", device.name}, {"basic", {{"attributes", std::move(attributes)}}}};
  return {{"name", device.name}, {"attributes", std::move(attributes)}};
}

SliceDevice parse_device(const json& value) {
  SliceDevice out;
  out.name = text_at(value, "name");
  const json& basic = child(value, "basic");
  const json& attributes = child(basic.is_object() ? basic : value, "attributes");
  if (!attributes.is_object()) return out;
  for (const auto& [name, attribute] : attributes.items()) {
    // One that is of no type of ours makes the device differ from every device that we want.
    out.attributes[name] = parse_attribute(attribute).value_or(std::string("\n"));
  }
  return out;
}

std::string owner_uid(const json& metadata, const std::string& node) {
  const json& owners = child(metadata, "ownerReferences");
  if (!owners.is_array()) return {};
  for (const auto& owner : owners) {
    if (text_at(owner, "kind") == "Node" && text_at(owner, "name") == node) {
      return text_at(owner, "uid");
    }
  }
  return {};
}

}  // namespace

Result<std::string> best_version(std::string_view api_group) {
  const auto root = kube::parse_json(api_group);
  const json& versions = child(root, "versions");
  for (const char* wanted : kVersions) {
    if (!versions.is_array()) break;
    for (const auto& version : versions) {
      if (text_at(version, "version") == wanted) return std::string(wanted);
    }
  }
  return fail(Code::kUnsupported,
              "the API server serves no resource.k8s.io of v1, v1beta2 or v1beta1");
}

std::string render(const Slice& slice, const std::string& version,
                   const std::string& resource_version) {
  json metadata = {{"name", slice.name}};
  metadata["ownerReferences"] = json::array({{{"apiVersion", "v1"},
                                              {"kind", "Node"},
                                              {"name", slice.node},
                                              {"uid", slice.node_uid},
                                              {"controller", true}}});
  if (!resource_version.empty()) metadata["resourceVersion"] = resource_version;
  json devices = json::array();
  for (const auto& device : slice.devices) {
    devices.push_back(device_json(device, version == "v1beta1"));
  }
  const json object = {{"apiVersion", "resource.k8s.io/" + version},
                       {"kind", "ResourceSlice"},
                       {"metadata", std::move(metadata)},
                       {"spec",
                        {{"driver", kDriver},
                         {"nodeName", slice.node},
                         {"pool",
                          {{"name", slice.pool},
                           {"generation", slice.generation},
                           {"resourceSliceCount", slice.count}}},
                         {"devices", std::move(devices)}}}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<StoredSlice> parse_slice(std::string_view text) {
  const auto root = kube::parse_json(text);
  const json& metadata = child(root, "metadata");
  const json& spec = child(root, "spec");
  const json& pool = child(spec, "pool");
  StoredSlice out;
  out.uid = text_at(metadata, "uid");
  out.resource_version = text_at(metadata, "resourceVersion");
  out.slice.name = text_at(metadata, "name");
  if (out.slice.name.empty()) return fail(Code::kInvalid, "a ResourceSlice has no metadata.name");
  if (text_at(spec, "driver") != kDriver) {
    return fail(Code::kInvalid, "ResourceSlice '" + out.slice.name.substr(0, 200) +
                                    "': spec.driver isn't " + kDriver);
  }
  out.slice.node = text_at(spec, "nodeName");
  out.slice.node_uid = owner_uid(metadata, out.slice.node);
  out.slice.pool = text_at(pool, "name");
  out.slice.generation = number_at(pool, "generation");
  out.slice.count = number_at(pool, "resourceSliceCount");
  if (const json& devices = child(spec, "devices"); devices.is_array()) {
    for (const auto& device : devices) out.slice.devices.push_back(parse_device(device));
  }
  return out;
}

Result<std::string> parse_uid(std::string_view object) {
  const auto root = kube::parse_json(object);
  const std::string uid = text_at(child(root, "metadata"), "uid");
  if (uid.empty()) return fail(Code::kInvalid, "the object has no metadata.uid");
  return uid;
}

}  // namespace sluice::dra
