// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/config/config.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "device-plugin/config/forms.h"
#include "device-plugin/config/text.h"

namespace sluice::config {
namespace {

// Only to learn where text stops being JSON: the parser's plain interface doesn't say.
class ErrorFinder : public nlohmann::json_sax<Json> {
 public:
  std::size_t position() const { return position_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    position_ = position;
    return false;
  }

 private:
  std::size_t position_ = 0;
};

Error not_json(std::string_view text) {
  ErrorFinder finder;
  Json::sax_parse(text, &finder);
  const auto before = text.substr(0, std::min(finder.position(), text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto last_break = before.rfind('\n');
  const auto line_begin = last_break == std::string_view::npos ? 0 : last_break + 1;
  const auto near = text.substr(line_begin, text.substr(line_begin).find('\n'));
  return Error{Code::kInvalid,
               Domain::kConfig,
               0,
               "the configuration is not JSON: line " + std::to_string(line) + ", character " +
                   std::to_string(before.size() - line_begin) + ", in " + cite(near),
               {},
               Retry::kNever};
}

Result<Json> read_json(std::string_view text) {
  if (text.size() > kMaxConfigBytes) {
    return fail(Code::kInvalid, "the configuration has " + std::to_string(text.size()) +
                                    " bytes; allowed are " + std::to_string(kMaxConfigBytes));
  }
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return fail(Code::kInvalid, "the configuration is empty; allowed is a JSON object");
  }
  auto json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return fail(not_json(text));
  if (!json.is_object()) {
    return fail(Code::kInvalid, "the configuration is " + kind_of(json) + "; allowed is an object");
  }
  return json;
}

bool has_key(const Json& object, std::string_view wanted) {
  for (auto entry = object.begin(); entry != object.end(); ++entry) {
    if (equal_fold(entry.key(), wanted)) return true;
  }
  return false;
}

Result<Draft> read_draft(const Json& json, const std::optional<std::string>& default_prefix) {
  const bool peer = has_key(json, "resourceList");
  const bool own = json.contains("pools");
  if (peer && own) {
    return fail(Code::kInvalid, "the configuration has both pools and resourceList; write one");
  }
  if (peer) return read_peer_form(json, default_prefix);
  if (own) return read_own_form(json, default_prefix);
  const std::string first = json.empty() ? "" : "; its first key is " + cite(json.begin().key());
  return fail(Code::kInvalid, "the configuration has neither pools nor resourceList" + first);
}

Status check_duplicates(const Draft& draft) {
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < draft.config.pools.size(); ++i) {
    const auto resource = draft.config.pools[i].resource();
    const auto [first, fresh] = seen.emplace(resource, i);
    if (fresh) continue;
    return fail(Code::kInvalid, draft.where[first->second] + " and " + draft.where[i] +
                                    " are both " + resource + "; a resource name must be unique");
  }
  return {};
}

// SLUICE_<POOL> of both would be one variable, of which a container that has both sees one.
void warn_of_variables(Draft& draft) {
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < draft.config.pools.size(); ++i) {
    auto variable = lower_case(draft.config.pools[i].name);
    std::replace_if(
        variable.begin(), variable.end(), [](char c) { return c == '-' || c == '.'; }, '_');
    const auto [first, fresh] = seen.emplace(std::move(variable), i);
    if (fresh) continue;
    draft.config.warnings.push_back(
        {draft.where[i], "gives the same environment variable SLUICE_* as " +
                             draft.where[first->second] + "; a container with both sees one"});
  }
}

}  // namespace

Result<Config> parse_config(std::string_view json,
                            const std::optional<std::string>& default_prefix) {
  SLUICE_TRY(const auto root, read_json(json));
  SLUICE_TRY(auto draft, read_draft(root, default_prefix));
  SLUICE_CHECK_OK(check_duplicates(draft));
  warn_of_overlap(draft);
  warn_of_variables(draft);
  return std::move(draft.config);
}

Config default_config(const std::string& prefix) {
  PoolConfig pool;
  pool.name = "vf";
  pool.prefix = prefix;
  pool.selectors.emplace_back();
  Config out;
  out.pools.push_back(std::move(pool));
  return out;
}

std::string_view to_string(DeviceType type) {
  switch (type) {
    case DeviceType::kNetwork:
      return "network";
    case DeviceType::kVf:
      return "vf";
    case DeviceType::kPf:
      return "pf";
    case DeviceType::kSf:
      return "sf";
    case DeviceType::kAccelerator:
      return "accelerator";
  }
  return "unknown";
}

std::string_view to_string(Policy policy) {
  switch (policy) {
    case Policy::kPacked:
      return "packed";
    case Policy::kSpread:
      return "spread";
    case Policy::kRail:
      return "rail";
    case Policy::kGpuAffine:
      return "gpu-affine";
  }
  return "unknown";
}

std::string_view to_string(Offer offer) {
  switch (offer) {
    case Offer::kDevicePlugin:
      return "device-plugin";
    case Offer::kDra:
      return "dra";
    case Offer::kBoth:
      return "both";
  }
  return "unknown";
}

}  // namespace sluice::config
