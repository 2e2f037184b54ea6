#!/usr/bin/env bash
# report.html in a browser: no error on the console, every figure has a size, nothing is wider than the page, values appear with the arrow
# keys and under the pointer; on a wide screen and on a phone, light and dark. Skipped (77) without Chromium.
#
# usage: report_page_browser.sh TRAIN_GPT TOKENIZE PYTHON3
set -euo pipefail
train_gpt=$1 tokenize=$2 python=$3
program=$train_gpt
here=$(dirname "$0")
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
[ -n "$chromium" ] || { echo "SKIPPED: Chromium is not installed (apt-get install chromium)"; exit 77; }
. "$here/checks.sh"

"$python" "$here/report_page_data.py" "$folder/data"
"$tokenize" --train bpe --vocab_size 300 --csv "$folder/data/train.csv" --output "$folder/tokenizer" >/dev/null
small_gpt2 300
train() {
  "$train_gpt" --data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 \
    --trainable_layers all --learning_rate 1e-2 --batch_size 8 --eval_freq 4 --eval_iter 2 --threads 1 --output "$folder/$1" "${@:2}" >/dev/null
}
# Asks the page about itself, and writes the answers into it.
cat >"$folder/probe.html" <<'PROBE'
<script>
addEventListener("load", () => {
  const said = [], say = (name, value) => said.push(name + "=" + value);
  const figures = [...document.querySelectorAll("figure")];
  say("figures", figures.length);
  say("empty", figures.filter(f => { const b = f.querySelector(".plot svg").getBoundingClientRect(); return b.width < 100 || b.height < 60; }).length);
  say("small_text", [...document.querySelectorAll(".plot text")].filter(t => t.getBoundingClientRect().height < 9).length);
  say("wide", document.documentElement.scrollWidth > document.documentElement.clientWidth);
  say("outside", [...document.querySelectorAll(".plot text")].filter(t => {
    const b = t.getBoundingClientRect(), s = t.ownerSVGElement.getBoundingClientRect();
    return b.left < s.left - 1 || b.right > s.right + 1 || b.bottom > s.bottom + 1;
  }).length);
  let keys = 0, pointer = 0;
  for (const plot of document.querySelectorAll(".plot")) {
    plot.focus();
    plot.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    const tip = plot.querySelector(".tip");
    keys += tip && !tip.hidden && tip.textContent.length > 3;
    plot.blur();
    const svg = plot.querySelector("svg"), box = svg.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent("pointermove", { clientX: box.right - 20, clientY: box.top + 50 }));
    const place = tip.getBoundingClientRect();
    pointer += !tip.hidden && place.left >= 0 && place.right <= innerWidth;
    svg.dispatchEvent(new PointerEvent("pointerleave"));
    if (!tip.hidden) keys = -100;
  }
  say("keys", keys === figures.length);
  say("pointer", pointer === figures.length);
  say("dark", getComputedStyle(document.body).backgroundColor !== "rgb(255, 255, 255)");
  document.documentElement.setAttribute("data-answers", said.join(" "));
});
</script>
PROBE
# ask NAME WIDTH COLOURS: the answers of the page in a frame of this width (windows are not as narrow as phones). COLOURS: 0 dark, 1 light.
ask() {
  cat "$folder/$1/report.html" "$folder/probe.html" >"$folder/$1.html"
  cat >"$folder/frame.html" <<FRAME
<!DOCTYPE html><meta charset="utf-8"><body style="margin:0"><iframe src="$1.html" style="width:$2px;height:900px;border:0"></iframe>
<script>
document.querySelector("iframe").addEventListener("load", event => {
  document.documentElement.dataset.answers = event.target.contentDocument.documentElement.dataset.answers;
});
</script>
FRAME
  timeout 100 "$chromium" --headless --no-sandbox --disable-gpu --user-data-dir="$folder/profile" --allow-file-access-from-files \
    --blink-settings=preferredColorScheme="$3" --window-size=1300,950 --enable-logging=stderr --virtual-time-budget=4000 --dump-dom \
    "file://$folder/frame.html" >"$folder/dom" 2>"$folder/console" || true
  grep -E 'CONSOLE' "$folder/console" | head -3
  sed -n 's/.*data-answers="\([^"]*\)".*/\1/p' "$folder/dom"
}
check_page() {
  local right="figures=$2 empty=0 small_text=0 wide=false outside=0 keys=true pointer=true"
  expect "$1, wide and light" "$right dark=false" "$(ask "$1" 1280 1)"
  expect "$1, on a phone and dark" "$right dark=true" "$(ask "$1" 390 0)"
}
train classes --keep_best f1_macro
check_page classes 9
train labels --task multi_label --label_column tags --label_delimiter '|'
check_page labels 8
train numbers --task regression --label_column score
check_page numbers 7
finish
