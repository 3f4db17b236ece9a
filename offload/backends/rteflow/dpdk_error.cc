// SPDX-License-Identifier: Apache-2.0
#include "offload/backends/rteflow/dpdk_error.h"

#include <rte_errno.h>
#include <rte_flow.h>

namespace sluice::rteflow {
namespace {

// enum rte_flow_error_type, in words.
std::string_view part(rte_flow_error_type type) {
  switch (type) {
    case RTE_FLOW_ERROR_TYPE_NONE:
      return "no part";
    case RTE_FLOW_ERROR_TYPE_UNSPECIFIED:
      return "unspecified part";
    case RTE_FLOW_ERROR_TYPE_HANDLE:
      return "handle";
    case RTE_FLOW_ERROR_TYPE_ATTR_GROUP:
      return "group";
    case RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY:
      return "priority";
    case RTE_FLOW_ERROR_TYPE_ATTR_INGRESS:
      return "ingress attribute";
    case RTE_FLOW_ERROR_TYPE_ATTR_EGRESS:
      return "egress attribute";
    case RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER:
      return "transfer attribute";
    case RTE_FLOW_ERROR_TYPE_ATTR:
      return "attributes";
    case RTE_FLOW_ERROR_TYPE_ITEM_NUM:
      return "number of items";
    case RTE_FLOW_ERROR_TYPE_ITEM_SPEC:
      return "item's value";
    case RTE_FLOW_ERROR_TYPE_ITEM_LAST:
      return "item's range";
    case RTE_FLOW_ERROR_TYPE_ITEM_MASK:
      return "item's mask";
    case RTE_FLOW_ERROR_TYPE_ITEM:
      return "item";
    case RTE_FLOW_ERROR_TYPE_ACTION_NUM:
      return "number of actions";
    case RTE_FLOW_ERROR_TYPE_ACTION_CONF:
      return "action's configuration";
    case RTE_FLOW_ERROR_TYPE_ACTION:
      return "action";
    default:
      return "part";
  }
}

}  // namespace

Error dpdk_error(int number, std::string_view what) {
  Error error = errno_error(number, what);  // for its code
  error.domain = Domain::kDpdk;
  // DPDK has numbers of its own beyond errno's.
  error.message = std::string(what) + ": " + ::rte_strerror(number);
  return error;
}

Error flow_error(const rte_flow_error& refused, int number) {
  Error error = errno_error(number == 0 ? EINVAL : number, "");
  error.domain = Domain::kDpdk;
  error.native = static_cast<int>(refused.type);
  error.message = refused.message != nullptr ? refused.message : ::rte_strerror(number);
  error.message += " (" + std::string(part(refused.type)) + ")";
  return error;
}

}  // namespace sluice::rteflow
