// SPDX-License-Identifier: Apache-2.0
// Authorities and certificates for tests, made by the openssl program in a directory.
#pragma once

#include <string>

namespace sluice::test {

struct KeyPair {
  std::string certificate, key;  // paths of PEM files
};

// Both abort when openssl isn't there or fails: nothing can be tested then.
KeyPair make_authority(const std::string& directory, const std::string& name);
// `server`: valid for 127.0.0.1 and ::1.
KeyPair make_certificate(const std::string& directory, const std::string& name,
                         const KeyPair& authority);

}  // namespace sluice::test
