# sh tools/papermill.sh NOTEBOOK OUTPUT [papermill's options]   runs a notebook quietly: its progress bars
# are shown, what papermill and the kernel say goes to a log beside OUTPUT, which is shown on failure.
# BARS=lines shows bars as lines, for runs that go side by side.
set -e
notebook=$1
output=$2
shift 2
mkdir -p "$(dirname "$output")"
log=${output%.ipynb}.log
bars() { if [ "$BARS" = lines ]; then python "$(dirname "$0")/bars.py" >&2; else cat >&2; fi; }
# the bars go through a pipe: papermill would empty a file that stderr is
failed=$({ {
    python -W ignore -m papermill --no-progress-bar --log-level ERROR --stderr-file /dev/fd/3 \
        "$notebook" "$output" "$@" 3>&1 >"$log" 2>&1 || echo failed >&4
} | bars; } 4>&1)
if [ "$failed" ]; then
    cat "$log" >&2
    exit 1
fi
rm -f "$log"
