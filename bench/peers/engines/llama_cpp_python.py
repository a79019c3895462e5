"""llama.cpp as llama-cpp-python builds it for this machine: the steps of measure.mjs, on its low-level interface.

usage: python3 llama_cpp_python.py PACKAGES_FOLDER JOB_AS_JSON
"""

import ctypes
import json
import os
import resource
import sys
import time

sys.path.insert(0, sys.argv[1])
job = json.loads(sys.argv[2])
values = {}


def prompt_ids(length, salt):
    """As in plan.mjs: the same ids for every engine."""
    start, span = job["vocabulary"] >> 2, job["vocabulary"] >> 1
    return [start + (i * 7919 + salt * 104729) % span for i in range(length)]


def backend():
    """Of `CPU : SSE3 = 1 | AVX = 0 | ...`, what there is."""
    parts = api.llama_print_system_info().decode().replace("CPU :", "").split("|")
    there = [part.split("=")[0].strip() for part in parts if part.strip().endswith("= 1")]
    return "built from source, " + " ".join(there)


def peak_rss():
    try:
        with open("/proc/self/status", encoding="utf8") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def pss():
    """Proportional set, in bytes; 0 where the system does not tell."""
    try:
        with open("/proc/self/smaps_rollup", encoding="utf8") as rollup:
            return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


before = time.perf_counter()
import llama_cpp as api  # noqa: E402

quiet = api.llama_log_callback(lambda level, text, data: None)
api.llama_log_set(quiet, ctypes.c_void_p(0))
api.llama_backend_init()
values["start"] = (time.perf_counter() - before) * 1000

before = time.perf_counter()
model_options = api.llama_model_default_params()
model_options.n_gpu_layers = 0
model = api.llama_model_load_from_file(job["paths"][0].encode(), model_options)
if not model:
    sys.exit("error: llama-cpp-python cannot load the model")
options = api.llama_context_default_params()
options.n_ctx = job["contextSize"]
options.n_batch = options.n_ubatch = job["batchSize"]
options.n_threads = options.n_threads_batch = job["threads"]
context = api.llama_init_from_model(model, options)
sampler = api.llama_sampler_init_greedy()
values["load"] = (time.perf_counter() - before) * 1000


def decode(ids):
    tokens = (api.llama_token * len(ids))(*ids)
    if api.llama_decode(context, api.llama_batch_get_one(tokens, len(ids))) != 0:
        sys.exit("error: llama_decode failed")
    return api.llama_sampler_sample(sampler, context, -1)


salt = 0


def run(length, tokens):
    global salt
    salt += 1
    api.llama_memory_clear(api.llama_get_memory(context), True)
    prompt = prompt_ids(length, salt)
    start = time.perf_counter()
    cpu_start = time.process_time()
    for at in range(0, length, job["batchSize"]):
        ids = [decode(prompt[at : at + job["batchSize"]])]
    first = time.perf_counter()
    cpu = time.process_time()
    while len(ids) < tokens:
        ids.append(decode(ids[-1:]))
    seconds = time.perf_counter() - first
    return ids, first - start, cpu - cpu_start, seconds, time.process_time() - cpu


values["loadToFirst"] = values["load"] + run(1, 1)[1] * 1000
values["firstToken"] = run(job["firstToken"], 1)[1] * 1000
skipped = []


def too_long(n, metric):
    seconds = values["firstToken"] / job["firstToken"] / 1000 * n
    if seconds > job["timeLimit"]:
        skipped.append(f"{metric}: about {seconds:.0f} s")
    return seconds > job["timeLimit"]


for n in job["prefill"]:
    if too_long(n, f"prefill {n}"):
        continue
    _, seconds, cpu, _, _ = run(n, 1)
    values[f"prefill{n}"] = n / seconds
    values[f"prefillCpu{n}"] = cpu * 1000 / n
run(16, 17)
first_ids = []
for case in job["decode"]:
    at, steps = case["context"], case["tokens"]
    if too_long(at, f"decode at {at}"):
        continue
    ids, _, _, seconds, cpu = run(at, steps + 1)
    values[f"decode{at}"] = steps / seconds
    values[f"decodeCpu{at}"] = cpu * 1000 / steps
    values[f"decodeUse{at}"] = 100 * cpu / seconds / (os.cpu_count() or 1)
    first_ids = first_ids or ids
values["peakRss"] = peak_rss() / 1e6
if pss() > 0:
    values["peakPss"] = pss() / 1e6

print()
print(
    json.dumps(
        {
            "version": api.__version__,
            "backend": backend(),
            "values": values,
            "ids": first_ids,
            "skipped": skipped,
            "cpuSeconds": time.process_time(),
        }
    )
)
