// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/journal/record.h"

#include <cstdio>

#include <nlohmann/json.hpp>

#include "common/base/hash.h"
#include "sriov-cni/journal/fields.h"
#include "sriov-cni/journal/legacy.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kVersion = 2;

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// Against torn and edited files, not against anybody's malice.
std::string checksum(std::string_view fields) {
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(hash_bytes(fields)));
  return out;
}

Result<Record> parse_current(const Json& json) {
  const auto fields = json.find("record");
  const auto sum = json.find("checksum");
  if (fields == json.end() || sum == json.end() || !sum->is_string()) {
    return fail(Code::kInvalid, "'record' or 'checksum' is missing");
  }
  const auto text = dump(*fields, -1);
  const auto expected = checksum(text);
  if (sum->get<std::string>() != expected) {
    return bad_field("checksum", sum->get<std::string>(), expected + ": the file is damaged");
  }
  return parse_fields(text);
}

}  // namespace

std::string id_hash(const std::string& id) { return checksum(id); }

std::string veth_name(const std::string& id) { return "sl" + id_hash(id).substr(0, 11); }

std::string Record::alias() const { return std::string(kAliasPrefix) + id_hash(id()); }

std::string print_record(const Record& record) {
  const auto fields = print_fields(record);
  Json out;
  out["version"] = kVersion;
  out["checksum"] = checksum(fields);
  out["record"] = Json::parse(fields, nullptr, false);
  return dump(out, 2) + "\n";
}

Result<Record> parse_record(std::string_view text) {
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(Code::kInvalid, "not a JSON object");
  const auto version = json.find("version");
  if (version == json.end() || !version->is_number_unsigned()) {
    return fail(Code::kInvalid, "'version' is missing or no number");
  }
  const auto number = version->get<std::uint64_t>();
  if (number == kVersion) return parse_current(json);
  if (number == 1) return parse_record_v1(text);
  if (number == 0) return bad_field("version", "0", "1 or 2");
  return fail(Code::kUnsupported, "version " + std::to_string(number) +
                                      " is of a later release; this one reads up to " +
                                      std::to_string(kVersion));
}

}  // namespace sluice::cni
