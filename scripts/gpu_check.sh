#!/bin/sh
# Measure an NVIDIA card: scripts/gpu_check.sh [RESULT.json]
# Right numbers against float64 on the CPU, then stock and fused from 128 to 8,192 cells, on 2,000 and 20,000 genes.
set -eu
cd "$(dirname "$0")/.."
result=${1:-gpu_check.json}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
python=.venv/bin/python
[ -x "$python" ] || python=python3

"$python" -m backend check cuda --json >"$parts/check.json"
for genes in 2000 20000; do
    "$python" -m backend bench --accelerator cuda --simulate "20000x$genes" --max-epochs 3 --json \
        --batch-sizes 128,512,1024,2048,8192 >"$parts/$genes.json"
done
"$python" - "$parts" "$result" <<'PYTHON'
import json, pathlib, sys

parts, result = map(pathlib.Path, sys.argv[1:])
result.write_text(json.dumps({part.stem: json.loads(part.read_text()) for part in sorted(parts.glob("*.json"))}, indent=1))
print("written to", result)
PYTHON
