# SPDX-License-Identifier: Apache-2.0
"""A pod's port on its node: `hostPort`, by the runtime's portMappings."""

from cluster import workloads
from cluster.case import ClusterTest
from cluster.node import Node
from cluster.workloads import PORT

HOST_PORT = 18080
REQUEST = "printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n'"


class HostPorts(ClusterTest):
    def test_a_host_port_leads_to_its_pod(self) -> None:
        self.kubectl.apply(workloads.deployment("clients", 2))
        clients = self.await_ready("clients", 2)
        self.require_both_nodes(clients)
        for vfs in (0, 1):
            with self.subTest(vfs=vfs):
                name = f"server-{vfs}"
                document = workloads.pod(name, vfs=vfs, node="n1")
                self.kubectl.apply(workloads.with_host_port(document, HOST_PORT))
                self.await_ready(name, 1)
                node = self.cluster.nodes["n1"]
                for client in clients:
                    said = self.kubectl.exec(client.name, "sh", "-c", ask(node.address))
                    self.assertEqual(said.strip(), name, f"from a pod of {client.node}")
                for address in (node.address, "127.0.0.1"):
                    said = ask_from_node(node, address)
                    self.assertEqual(said, name, f"from the node itself by {address}")
                self.kubectl.delete("pod", name)
                self.assertEqual(ask_from_node(node, node.address), "", "the port after its pod")


def ask(address: str) -> str:
    """A shell command for a pod: prints the name of the pod that answers, or nothing."""
    return f"{REQUEST} | nc -w 3 {address} {HOST_PORT} | tail -n 1"


def ask_from_node(node: Node, address: str) -> str:
    script = f"exec 3<>/dev/tcp/{address}/{HOST_PORT} && {REQUEST} >&3 && tail -n 1 <&3"
    return node.run("timeout", "5", "bash", "-c", script, check=False).stdout.strip()
