#!/usr/bin/env bash
# Makes a model of two branches, as the one that ships: every stage is a command of native-train.
#
#   recipes/two-branches.sh DATA OUT       from the data that recipes/README.md describes
#   recipes/two-branches.sh --smoke OUT    every stage in miniature, on built-in drawings
#
# The model is OUT/model. A stage that is done is not done again, and a training run goes on where it was interrupted, so the same
# command resumes the whole. NATIVE_TRAIN names the program (default: cargo run --release -p native-train --), PRECISION=bf16 trains
# faster on processors that have it, BEFORE is a model folder whose stroke branch the training begins with.
set -euo pipefail

[ $# -eq 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
data=$1 out=$2
program=(${NATIVE_TRAIN:-cargo run --release -p native-train --})
precision=${PRECISION:-f32}
mkdir -p "$out"
out=$(cd "$out" && pwd)
[ "$data" = --smoke ] || data=$(cd "$data" && pwd)

# stage NAME COMMAND...: runs a command of native-train unless it is done.
stage() {
  local name=$1
  shift
  [ -e "$out/$name.done" ] && return
  echo "== $name: native-train $*" >&2
  "${program[@]}" "$@"
  touch "$out/$name.done"
}

# train NAME FLAG...: a training run in OUT/NAME, resumed if it was interrupted.
train() {
  local name=$1 resume=()
  shift
  compgen -G "$out/$name/checkpoints/step-*" >/dev/null && resume=(--resume)
  stage "$name" train --out "$out/$name" ${resume[@]+"${resume[@]}"} --precision "$precision" \
    --eval-data "$out/validation.ndjson.gz" "${common[@]}" "$@"
}

# What all runs have in common. The weak augmentation is for the strokes; teachers' labels were made without it.
common=(--preset best --label-smoothing 0 --schedule cosine)
weak=(--augment off --augment-rotate 0.05 --augment-scale 0.05 --augment-shear 0.03 --augment-jitter 0.5
  --augment-redraw 0.3 --augment-prefix 0.15)
weakest=(--augment off --augment-rotate 0.03 --augment-scale 0.03 --augment-shear 0.02 --augment-jitter 0.3
  --augment-prefix 0.05)
strong=(--augment off --augment-rotate 0.1 --augment-scale 0.08 --augment-shear 0.08 --augment-jitter 0.7
  --augment-elastic 2 --augment-loosen-strokes 1.5 --augment-flip 0.15 --augment-prefix 0.1)
image=(--image-conv 16,32,64,96,192 --image-stride 2,1,2,1,2)
image_alone=(--num-layers 0)

if [ "$data" = --smoke ]; then
  # The same stages: small networks, few steps, labels by a model that is trained for it.
  common+=(--num-nodes 24 --device cpu --quiet)
  usual=(--soft-weight 0.95 --warmup-steps 10 --eval-every-steps 50)
  image=(--image-conv 8,16 --image-stride 2,2)
  stage originals augment --augment off --skip-last 6 --out "$out/originals.ndjson.gz"
  stage validation augment --augment off --only-last 6 --out "$out/validation.ndjson.gz"
  narrow=(--num-conv 12,16,24 --batch-size 64)
  train teacher --data "$out/originals.ndjson.gz" "${usual[@]}" "${weak[@]}" "${narrow[@]}" --steps 300 --learning-rate 0.01
  stage made augment "$out/originals.ndjson.gz" --copies 1 --between 0.13 --borrow 0.1 --mix 0.04 --out "$out/made.ndjson.gz"
  for part in originals made; do
    stage "label-$part" label "$out/$part.ndjson.gz" --teacher "$out/teacher" --out "$out/$part.soft.ndjson.gz"
  done
  sets=(--data "$out/originals.soft.ndjson.gz=0.45" --data "$out/made.soft.ndjson.gz=0.55")
  joint_sets=("${sets[@]}")
  balanced=("$out/originals.soft.ndjson.gz" "$out/made.soft.ndjson.gz")
  generated=("$out/made.soft.ndjson.gz" "$out/made.soft.ndjson.gz")
  before=(--init-from "$out/teacher")
  strokes_steps=50 image_steps=100 joint_steps=100 quantized_steps=20
  last_steps=20 last_quantized_steps=10
else
  # check FOLDER SUM: says where the data is not that of the shipped model, which gives another model.
  check() {
    local sum
    sum=$(cd "$1" && LC_ALL=C cat -- *.ndjson* | sha256sum | cut -d' ' -f1)
    [ "$sum" = "$2" ] || echo "note: $1 is not the data of the model that ships (SHA-256 $sum)" >&2
  }
  check "$data/originals" 43b952bb3f69c16fa74e5e0275e9e0d6e534700d1742a4936f6838d5e640deab
  check "$data/made" e30c130bfec0ea1731f822823fb6a804cf882143159dd2e66cb810be37d1c966
  check "$data/fresh" ff6db31650936ddfb28051069ef6563e2d159fe1050ba436bcfeb38d638c65b1
  check "$data/sampled" 31e26a3665f50e38912922ab4bcf7274d7998bc35843db206e1f7525f585966e
  check "$data/generated" 16018957c7b9c2539167ae77e95c3a4f7d853744a2001ed3cb5c083bf63baa5f
  usual=(--soft-weight 0.95 --warmup-steps 100)
  narrow=(--batch-size 128)
  stage originals augment "$data/originals" --augment off --keep-soft --skip-last 6 --out "$out/originals.ndjson.gz"
  stage validation augment "$data/originals" --augment off --keep-soft --only-last 6 --out "$out/validation.ndjson.gz"
  sets=(--data "$out/originals.ndjson.gz=0.45" --data "$data/made=0.55")
  joint_sets=(--data "$out/originals.ndjson.gz=0.35" --data "$data/made=0.3" --data "$data/fresh=0.35")
  balanced=("$out/originals.ndjson.gz" "$data/sampled"/*)
  generated=("$data/generated/all.ndjson.gz" "$data/generated/recognised.ndjson.gz")
  before=(${BEFORE:+--init-from "$BEFORE"})
  strokes_steps=${STROKES_STEPS:-20000} image_steps=40000 joint_steps=${JOINT_STEPS:-26000} quantized_steps=400
  last_steps=2500 last_quantized_steps=200
fi

# 1. The branch that reads strokes, alone.
train strokes "${sets[@]}" "${usual[@]}" "${weak[@]}" "${narrow[@]}" ${before[@]+"${before[@]}"} --balance-power 0.2 \
  --steps "$strokes_steps" --learning-rate 0.0012 --quantized-steps 0
# 2. The branch that looks at the image, alone: it learns four times as fast as with the other beside it.
train image "${sets[@]}" "${usual[@]}" "${strong[@]}" "${image[@]}" "${image_alone[@]}" --batch-size 256 --balance-power 0.25 \
  --steps "$image_steps" --learning-rate 0.004 --quantized-steps 0
# 3. Both together, the last steps with int8 weights.
train joint "${joint_sets[@]}" "${usual[@]}" "${weak[@]}" "${narrow[@]}" "${image[@]}" --init-from "$out/strokes" --init-from "$out/image" \
  --balance-power 0.2 --steps "$joint_steps" --learning-rate 0.001 --quantized-steps "$quantized_steps"
# 4. Short runs on drawings that are hardly varied, from each category as many: originals, samples of Sketch-RNN and,
#    for the other categories, of a generator; the average of them and the run before is better than any of them.
mkdir -p "$out/balanced" "$out/balanced-all"
ln -sf "${balanced[@]}" "$out/balanced"
ln -sf "${balanced[@]}" "${generated[0]}" "$out/balanced-all"
last() {
  local name=$1
  shift
  train "$name" --soft-weight 0.8 --warmup-steps 50 --eval-every-steps 500 "${weakest[@]}" "${narrow[@]}" "${image[@]}" \
    --init-from "$out/joint" --balance-power 0 --steps "$last_steps" --quantized-steps "$last_quantized_steps" "$@"
}
some=(--data "$out/balanced=0.8" --data "${generated[1]}=0.2")
last last-1 --data "$out/balanced-all" --learning-rate 0.0005 --seed 43
last last-2 --data "$out/balanced=0.85" --data "${generated[1]}=0.15" --learning-rate 0.0005 --seed 43
last last-3 "${some[@]}" --learning-rate 0.0005 --seed 44
last last-4 "${some[@]}" --learning-rate 0.0003 --seed 41
stage average average "$out/joint" "$out/last-1" "$out/last-2" "$out/last-3" "$out/last-4" --out "$out/averaged"
# 5. Temperature, threshold and class biases, on drawings that were not trained on.
if [ ! -e "$out/calibrate.done" ]; then
  # A copy, because class biases are added once: what was interrupted begins with the weights of the run again.
  mkdir -p "$out/calibrated"
  cp "$out/averaged/model.json" "$out/averaged/weights.safetensors" "$out/calibrated"
  stage calibrate calibrate --model "$out/calibrated" --data "$out/validation.ndjson.gz" --class-biases --json \
    >"$out/calibrate.json"
fi
stage export export --model "$out/calibrated" --out "$out/model" --weights int8
echo "$out/model"
