// SPDX-License-Identifier: Apache-2.0
#include "common/kube/config.h"

#include <algorithm>
#include <cstdlib>

#include "common/os/files.h"

namespace sluice::kube {
namespace {

constexpr std::size_t kMaxMaterialBytes = std::size_t{1} << 20U;

std::string trimmed(std::string text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  text.erase(end == std::string::npos ? 0 : end + 1);
  return text;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

Result<std::string> Material::read() const {
  if (file.empty()) return text;
  SLUICE_TRY(auto content, os::read_file(file, kMaxMaterialBytes));
  content = trimmed(std::move(content));
  if (content.empty()) return fail(Code::kInvalid, file + " is empty");
  return content;
}

PodEnvironment pod_environment() {
  PodEnvironment environment;
  environment.host = variable("KUBERNETES_SERVICE_HOST");
  environment.port = variable("KUBERNETES_SERVICE_PORT");
  return environment;
}

Result<Config> in_cluster(const PodEnvironment& environment) {
  if (environment.host.empty() || environment.port.empty()) {
    return fail(Code::kPrecondition,
                "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT aren't set");
  }
  Config config;
  const bool v6 = environment.host.find(':') != std::string::npos;
  config.server =
      "https://" + (v6 ? "[" + environment.host + "]" : environment.host) + ":" + environment.port;
  config.token.file = environment.directory + "/token";
  config.ca.file = environment.directory + "/ca.crt";
  // Without them nothing will ever work, and the reason is clearest now.
  for (const auto* material : {&config.token, &config.ca}) {
    auto content = material->read();
    if (!content) return fail(std::move(content).error().with("reading the service account"));
  }
  if (auto name = os::read_file(environment.directory + "/namespace", 4096)) {
    config.namespace_name = trimmed(*std::move(name));
  }
  SLUICE_CHECK_OK(check(config));
  return config;
}

Status check(const Config& config) {
  const std::string& server = config.server;
  const bool secure = server.starts_with("https://");
  if (!secure && !server.starts_with("http://")) {
    return fail(Code::kInvalid,
                "server '" + server.substr(0, 200) + "': allowed are https:// and http:// URLs");
  }
  const bool control = std::any_of(server.begin(), server.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
  if (control || server.find_first_of("@?#") != std::string::npos) {
    return fail(Code::kInvalid, "server '" + server.substr(0, 200) +
                                    "': credentials, queries and spaces aren't allowed in it");
  }
  if (!secure && (!config.token.empty() || !config.client_key.empty())) {
    return fail(Code::kInvalid, "server '" + server.substr(0, 200) +
                                    "': a token or key is not sent over plain http");
  }
  if (config.client_certificate.empty() != config.client_key.empty()) {
    return fail(Code::kInvalid, "client-certificate and client-key: both, or neither");
  }
  return {};
}

}  // namespace sluice::kube
