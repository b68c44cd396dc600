# sh tools/install.sh PYTHON VENV   makes VENV and installs this repository there with its tools, saying every half minute how far it is.
# TORCH_INDEX=https://download.pytorch.org/whl/cpu takes torch's builds for CPUs from there: a quarter of the size.
# CONSTRAINTS=constraints.txt installs the versions of the committed records.
set -e
python=$1
venv=$2
log=$venv/install.log
size=6.5
[ -z "$TORCH_INDEX" ] || size=2
free=$(($(df -Pk "$(dirname "$venv")" | awk 'NR == 2 {print $4}') / 1048576))
echo "making $venv: about $size GB, 3 to 10 minutes, once ($free GB are free here; log: $log)"
"$python" -m venv "$venv"
here=$venv/bin/python
installing() {
    "$here" -m pip install --upgrade pip setuptools wheel || return
    if [ "$TORCH_INDEX" ]; then
        "$here" -m pip install ${CONSTRAINTS:+--constraint "$CONSTRAINTS"} --index-url "$TORCH_INDEX" torch torchvision || return
    fi
    "$here" -m pip install ${CONSTRAINTS:+--constraint "$CONSTRAINTS"} --editable '.[dev]'
}
installing >"$log" 2>&1 &
job=$!
trap 'kill $job 2>/dev/null; exit 130' INT TERM
begun=$(date +%s)
while kill -0 $job 2>/dev/null; do
    sleep "${EVERY:-30}" &
    wait $! || true
    kill -0 $job 2>/dev/null || break
    doing=$(grep -aE '^ *(Collecting|Downloading|Using cached|Installing|Building|Preparing)' "$log" | tail -1 | cut -c1-60)
    echo "    $((($(date +%s) - begun) / 60)) min, $(du -sm "$venv" | cut -f1) MB: $doing"
done
wait $job || { tail -30 "$log" >&2; echo "the installation failed: see above" >&2; exit 1; }
echo "    done: $(du -sm "$venv" | cut -f1) MB in $((($(date +%s) - begun) / 60)) min"
