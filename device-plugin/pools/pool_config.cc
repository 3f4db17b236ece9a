// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/pools/pool_config.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <set>

#include <nlohmann/json.hpp>

#include "common/base/nearest_name.h"
#include "device-plugin/pools/allocate.h"

namespace sluice::pools {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxNameLength = 63;
constexpr std::size_t kMaxEntries = 256;

std::string join(std::initializer_list<std::string_view> words) {
  std::string out;
  for (const auto word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out;
}

Status check_keys(const Json& object, const std::string& where,
                  std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return fail(Code::kInvalid, where + " must be an object");
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const auto shown = key.substr(0, kMaxNameLength);
    std::string message = where + ": key '" + shown + "' is unknown";
    if (const auto meant = nearest_name(shown, {known.begin(), known.size()})) {
      message += ", did you mean '" + std::string(*meant) + "'?";
    }
    return fail(Code::kInvalid, message + " (allowed: " + join(known) + ")");
  }
  return {};
}

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

Status check_pool_name(const std::string& name, const std::string& where) {
  const bool shape = !name.empty() && name.size() <= kMaxNameLength &&
                     is_lower_alnum(name.front()) && is_lower_alnum(name.back()) &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return is_lower_alnum(c) || c == '-' || c == '_' || c == '.';
                     });
  if (shape) return {};
  return fail(Code::kInvalid, where + ".name is '" + name.substr(0, kMaxNameLength) +
                                  "'; allowed are 1 to 63 of a-z, 0-9, '-', '_', '.', with a "
                                  "letter or digit at both ends");
}

Result<std::vector<std::string>> read_strings(const Json& object, const char* key,
                                              const std::string& where) {
  std::vector<std::string> out;
  const auto found = object.find(key);
  if (found == object.end()) return out;
  const std::string field = where + "." + key;
  if (!found->is_array() || found->empty() || found->size() > kMaxEntries) {
    return fail(Code::kInvalid, field +
                                    " must be a list of 1 to 256 strings; leave it out to "
                                    "select by nothing");
  }
  for (const auto& entry : *found) {
    if (!entry.is_string() || entry.get_ref<const std::string&>().empty()) {
      return fail(Code::kInvalid, field + " must hold strings that are not empty");
    }
    out.push_back(entry.get<std::string>());
  }
  return out;
}

Result<Selectors> read_selectors(const Json& json, const std::string& where) {
  SLUICE_CHECK_OK(check_keys(json, where, {"drivers", "pfNames"}));
  Selectors out;
  SLUICE_TRY(out.drivers, read_strings(json, "drivers", where));
  SLUICE_TRY(const auto pf_names, read_strings(json, "pfNames", where));
  for (const auto& text : pf_names) {
    auto selector = PfSelector::parse(text);
    if (!selector) return fail(std::move(selector).error().with("reading " + where + ".pfNames"));
    // Two entries for one PF are a mistake in the file: say so instead of taking one of them.
    for (const auto& other : out.pf_names) {
      if (other.name != selector->name) continue;
      return fail(Code::kInvalid, where + ".pfNames names '" + other.name +
                                      "' twice; write one entry, such as '" + other.name +
                                      "#0-3,7'");
    }
    out.pf_names.push_back(std::move(*selector));
  }
  return out;
}

Result<PoolConfig> read_pool(const Json& json, const std::string& where) {
  SLUICE_CHECK_OK(check_keys(json, where, {"name", "selectors"}));
  const auto name = json.find("name");
  if (name == json.end() || !name->is_string()) {
    return fail(Code::kInvalid, where + ".name must be a string");
  }
  PoolConfig out;
  out.name = name->get<std::string>();
  SLUICE_CHECK_OK(check_pool_name(out.name, where));
  if (const auto selectors = json.find("selectors"); selectors != json.end()) {
    SLUICE_TRY(out.selectors, read_selectors(*selectors, where + ".selectors"));
  }
  return out;
}

Result<std::uint16_t> read_index(std::string_view text, std::string_view whole) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
    return fail(Code::kInvalid, "PF selector '" + std::string(whole) + "': '" + std::string(text) +
                                    "' is no VF index; allowed is NAME or NAME#N,A-B");
  }
  return value;
}

}  // namespace

Result<PfSelector> PfSelector::parse(std::string_view text) {
  PfSelector out;
  const auto hash = text.find('#');
  out.name = text.substr(0, hash);
  if (out.name.empty() || out.name.size() > 15) {
    return fail(Code::kInvalid, "PF selector '" + std::string(text.substr(0, 64)) +
                                    "' must begin with an interface name of 1 to 15 characters");
  }
  if (hash == std::string_view::npos) return out;
  auto rest = text.substr(hash + 1);
  while (true) {
    const auto comma = rest.find(',');
    const auto item = rest.substr(0, comma);
    const auto dash = item.find('-');
    IndexRange range;
    SLUICE_TRY(range.first, read_index(item.substr(0, dash), text));
    range.last = range.first;
    if (dash != std::string_view::npos) {
      SLUICE_TRY(range.last, read_index(item.substr(dash + 1), text));
    }
    if (range.last < range.first) {
      return fail(Code::kInvalid, "PF selector '" + std::string(text) + "': range '" +
                                      std::string(item) + "' is reversed");
    }
    out.indexes.push_back(range);
    if (comma == std::string_view::npos) return out;
    rest = rest.substr(comma + 1);
  }
}

bool PfSelector::matches(std::string_view pf_name, std::uint16_t vf_index) const {
  if (pf_name != name) return false;
  return indexes.empty() || std::any_of(indexes.begin(), indexes.end(), [&](const auto& range) {
           return vf_index >= range.first && vf_index <= range.last;
         });
}

Result<std::vector<PoolConfig>> parse_config(std::string_view text) {
  const auto json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return fail(Code::kInvalid, "the configuration is not JSON");
  SLUICE_CHECK_OK(check_keys(json, "configuration", {"pools"}));
  const auto list = json.find("pools");
  if (list == json.end() || !list->is_array() || list->empty() || list->size() > kMaxPools) {
    return fail(Code::kInvalid, "pools must be a list of 1 to 64 pools");
  }
  std::vector<PoolConfig> out;
  std::set<std::string> variables;
  for (std::size_t i = 0; i < list->size(); ++i) {
    SLUICE_TRY(auto pool, read_pool((*list)[i], "pools[" + std::to_string(i) + "]"));
    if (!variables.insert(pool_variable(pool.name)).second) {
      return fail(Code::kInvalid, "pools[" + std::to_string(i) + "].name '" + pool.name +
                                      "' gives the same environment variable as an earlier pool (" +
                                      pool_variable(pool.name) + ")");
    }
    out.push_back(std::move(pool));
  }
  return out;
}

std::vector<PoolConfig> default_pools() { return {PoolConfig{"vf", {}}}; }

Status check_resource_prefix(std::string_view prefix) {
  bool good = !prefix.empty() && prefix.size() <= 253 && prefix.back() != '.';
  char before = '.';
  for (const char c : prefix) {
    if (c == '.' || c == '-') {
      good = good && before != '.' && (c == '-' || before != '-');
    } else {
      good = good && is_lower_alnum(c);
    }
    before = c;
  }
  if (good && before != '-') return {};
  return fail(Code::kInvalid, "resource prefix '" + std::string(prefix.substr(0, 64)) +
                                  "' is no DNS name; allowed is one such as sluice.dev");
}

}  // namespace sluice::pools
