// SPDX-License-Identifier: Apache-2.0
// The peer's "resourceList". Source: sriov-network-device-plugin's README.
#include <array>

#include <nlohmann/json.hpp>

#include "device-plugin/config/forms.h"
#include "device-plugin/config/names.h"
#include "device-plugin/config/selector_reader.h"
#include "device-plugin/config/text.h"

namespace sluice::config {
namespace {

constexpr const char* kDefaultPrefix = "intel.com";
constexpr std::array<std::string_view, 1> kTopKeys = {"resourceList"};
constexpr std::array<std::string_view, 6> kPoolKeys = {"resourceName", "resourcePrefix",
                                                       "deviceType",   "excludeTopology",
                                                       "selectors",    "additionalInfo"};

Result<DeviceType> read_type(Fields& fields) {
  SLUICE_TRY(const auto text, fields.string("deviceType"));
  if (!text || text->empty() || *text == "netDevice") return DeviceType::kNetwork;
  if (*text == "accelerator") return DeviceType::kAccelerator;
  if (*text == "auxNetDevice") return DeviceType::kSf;
  return fail(Code::kInvalid, fields.at("deviceType") + " is " + cite(*text) +
                                  "; allowed: netDevice, accelerator, auxNetDevice");
}

// Names first, so that whatever is wrong after them is said of the right resource.
Status read_name(Fields& fields, PoolConfig& out) {
  SLUICE_TRY(const auto name, fields.string("resourceName"));
  out.name = name.value_or("");
  SLUICE_TRY(const auto prefix, fields.string("resourcePrefix"));
  if (prefix && !prefix->empty()) out.prefix = *prefix;
  auto good = check_resource_name(out.name, false);
  if (!good) return fail(std::move(good).error().with("reading " + fields.at("resourceName")));
  good = check_resource_prefix(out.prefix);
  if (!good) return fail(std::move(good).error().with("reading " + fields.at("resourcePrefix")));
  return {};
}

Status read_rest(Fields& fields, PoolConfig& out, Notes& notes) {
  SLUICE_TRY(out.type, read_type(fields));
  SLUICE_TRY(const auto exclude, fields.boolean("excludeTopology"));
  out.exclude_topology = exclude.value_or(false);
  SLUICE_TRY(out.additional_info, read_additional_info(fields));
  const Json* selectors = fields.take("selectors");
  // Also for a misspelled "selectors": the warning comes before the refusal.
  SLUICE_CHECK_OK(fields.check_unknown(kPoolKeys));
  if (selectors == nullptr) {
    return fail(Code::kInvalid, fields.at("selectors") +
                                    " is missing or null; write {} to select every device of the "
                                    "type");
  }
  SLUICE_TRY(out.selectors, read_selectors(*selectors, fields.at("selectors"), out.type, notes));
  return {};
}

void read_pool(const Json& json, const std::string& where, const std::string& prefix, Notes& notes,
               Draft& draft) {
  PoolConfig pool;
  pool.prefix = prefix;
  if (!json.is_object()) {
    draft.config.refused.push_back(
        {where, where + " is " + kind_of(json) + "; allowed is an object"});
    return;
  }
  Fields fields(json, where, notes);
  auto read = read_name(fields, pool);
  if (read) read = read_rest(fields, pool, notes);
  if (read) {
    draft.config.pools.push_back(std::move(pool));
    draft.where.push_back(where);
    return;
  }
  draft.config.refused.push_back(
      {pool.name.empty() ? where : bounded(pool.resource()), read.error().to_string()});
}

}  // namespace

Result<Draft> read_peer_form(const Json& root, const std::optional<std::string>& default_prefix) {
  Notes notes(Form::kPeer);
  Fields fields(root, "", notes);
  Draft draft;
  const Json* list = fields.take("resourceList");
  SLUICE_CHECK_OK(fields.check_unknown(kTopKeys));
  if (list != nullptr && !list->is_array()) {
    return fail(Code::kInvalid, "resourceList is " + kind_of(*list) + "; allowed is a list");
  }
  const std::size_t size = list == nullptr ? 0 : list->size();
  if (size > kMaxPools) {
    return fail(Code::kInvalid, "resourceList has " + std::to_string(size) +
                                    " entries; allowed are " + std::to_string(kMaxPools));
  }
  if (size == 0) notes.warn("resourceList", "is empty: no device is offered");
  const std::string prefix = default_prefix.value_or(kDefaultPrefix);
  for (std::size_t i = 0; i < size; ++i) {
    read_pool((*list)[i], item("resourceList", i), prefix, notes, draft);
  }
  draft.config.warnings = notes.take();
  return draft;
}

}  // namespace sluice::config
