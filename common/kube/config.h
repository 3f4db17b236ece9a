// SPDX-License-Identifier: Apache-2.0
// Where the API server is and who we are there: from a kubeconfig file, or from the pod's own
// service account.
//
// Errors: what a kubeconfig has and we don't support (exec and auth-provider plugins, passwords,
// impersonation, proxies) is Code::kUnsupported and names the field; nothing is left out silently.
// Source: k8s.io/client-go/tools/clientcmd/api/v1 (the file), "Accessing the Kubernetes API from a
// Pod" (the service account's directory and variables).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice::kube {

// Given in place, or as a file, which is read again for every use: tokens and certificates rotate.
struct Material {
  std::string text;
  std::string file;
  bool empty() const { return text.empty() && file.empty(); }
  // Errors: the file's. A file that is empty is Code::kInvalid.
  Result<std::string> read() const;
  bool operator==(const Material&) const = default;
};

struct Config {
  std::string server;                       // "https://10.96.0.1:443", without a final slash
  Material ca;                              // PEM; empty: the system's authorities
  Material client_certificate, client_key;  // PEM; both or none
  Material token;
  bool insecure_skip_tls_verify = false;
  std::string namespace_name;         // "" where none is said
  std::vector<std::string> warnings;  // for the log
};

// `context`: "" for the file's current-context. Relative file names count from the file's
// directory.
Result<Config> load_kubeconfig(const std::string& path, const std::string& context = {});
Result<Config> parse_kubeconfig(std::string_view yaml, const std::string& directory,
                                const std::string& context = {});

// What the kubelet gives every container.
struct PodEnvironment {
  std::string host, port;  // KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT
  std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount";
};
PodEnvironment pod_environment();  // of this process
// Not in a pod: Code::kPrecondition.
Result<Config> in_cluster(const PodEnvironment& environment);

// What must hold of any Config: an http(s) URL without credentials, no secret over plain http.
Status check(const Config& config);

}  // namespace sluice::kube
