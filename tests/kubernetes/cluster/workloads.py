# SPDX-License-Identifier: Apache-2.0
"""The objects that tests create, as JSON."""

from __future__ import annotations

from cluster import image, sluice

PORT = 8080
APP = "app"
CLAIM = "net"  # what a pod calls its claim


def container(vfs: int = 0, claims: tuple[str, ...] = ()) -> dict:
    """agnhost's HTTP server tells its name and whom it sees; with a short readiness probe."""
    resources: dict = {}
    if vfs:
        resources["limits"] = {sluice.RESOURCE: vfs}
    if claims:
        resources["claims"] = [{"name": name} for name in claims]
    return {
        "name": "server",
        "image": image.AGNHOST,
        "imagePullPolicy": "Never",
        "args": ["netexec", f"--http-port={PORT}", "--udp-port=-1"],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/hostname", "port": PORT},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
        },
        "resources": resources,
    }


def pod_spec(vfs: int = 0, node: str = "", template: str = "") -> dict:
    """`template`: of a ResourceClaim; the pod has a claim of its own then."""
    spec: dict = {
        "containers": [container(vfs, (CLAIM,) if template else ())],
        "terminationGracePeriodSeconds": 1,
        "enableServiceLinks": False,
        "dnsPolicy": "Default",
    }
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    if template:
        spec["resourceClaims"] = [{"name": CLAIM, "resourceClaimTemplateName": template}]
    return spec


def pod(name: str, vfs: int = 0, node: str = "", template: str = "") -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {APP: name}},
        "spec": pod_spec(vfs, node, template),
    }


def with_host_port(document: dict, port: int) -> dict:
    """The pod with its server's port on the node, too."""
    container = document["spec"]["containers"][0]
    container["ports"] = [{"containerPort": PORT, "hostPort": port}]
    return document


def deployment(
    name: str, replicas: int, vfs: int = 0, node: str = "", template: str = ""
) -> dict:
    """Evenly over both nodes, or all on one."""
    labels = {APP: name}
    spec = pod_spec(vfs, node, template)
    spec["topologySpreadConstraints"] = [{
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }]  # fmt: skip
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def stateful_set(name: str, vfs: int = 0, node: str = "") -> dict:
    """One pod, `<name>-0`: a deleted one is made again, under its name, as soon as the API server
    has forgotten it."""
    labels = {APP: name}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(vfs, node)},
        },
    }
