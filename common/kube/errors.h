// SPDX-License-Identifier: Apache-2.0
// An HTTP answer that is no success -> Error. Internal to common/kube.
//
// Source: k8s.io/apimachinery/pkg/apis/meta/v1 Status, StatusReason.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::kube {

// `body`: the server's, hostile; a Status object or anything else.
Error answer_error(long http_status, std::string_view body, const std::string& what);

}  // namespace sluice::kube
