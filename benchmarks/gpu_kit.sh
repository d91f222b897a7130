#!/usr/bin/env bash
# What to run first wherever there is a GPU; benchmarks/README.md says what comes of it.
#
#   bash benchmarks/gpu_kit.sh [--rehearse] [--wheels FOLDER] [--out FOLDER] [PART ...]
#
# Parts, in this order if none is named: parity jobs throughput options profile. Each has a budget
# and a result file that is whole after every measurement; one that fails stops no other.
# `--rehearse` runs everything tiny on the CPU. PYTHON names another interpreter than python3.
set -uo pipefail

known="parity jobs throughput options profile"
rehearse="" wheels="" out="" parts=()

refuse() { echo "error: $1." >&2; exit 2; }

# Seconds of a part, on a GPU and in a rehearsal, which takes much less on an idle machine.
budget() {
  case $1 in
    parity) echo 240 150 ;;
    jobs) echo 210 150 ;;
    throughput) echo 510 150 ;;
    options) echo 240 100 ;;
    profile) echo 90 60 ;;
  esac
}
grace=30  # seconds over its budget, until a part is ended

while [ $# -gt 0 ]; do
  case $1 in
    --rehearse) rehearse=--rehearse ;;
    --wheels | --out)
      [ $# -gt 1 ] || refuse "\`$1\` needs a folder"
      mkdir -p "$2" 2>/dev/null && folder=$(cd "$2" 2>/dev/null && pwd) ||
        refuse "'$2' is no folder, and can't become one"
      if [ "$1" = --wheels ]; then wheels=$folder; else out=$folder; fi
      shift ;;
    -*) refuse "\`$1\` is no option; there are --rehearse, --wheels FOLDER and --out FOLDER" ;;
    *)
      [ -n "$(budget "$1")" ] || refuse "'$1' is no part; there are $known"
      parts+=("$1") ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || read -ra parts <<<"$known"

cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
if [ -z "$out" ]; then
  out=$PWD/benchmarks/results
  [ -z "$rehearse" ] || out=$work/results
fi
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD:$PWD/benchmarks:$work/site${PYTHONPATH:+:$PYTHONPATH}"

if [ -n "$wheels" ]; then
  compgen -G "$wheels/*.whl" >/dev/null || refuse "'$wheels' holds no wheels"
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --find-links "$wheels" \
    --target "$work/site" "$wheels"/*.whl || { echo "error: pip refused the wheels." >&2; exit 1; }
fi
# The script records its own version, also if it is not installed.
if ! "$python" -c 'import importlib.metadata as m; m.version("jaxrnn")' 2>/dev/null; then
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
  mkdir -p "$work/site/jaxrnn-$version.dist-info"
  printf 'Metadata-Version: 2.1\nName: jaxrnn\nVersion: %s\n' "$version" \
    >"$work/site/jaxrnn-$version.dist-info/METADATA"
fi
if [ -n "$rehearse" ]; then
  export JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR=$work/programs
  export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.1
fi
device=$("$python" -m benchmarks.gpu.machine $rehearse | tail -n 1) || exit 1
mkdir -p "$out"
log=$out/gpu-kit.log failed=0
echo "$device, $("$python" --version), results in $out"

for part in "${parts[@]}"; do
  read -r seconds tiny <<<"$(budget "$part")"
  [ -z "$rehearse" ] || seconds=$tiny
  echo "== $part: at most $seconds s"
  shared=()  # where several processes share the GPU, JAX must not take most of it at once
  case $part in parity | throughput) shared=(XLA_PYTHON_CLIENT_PREALLOCATE=false) ;; esac
  begin=$SECONDS
  env "${shared[@]}" timeout --foreground --kill-after=10 $((seconds + grace)) \
    "$python" -m benchmarks.gpu "$part" --device "$device" --out "$out" --budget "$seconds" \
    $rehearse </dev/null 2>>"$log" || { failed=1; tail -n 20 "$log"; }
  echo "== $part took $((SECONDS - begin)) s"
done
"$python" -m benchmarks.gpu.summary "$device" "$out" "${parts[@]}" && exit "$failed"
