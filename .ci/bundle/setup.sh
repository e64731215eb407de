#!/usr/bin/env bash
# Compiles the native part against the libtorch of this machine, CUDA included where that libtorch has it.
# Usage: ./setup.sh [FOLDER]    FOLDER, or LIBTORCH: an unpacked libtorch, or the folder torch of a Python PyTorch.
# Without it, the PyTorch that python3 imports is taken, else the libtorch of the system.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libtorch=${1:-${LIBTORCH:-}}
if [ -z "$libtorch" ]; then
    libtorch=$(python3 -c 'import torch; print(torch.__path__[0])' 2> /dev/null || true)
fi
if ! command -v "${CXX:-g++}" > /dev/null; then
    echo "A C++ compiler is needed. Install g++, or name yours in CXX." >&2
    exit 1
fi

echo "Compiling over ${libtorch:-the libtorch of the system} ..."
bash "$here/native/build.sh" "$libtorch" "$here/app/libSystemLibtorch.so"

echo "Trying it ..."
"$here/conformance" --filter Quadratic_is_minimised
if [ -n "$libtorch" ] && [ -e "$libtorch/lib/libtorch_cuda.so" ]; then
    echo "This libtorch has CUDA. Trying that ..."
    LRT_DEVICE=cuda "$here/conformance" --filter Quadratic_is_minimised
fi
