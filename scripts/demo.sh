#!/usr/bin/env bash
# Installs missing packages, builds, trains a small GPT from random weights (scripts/demo_model.sh), and prints its
# accuracies and a few predictions.
#
# usage: scripts/demo.sh [FOLDER]      FOLDER for the trained model (default build/demo)
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --preset release -DATTUNE_CUDA=none -DATTUNE_UNITY=ON -DATTUNE_BUILD_TESTS=OFF -DATTUNE_BUILD_BENCH=OFF -B build/demo-release >/dev/null
cmake --build build/demo-release --parallel "$(nproc)" --target prepare_imdb tokenize train_gpt predict
scripts/demo_model.sh build/demo-release/bin "${1:-build/demo}"
