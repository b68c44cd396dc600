# sh tools/pack_data.sh FROM TO   packs what the runs of the fields need into TO, small enough to travel to a rented GPU (45 MB).
# There, sh TO/unpack.sh makes the folder `data` that nbs/experiments/plans/fields_base.yaml names, in a few seconds.
# The 46,000 JPEG pictures share most of their bytes, which are headers: packed together they take 14 MB instead of 39.
set -e
from=$1; to=$2; here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
mkdir -p "$to" "$here/cifar-jpeg"
python3 -c "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])" "$from/cifar10/jpeg-train.zip" "$here/cifar-jpeg"
tar -C "$here" -c cifar-jpeg | xz -6 > "$to/cifar-jpeg.tar.xz"
cp "$from/cifar10/original-3000.npz" "$to"
tar -C "$from" -cf "$to/bsds500.tar" bsds500/train bsds500/test
cat > "$to/unpack.sh" <<'EOF'
set -e
d=$(dirname "$0"); mkdir -p data/cifar10
for f in "$d"/*.tar*; do python3 -m tarfile -e "$f" data; done
cp "$d/original-3000.npz" data/cifar10/
EOF
