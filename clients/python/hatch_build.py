"""Build hook that adds what the package shares with the rest of the repository: the service's protobuf messages, generated with
type stubs, and the contracts' ABIs."""

import shutil
import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = "tribute/v1"


class SharedHook(BuildHookInterface):
    """Fills ``tribute/_proto`` and ``tribute/_abi``."""

    def initialize(self, version, build_data):
        import grpc_tools
        from grpc_tools import protoc

        root = Path(self.root)
        sources = _shared(root, "proto", "proto")
        out = root / "tribute" / "_proto"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        protos = sorted(str(p) for p in (sources / FILES).glob("*.proto"))
        if protoc.main(["protoc", f"-I{sources}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}", f"--python_out={out}", f"--pyi_out={out}", *protos]):
            sys.exit("protoc failed")
        # protoc generates absolute imports of sibling modules, which are inside this package
        for path in out.rglob("*.py*"):
            path.write_text(path.read_text().replace("from tribute.v1 import", "from tribute._proto.tribute.v1 import"))
        for folder in (out, out / "tribute", out / "tribute" / "v1"):
            (folder / "__init__.py").touch()
        abis = root / "tribute" / "_abi"
        shutil.rmtree(abis, ignore_errors=True)
        shutil.copytree(_shared(root, "abi", "verifier-contract/abi"), abis)
        build_data["artifacts"] += ["tribute/_proto/**", "tribute/_abi/**"]
        if self.target_name == "sdist":
            build_data["force_include"][str(sources)] = "proto"
            build_data["force_include"][str(abis)] = "abi"


def _shared(root, inside, outside):
    """The folder `inside` of a source distribution, or else `outside` of the repository."""
    for folder in (root / inside, root.parent.parent / outside):
        if folder.is_dir():
            return folder
    sys.exit(f"{outside} is missing: build from a clone, or from a source distribution")
