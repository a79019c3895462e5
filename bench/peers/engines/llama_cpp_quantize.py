"""Writes a model in another type, with llama.cpp's quantizer.

usage: python3 llama_cpp_quantize.py PACKAGES_FOLDER SOURCE.gguf TARGET.gguf TYPE
"""

import os
import sys

sys.path.insert(0, sys.argv[1])
import llama_cpp as api  # noqa: E402

source, target, name = sys.argv[2:5]
options = api.llama_model_quantize_default_params()
options.ftype = getattr(api, f"LLAMA_FTYPE_MOSTLY_{name}")
# The source is quantized already: nothing finer is at hand, and speed does not depend on values.
options.allow_requantize = True
part = target + ".part"
if api.llama_model_quantize(source.encode(), part.encode(), options) != 0:
    sys.exit("llama_model_quantize failed")
os.replace(part, target)
