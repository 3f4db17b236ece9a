// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_api_server/certificates.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "common/os/process.h"

namespace sluice::test {
namespace {

KeyPair make(const std::string& directory, const std::string& name,
             const std::vector<std::string>& more) {
  KeyPair pair{directory + "/" + name + ".crt", directory + "/" + name + ".key"};
  std::vector<std::string> argv = {"openssl", "req",    "-x509",    "-newkey",
                                   "ec",      "-nodes", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                                   "-days",   "2",      "-subj",    "/CN=" + name,
                                   "-keyout", pair.key, "-out",     pair.certificate};
  argv.insert(argv.end(), more.begin(), more.end());
  const auto made = os::run_checked(argv, {}, std::chrono::seconds(60));
  if (!made) {
    std::fprintf(stderr, "openssl: %s\n", made.error().to_string().c_str());
    std::abort();
  }
  return pair;
}

}  // namespace

KeyPair make_authority(const std::string& directory, const std::string& name) {
  return make(directory, name, {});
}

KeyPair make_certificate(const std::string& directory, const std::string& name,
                         const KeyPair& authority) {
  return make(directory, name,
              {"-CA", authority.certificate, "-CAkey", authority.key, "-addext",
               "subjectAltName=IP:127.0.0.1,IP:::1", "-addext", "basicConstraints=CA:FALSE"});
}

}  // namespace sluice::test
