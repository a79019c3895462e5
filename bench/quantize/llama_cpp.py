"""llama_model_quantize of llama-cpp-python's library, timed.

usage: python3 llama_cpp.py PACKAGES_FOLDER IN OUT FILE_TYPE_NUMBER THREADS
Prints milliseconds, reading and writing included.
"""

import ctypes
import sys
import time

packages, source, target, file_type, threads = sys.argv[1:]
sys.path.insert(0, packages)

import llama_cpp as api  # noqa: E402

options = api.llama_model_quantize_default_params()
options.ftype = int(file_type)
options.nthread = int(threads)
options.allow_requantize = True
started = time.perf_counter()
failed = api.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(options))
print((time.perf_counter() - started) * 1000)
sys.exit(failed)
