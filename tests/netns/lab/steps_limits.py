# SPDX-License-Identifier: Apache-2.0
"""What happens at the limits: more pods than VFs, a manifest with a mistake."""

from __future__ import annotations

from lab.cast import Cast
from lab.cluster import Cluster
from lab.manifest import VF_RESOURCE
from lab.node import VFS, Node
from lab.report import Carrier, Failed, Step, expect
from lab.shell import wait_until
from lab.steps_services import cluster_ip

TYPO = "prots"
BROKEN = f"""---
apiVersion: v1
kind: Service
metadata: {{namespace: shop, name: with-a-typo}}
spec:
  clusterIP: 10.96.0.250
  {TYPO}: [{{port: 80}}]
"""


def more_pods_than_vfs(node: Node) -> str:
    """A VF in resources.limits is hard: the pod waits, as for memory."""
    fillers: list[str] = []
    try:
        for number in range(VFS + 1):
            pod = f"lab/filler-{number}"
            answer = node.allocate(pod, VF_RESOURCE, 1)
            if "error" in answer:
                words = str(answer["error"])
                expect(VF_RESOURCE in words, f"the resource is not named: {words}")
                return f"after {len(fillers)} more pods: {words!r}, and that pod waits"
            fillers.append(pod)
    finally:
        for pod in fillers:
            node.free(pod)
    raise Failed(f"{node.name} gave {len(fillers)} VFs to new pods and has {VFS} in all")


def broken_manifest(cluster: Cluster, cast: Cast) -> str:
    """The last good version stays in force, and everybody can see why the new one isn't."""

    def errors() -> list[str]:
        found = [node.ctl("status").get("manifest_error", "") for node in cluster.nodes.values()]
        return found if all(found) else []

    try:
        cluster.publish(cluster.manifest.text.rstrip("\n") + "\n" + BROKEN, wait=False)
        words = wait_until("sluicectl status to show the manifest's error", errors, 10.0)
        assert isinstance(words, list)
        expect(TYPO in words[0], f"the error doesn't name the field {TYPO}: {words[0]}")
        cluster_ip(cast.vf_client, cast.spread)
    finally:
        cluster.publish()
    nodes = cluster.nodes.values()
    wait_until(
        "the manifest's error to go",
        lambda: not any(node.ctl("status").get("manifest_error") for node in nodes),
        10.0,
    )
    return f"{words[0]!r}; services go on, and the corrected one is taken"


def steps(cluster: Cluster, cast: Cast) -> list[Step]:
    fifth = "limits and faults"
    return [
        Step(
            fifth, "more pods than VFs", lambda: more_pods_than_vfs(cast.home), Carrier.NOBODY
        ),
        Step(fifth, "a mistake in the manifest", lambda: broken_manifest(cluster, cast)),
    ]
