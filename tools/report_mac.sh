#!/usr/bin/env bash
# What a Mac's owner can send us: the facts of the machine, and how the device tests went on its GPU.
# Usage: tools/report_mac.sh <python> [report file]     Ends as the tests end.
set -uo pipefail
cd "$(dirname "$0")/.."
python=$1
report=${2:-metal-report.txt}
# Metal's own checks; both must be set before the process starts.
export MTL_DEBUG_LAYER=1 MTL_DEBUG_LAYER_ERROR_MODE=assert MTL_SHADER_VALIDATION=1
{
  echo "metalpy report of $(date -u +%Y-%m-%dT%H:%M:%SZ), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
  sw_vers 2>/dev/null
  "$python" -m metalpy report
  echo
  "$python" -m pytest -q --benchmark-disable --device=metal tests/device tests/msl
} 2>&1 | tee "$report"
status=${PIPESTATUS[0]}
echo "wrote $report; please attach it to an issue"
exit "$status"
