# ruff: noqa: INP001  a script of the Dockerfile, which nobody imports
"""Writes what the edge image holds: our envoy.yaml with a container's two addresses, and the contract's descriptor set.

The Dockerfile runs it. The path stays: envoy.yaml names `build/clarity.binpb`, relative to where Envoy is started.
"""

import argparse
from pathlib import Path

from clarity import edge


def addressed(text: str, server: str) -> str:
    """Open the listener to the container's network, and look for the server at its name; admin stays on loopback."""
    here = {
        "address: 127.0.0.1, port_value: 8080": "address: 0.0.0.0, port_value: 8080",
        "address: 127.0.0.1, port_value: 50051": f"address: {server}, port_value: 50051",
    }
    return edge.amend(text, here)


def main() -> None:
    """Run `python deploy/edge.py envoy/envoy.yaml FOLDER --server NAME`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="our envoy.yaml")
    parser.add_argument("folder", type=Path, help="gets envoy/envoy.yaml and build/clarity.binpb")
    parser.add_argument("--server", required=True, help="the host name or address of the server")
    asked = parser.parse_args()
    contents = {
        "envoy/envoy.yaml": addressed(edge.read_config(asked.config), asked.server).encode(),
        "build/clarity.binpb": edge.descriptor_set(),
    }
    for name, content in contents.items():
        path = asked.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
