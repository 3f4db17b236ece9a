// SPDX-License-Identifier: Apache-2.0
// The fields of the objects that a manifest may hold; kAny: legal, and nothing here reads it.
// Source: kubernetes core/v1 (staging/src/k8s.io/api/core/v1/types.go) and discovery/v1,
// release 1.37.
#include "offload/sources/schema.h"

namespace sluice::sources {
namespace {

using enum FieldType;

constexpr FieldSpec kObjectMetaFields[] = {
    {"annotations", kStringMap},
    {"creationTimestamp", kAny},
    {"deletionGracePeriodSeconds", kAny},
    {"deletionTimestamp", kAny},
    {"finalizers", kAny},
    {"generateName", kString},
    {"generation", kAny},
    {"labels", kStringMap},
    {"managedFields", kAny},
    {"name", kString},
    {"namespace", kString},
    {"ownerReferences", kAny},
    {"resourceVersion", kString},
    {"selfLink", kAny},
    {"uid", kString},
};
constexpr Schema kObjectMetaSchema{kObjectMetaFields};

constexpr FieldSpec kNodeSpecFields[] = {
    {"configSource", kAny}, {"externalID", kAny}, {"podCIDR", kString},     {"podCIDRs", kStrings},
    {"providerID", kAny},   {"taints", kAny},     {"unschedulable", kBool},
};
constexpr Schema kNodeSpecSchema{kNodeSpecFields};

constexpr FieldSpec kNodeAddressFields[] = {
    {"address", kString},
    {"type", kString},
};
constexpr Schema kNodeAddressSchema{kNodeAddressFields};

constexpr FieldSpec kNodeStatusFields[] = {
    {"addresses", kObjects, &kNodeAddressSchema},
    {"allocatable", kAny},
    {"capacity", kAny},
    {"conditions", kAny},
    {"config", kAny},
    {"daemonEndpoints", kAny},
    {"declaredFeatures", kAny},
    {"features", kAny},
    {"images", kAny},
    {"nodeInfo", kAny},
    {"phase", kAny},
    {"runtimeHandlers", kAny},
    {"volumesAttached", kAny},
    {"volumesInUse", kAny},
};
constexpr Schema kNodeStatusSchema{kNodeStatusFields};

constexpr FieldSpec kContainerPortFields[] = {
    {"containerPort", kInteger, nullptr, 1, 65535},
    {"hostIP", kString},
    {"hostPort", kInteger, nullptr, 0, 65535},
    {"name", kString},
    {"protocol", kString},
};
constexpr Schema kContainerPortSchema{kContainerPortFields};

constexpr FieldSpec kResourcesFields[] = {
    {"claims", kAny},
    {"limits", kQuantities},
    {"requests", kQuantities},
};
constexpr Schema kResourcesSchema{kResourcesFields};

constexpr FieldSpec kContainerFields[] = {
    {"args", kStrings},
    {"command", kStrings},
    {"env", kAny},
    {"envFrom", kAny},
    {"image", kString},
    {"imagePullPolicy", kString},
    {"lifecycle", kAny},
    {"livenessProbe", kAny},
    {"name", kString},
    {"ports", kObjects, &kContainerPortSchema},
    {"readinessProbe", kAny},
    {"resizePolicy", kAny},
    {"resources", kObject, &kResourcesSchema},
    {"restartPolicy", kAny},
    {"restartPolicyRules", kAny},
    {"securityContext", kAny},
    {"startupProbe", kAny},
    {"stdin", kAny},
    {"stdinOnce", kAny},
    {"targetContainerName", kAny},
    {"terminationMessagePath", kAny},
    {"terminationMessagePolicy", kAny},
    {"tty", kAny},
    {"volumeDevices", kAny},
    {"volumeMounts", kAny},
    {"workingDir", kString},
};
constexpr Schema kContainerSchema{kContainerFields};

constexpr FieldSpec kPodSpecFields[] = {
    {"activeDeadlineSeconds", kAny},
    {"affinity", kAny},
    {"automountServiceAccountToken", kAny},
    {"containers", kObjects, &kContainerSchema},
    {"dnsConfig", kAny},
    {"dnsPolicy", kAny},
    {"enableServiceLinks", kAny},
    {"ephemeralContainers", kObjects, &kContainerSchema},
    {"hostAliases", kAny},
    {"hostIPC", kAny},
    {"hostNetwork", kBool},
    {"hostPID", kAny},
    {"hostUsers", kAny},
    {"hostname", kString},
    {"hostnameOverride", kAny},
    {"imagePullSecrets", kAny},
    {"initContainers", kObjects, &kContainerSchema},
    {"nodeName", kString},
    {"nodeSelector", kStringMap},
    {"os", kAny},
    {"overhead", kAny},
    {"preemptionPolicy", kAny},
    {"priority", kAny},
    {"priorityClassName", kAny},
    {"readinessGates", kAny},
    {"resourceClaims", kAny},
    {"resources", kAny},
    {"restartPolicy", kAny},
    {"runtimeClassName", kAny},
    {"schedulerName", kAny},
    {"schedulingGates", kAny},
    {"securityContext", kAny},
    {"serviceAccount", kAny},
    {"serviceAccountName", kAny},
    {"setHostnameAsFQDN", kAny},
    {"shareProcessNamespace", kAny},
    {"subdomain", kString},
    {"terminationGracePeriodSeconds", kAny},
    {"tolerations", kAny},
    {"topologySpreadConstraints", kAny},
    {"volumes", kAny},
    {"workloadRef", kAny},
};
constexpr Schema kPodSpecSchema{kPodSpecFields};

constexpr FieldSpec kServicePortFields[] = {
    {"appProtocol", kString},
    {"name", kString},
    {"nodePort", kInteger, nullptr, 0, 65535},
    {"port", kInteger, nullptr, 1, 65535},
    {"protocol", kString},
    {"targetPort", kIntegerOrString, nullptr, 1, 65535},
};
constexpr Schema kServicePortSchema{kServicePortFields};

constexpr FieldSpec kServiceSpecFields[] = {
    {"allocateLoadBalancerNodePorts", kAny},
    {"clusterIP", kString},
    {"clusterIPs", kStrings},
    {"externalIPs", kStrings},
    {"externalName", kString},
    {"externalTrafficPolicy", kString},
    {"healthCheckNodePort", kAny},
    {"internalTrafficPolicy", kString},
    {"ipFamilies", kAny},
    {"ipFamilyPolicy", kAny},
    {"loadBalancerClass", kAny},
    {"loadBalancerIP", kAny},
    {"loadBalancerSourceRanges", kStrings},
    {"ports", kObjects, &kServicePortSchema},
    {"publishNotReadyAddresses", kBool},
    {"selector", kStringMap},
    {"sessionAffinity", kString},
    {"sessionAffinityConfig", kAny},
    {"trafficDistribution", kString},
    {"type", kString},
};
constexpr Schema kServiceSpecSchema{kServiceSpecFields};

constexpr FieldSpec kEndpointConditionsFields[] = {
    {"ready", kBool},
    {"serving", kBool},
    {"terminating", kBool},
};
constexpr Schema kEndpointConditionsSchema{kEndpointConditionsFields};

constexpr FieldSpec kObjectReferenceFields[] = {
    {"apiVersion", kString}, {"fieldPath", kString},       {"kind", kString}, {"name", kString},
    {"namespace", kString},  {"resourceVersion", kString}, {"uid", kString},
};
constexpr Schema kObjectReferenceSchema{kObjectReferenceFields};

constexpr FieldSpec kEndpointFields[] = {
    {"addresses", kStrings},
    {"conditions", kObject, &kEndpointConditionsSchema},
    {"deprecatedTopology", kAny},
    {"hints", kAny},
    {"hostname", kString},
    {"nodeName", kString},
    {"targetRef", kObject, &kObjectReferenceSchema},
    {"zone", kString},
};
constexpr Schema kEndpointSchema{kEndpointFields};

constexpr FieldSpec kEndpointPortFields[] = {
    {"appProtocol", kString},
    {"name", kString},
    {"port", kInteger, nullptr, 1, 65535},
    {"protocol", kString},
};
constexpr Schema kEndpointPortSchema{kEndpointPortFields};

constexpr FieldSpec kNodeFields[] = {
    {"apiVersion", kString},
    {"kind", kString},
    {"metadata", kObject, &kObjectMetaSchema},
    {"spec", kObject, &kNodeSpecSchema},
    {"status", kObject, &kNodeStatusSchema},
};

constexpr FieldSpec kPodFields[] = {
    {"apiVersion", kString},
    {"kind", kString},
    {"metadata", kObject, &kObjectMetaSchema},
    {"spec", kObject, &kPodSpecSchema},
    {"status", kAny},
};

constexpr FieldSpec kServiceFields[] = {
    {"apiVersion", kString},
    {"kind", kString},
    {"metadata", kObject, &kObjectMetaSchema},
    {"spec", kObject, &kServiceSpecSchema},
    {"status", kAny},
};

constexpr FieldSpec kEndpointSliceFields[] = {
    {"addressType", kString},
    {"apiVersion", kString},
    {"endpoints", kObjects, &kEndpointSchema},
    {"kind", kString},
    {"metadata", kObject, &kObjectMetaSchema},
    {"ports", kObjects, &kEndpointPortSchema},
};

}  // namespace

const Schema kNodeSchema{kNodeFields};
const Schema kPodSchema{kPodFields};
const Schema kServiceSchema{kServiceFields};
const Schema kEndpointSliceSchema{kEndpointSliceFields};

}  // namespace sluice::sources
