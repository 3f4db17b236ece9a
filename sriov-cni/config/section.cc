// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/config/section.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxDepth = 100;
constexpr std::size_t kMaxShown = 120;

bool nests_too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

bool same_letters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

Json parse_json(std::string_view text) {
  if (nests_too_deep(text)) return Json::value_t::discarded;
  return Json::parse(text, nullptr, false);
}

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  out.append(text.substr(0, kMaxShown)).append(text.size() > kMaxShown ? "...'" : "'");
  return out;
}

std::string shown(const Json& value) {
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  return value.dump();
}

const Json* Section::find(std::string_view key) const {
  const auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

Result<std::optional<Section>> Section::section(std::string_view key) const {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) return bad(key, "allowed is an object");
  return Section(*value, name_of(key));
}

Result<const Json*> Section::list(std::string_view key, std::size_t most) const {
  const auto* value = find(key);
  if (value != nullptr && (!value->is_array() || value->size() > most)) {
    return bad(key, "allowed is a list of up to " + std::to_string(most));
  }
  return value;
}

Status Section::text(std::string_view key, std::string& into) const {
  const auto* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_string()) return bad(key, "allowed is a string");
  into = value->get<std::string>();
  return {};
}

Status Section::path(std::string_view key, std::size_t longest, std::string& into) const {
  std::string path;
  SLUICE_CHECK_OK(text(key, path));
  if (find(key) == nullptr) return {};
  if (path.empty() || path.front() != '/' || path.size() > longest ||
      path.find('\0') != std::string::npos) {
    return bad(key,
               "allowed is an absolute path of up to " + std::to_string(longest) + " characters");
  }
  into = std::move(path);
  return {};
}

Status Section::flag(std::string_view key, std::optional<bool>& into) const {
  const auto* value = find(key);
  if (value == nullptr) return {};
  if (value->is_boolean()) {
    into = value->get<bool>();
    return {};
  }
  const std::string word = value->is_string() ? value->get<std::string>() : "-";
  if (word.empty()) return {};
  if (!same_letters(word, "on") && !same_letters(word, "off")) {
    return bad(key, "allowed are on, off, true, false");
  }
  into = same_letters(word, "on");
  return {};
}

Result<std::optional<std::uint32_t>> Section::whole_number(std::string_view key,
                                                           std::uint32_t least,
                                                           std::uint32_t most) const {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned()) {
    const auto number = value->get<std::uint64_t>();
    if (number >= least && number <= most) return static_cast<std::uint32_t>(number);
  }
  return bad(key, "allowed are whole numbers from " + std::to_string(least) + " to " +
                      std::to_string(most));
}

Result<std::optional<std::size_t>> Section::one_of(std::string_view key,
                                                   const std::string_view* names,
                                                   std::size_t count) const {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::string list;
  if (value->is_string()) {
    const auto& word = value->get_ref<const std::string&>();
    if (word.empty()) return std::nullopt;
    for (std::size_t i = 0; i < count; ++i) {
      if (same_letters(word, names[i])) return i;
    }
  }
  for (std::size_t i = 0; i < count; ++i) list.append(i == 0 ? "" : ", ").append(names[i]);
  return bad(key, "allowed are " + list);
}

std::string Section::name_of(std::string_view key) const {
  const auto cut = std::string(key.substr(0, kMaxShown));
  return name_.empty() ? cut : name_ + "." + cut;
}

tl::unexpected<Error> Section::bad(std::string_view key, std::string_view allowed) const {
  const auto* value = find(key);
  return cni_fail(kInvalidConfig, name_of(key) + " is " +
                                      (value == nullptr ? "missing" : shown(*value)) + "; " +
                                      std::string(allowed));
}

tl::unexpected<Error> Section::unsupported(std::string_view key, std::string_view why) const {
  const auto* value = find(key);
  const auto text = value == nullptr ? "" : value->dump(-1, ' ', true);
  return cni_fail(kUnsupportedField,
                  name_of(key) + " is " + text.substr(0, kMaxShown) + "; " + std::string(why));
}

}  // namespace sluice::cni
