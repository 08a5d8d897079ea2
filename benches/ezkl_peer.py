"""One measurement of EZKL on a dense head: python ezkl_peer.py FEATURES CLASSES BATCH FOLDER [--contract]. Prints one line of
JSON. With --contract it also writes its EVM verifier's source and a call with the proof: FOLDER/verifier.sol, FOLDER/call.

EZKL chooses its own circuit: `calibrate_settings(target="resources")` after `gen_settings`, a parameter set from its own
`gen_srs`. Inputs and weights are private and not hashed, outputs public: less than Tribute's service proof states, which
also binds every query to a receipt.
"""

import asyncio
import inspect
import json
import resource
import sys
import time
from pathlib import Path

import ezkl
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


async def settled(value):
    return await value if inspect.isawaitable(value) else value


def write_model(folder, features, classes, batch):
    rng = np.random.default_rng(0)
    weight = (rng.normal(size=(features, classes)) / np.sqrt(features)).astype(np.float32)
    bias = np.zeros(classes, np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["y"]),
        ],
        "head",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, folder / "head.onnx")
    queries = rng.random((batch, features)).astype(np.float32)
    (folder / "input.json").write_text(json.dumps({"input_data": [queries.reshape(-1).tolist()]}))


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def write_contract(folder, srs):
    """The EVM verifier's source and a call. EZKL writes the source and then wants a compiler, which gas.mjs has."""
    path = lambda name: str(folder / name)
    source = folder / "verifier.sol"
    source.unlink(missing_ok=True)
    try:
        await settled(ezkl.create_evm_verifier(path("vk"), path("settings.json"), str(source), path("abi.json"), str(srs), False))
    except RuntimeError:
        if not source.exists():
            raise
    await settled(ezkl.encode_evm_calldata(path("proof.json"), path("call"), None))


async def measure(features, classes, batch, folder, contract=False):
    path = lambda name: str(folder / name)
    write_model(folder, features, classes, batch)
    arguments = ezkl.PyRunArgs()
    arguments.input_visibility = "private"
    arguments.param_visibility = "private"
    arguments.output_visibility = "public"
    arguments.input_scale = 7
    arguments.param_scale = 12
    ezkl.gen_settings(path("head.onnx"), path("settings.json"), py_run_args=arguments)
    await settled(ezkl.calibrate_settings(path("input.json"), path("head.onnx"), path("settings.json"), "resources"))
    settings = json.loads((folder / "settings.json").read_text())
    k = settings["run_args"]["logrows"]
    srs = folder.parent / f"ezkl-{k}.srs"
    ezkl.compile_circuit(path("head.onnx"), path("circuit"), path("settings.json"))
    if not srs.exists():
        ezkl.gen_srs(str(srs), k)
    start = time.perf_counter()
    ezkl.setup(path("circuit"), path("vk"), path("pk"), srs_path=str(srs))
    keys_seconds = time.perf_counter() - start
    before = cpu_seconds()
    start = time.perf_counter()
    await settled(
        ezkl.gen_witness(path("input.json"), path("circuit"), path("witness.json"), vk_path=path("vk"), srs_path=str(srs))
    )
    witness_seconds = time.perf_counter() - start
    start = time.perf_counter()
    ezkl.prove(path("witness.json"), path("circuit"), path("pk"), path("proof.json"), srs_path=str(srs))
    prove_seconds = time.perf_counter() - start
    used = cpu_seconds() - before
    proof = json.loads((folder / "proof.json").read_text())["proof"]
    start = time.perf_counter()
    accepted = ezkl.verify(path("proof.json"), path("settings.json"), path("vk"), srs_path=str(srs))
    verify_ms = (time.perf_counter() - start) * 1e3
    if not accepted:
        sys.exit("EZKL's proof does not verify")
    if contract:
        await write_contract(folder, srs)
    return {
        "features": features,
        "classes": classes,
        "count": batch,
        "k": k,
        "keys_seconds": keys_seconds,
        "witness_seconds": witness_seconds,
        "prove_seconds": prove_seconds,
        "seconds": witness_seconds + prove_seconds,
        "cpu_seconds": used,
        "verify_ms": verify_ms,
        "proof_bytes": len(proof) if isinstance(proof, list) else (len(proof) - 2) // 2,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "milliseconds_per_item": (witness_seconds + prove_seconds) * 1e3 / batch,
        "version": getattr(ezkl, "__version__", "unknown"),
    }


if __name__ == "__main__":
    work = Path(sys.argv[4])
    work.mkdir(parents=True, exist_ok=True)
    result = asyncio.run(measure(*(int(a) for a in sys.argv[1:4]), work, "--contract" in sys.argv[5:]))
    print(json.dumps(result))
