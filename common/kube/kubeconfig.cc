// SPDX-License-Identifier: Apache-2.0
// The kubeconfig half of config.h.
#include <exception>
#include <filesystem>
#include <optional>

#include <yaml-cpp/yaml.h>

#include "common/kube/base64.h"
#include "common/kube/config.h"
#include "common/os/files.h"

namespace sluice::kube {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 20U;

std::string quoted(const std::string& text) { return "'" + text.substr(0, 200) + "'"; }

// A scalar of a mapping; "" where it isn't there. Anything else throws, as yaml-cpp does.
std::string text_of(const YAML::Node& map, const char* key) {
  const YAML::Node value = map[key];
  if (!value || value.IsNull()) return {};
  return value.as<std::string>();
}

// The entry of that name in clusters, users or contexts: its inner mapping.
Result<YAML::Node> entry(const YAML::Node& root, const char* list, const char* inner,
                         const std::string& name) {
  const YAML::Node entries = root[list];
  if (entries && entries.IsSequence()) {
    for (const YAML::Node& item : entries) {
      if (!item.IsMap() || text_of(item, "name") != name) continue;
      const YAML::Node found = item[inner];
      if (found && found.IsMap()) return found;
      return fail(Code::kInvalid,
                  std::string(list) + " " + quoted(name) + " has no mapping '" + inner + "'");
    }
  }
  return fail(Code::kInvalid, std::string(list) + " has no entry named " + quoted(name));
}

std::string resolved(const std::string& file, const std::string& directory) {
  if (file.empty() || file.front() == '/') return file;
  return (std::filesystem::path(directory) / file).lexically_normal().string();
}

// <key>-data in base64 comes before <key>, a file's name.
Result<Material> material(const YAML::Node& map, const std::string& key,
                          const std::string& directory) {
  Material out;
  const std::string data_key = key + "-data";
  if (const std::string data = text_of(map, data_key.c_str()); !data.empty()) {
    auto decoded = decode_base64(data);
    if (!decoded) return fail(std::move(decoded).error().with("reading " + data_key));
    out.text = *std::move(decoded);
  } else {
    out.file = resolved(text_of(map, key.c_str()), directory);
  }
  return out;
}

Status refuse(const YAML::Node& map, std::initializer_list<const char*> keys,
              const std::string& where) {
  for (const char* key : keys) {
    const YAML::Node value = map[key];
    if (!value || value.IsNull() || (value.IsScalar() && value.Scalar().empty())) continue;
    return fail(Code::kUnsupported, where + " has '" + key +
                                        "', which is not supported yet; use a token, a tokenFile "
                                        "or a client certificate");
  }
  return {};
}

Status read_cluster(const YAML::Node& cluster, const std::string& directory, Config& out) {
  SLUICE_CHECK_OK(refuse(cluster, {"proxy-url", "tls-server-name"}, "the cluster"));
  out.server = text_of(cluster, "server");
  while (out.server.ends_with('/')) out.server.pop_back();
  SLUICE_TRY(out.ca, material(cluster, "certificate-authority", directory));
  const YAML::Node insecure = cluster["insecure-skip-tls-verify"];
  out.insecure_skip_tls_verify = insecure && !insecure.IsNull() && insecure.as<bool>();
  if (out.insecure_skip_tls_verify) {
    if (!out.ca.empty()) {
      return fail(Code::kInvalid,
                  "the cluster has both insecure-skip-tls-verify and certificate-authority");
    }
    out.warnings.emplace_back(
        "insecure-skip-tls-verify is set: whoever answers is taken for the API server");
  }
  return {};
}

Status read_user(const YAML::Node& user, const std::string& directory, Config& out) {
  SLUICE_CHECK_OK(refuse(user,
                         {"exec", "auth-provider", "username", "password", "as", "as-uid",
                          "as-groups", "as-user-extra"},
                         "the user"));
  SLUICE_TRY(out.client_certificate, material(user, "client-certificate", directory));
  SLUICE_TRY(out.client_key, material(user, "client-key", directory));
  // The file wins, as with other clients: it is what rotates.
  out.token.file = resolved(text_of(user, "tokenFile"), directory);
  if (out.token.file.empty()) out.token.text = text_of(user, "token");
  return {};
}

Result<Config> read_root(const YAML::Node& root, const std::string& directory,
                         const std::string& wanted) {
  if (!root.IsMap()) return fail(Code::kInvalid, "a kubeconfig is a mapping at its top");
  const std::string name = wanted.empty() ? text_of(root, "current-context") : wanted;
  if (name.empty())
    return fail(Code::kInvalid, "current-context is not set, and none was asked for");
  SLUICE_TRY(const YAML::Node context, entry(root, "contexts", "context", name));
  Config out;
  out.namespace_name = text_of(context, "namespace");
  SLUICE_TRY(const YAML::Node cluster,
             entry(root, "clusters", "cluster", text_of(context, "cluster")));
  SLUICE_CHECK_OK(read_cluster(cluster, directory, out));
  if (const std::string user = text_of(context, "user"); !user.empty()) {
    SLUICE_TRY(const YAML::Node found, entry(root, "users", "user", user));
    SLUICE_CHECK_OK(read_user(found, directory, out));
  }
  SLUICE_CHECK_OK(check(out));
  return out;
}

}  // namespace

Result<Config> parse_kubeconfig(std::string_view yaml, const std::string& directory,
                                const std::string& context) {
  if (yaml.size() > kMaxBytes) {
    return fail(Code::kInvalid, "kubeconfig has " + std::to_string(yaml.size()) +
                                    " bytes; allowed are " + std::to_string(kMaxBytes));
  }
  try {
    return read_root(YAML::Load(std::string(yaml)), directory, context);
  } catch (const YAML::Exception& e) {
    // Only the place: the text around it may be a key.
    return fail(Code::kInvalid, "kubeconfig is not as it should be at line " +
                                    std::to_string(e.mark.line + 1) + ", column " +
                                    std::to_string(e.mark.column + 1));
  } catch (const std::exception&) {
    return fail(Code::kInvalid, "kubeconfig can't be read as YAML");
  }
}

Result<Config> load_kubeconfig(const std::string& path, const std::string& context) {
  SLUICE_TRY(const auto text, os::read_file(path, kMaxBytes));
  const auto directory = std::filesystem::path(path).parent_path().string();
  auto config = parse_kubeconfig(text, directory.empty() ? "." : directory, context);
  if (!config) return fail(std::move(config).error().with("reading " + path));
  return config;
}

}  // namespace sluice::kube
