#include "apps/report/style.h"

namespace attune::html {

Code page_style() {
  return R"css(
:root { color-scheme: light dark; --page: #ffffff; --card: #f5f7f9; --ink: #1b1f24; --pale: #57606a; --rule: #d5dbe1;
  --link: #0a58a8; --heat: 0 114 178; --against: 213 94 0;
  --s0: #0072b2; --s1: #c65300; --s2: #00795a; --s3: #a3457f; --s4: #7d6200; --s5: #4d5560; }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #14171b; --card: #1d2228; --ink: #e7eaee; --pale: #a3adb8; --rule: #3a424b;
    --link: #7cc0ff; --heat: 86 180 233; --against: 240 130 60;
    --s0: #56b4e9; --s1: #ff9447; --s2: #35cfa0; --s3: #e69bcb; --s4: #e8cf52; --s5: #b4bcc6; } }
@media print { :root { color-scheme: light; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  -webkit-text-size-adjust: 100%; overflow-wrap: anywhere; }
main, header, nav { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-bottom: .25rem; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 0; }
p { margin: .25rem 0 .75rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, .plot:focus-visible, .scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.note, .axis-title, .pale { color: var(--pale); font-size: .875rem; }
.warning { border-left: 4px solid var(--s1); padding: .25rem .75rem; background: var(--card); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 1rem 0 0; padding: .5rem 0; border-bottom: 1px solid var(--rule); }
nav a { display: inline-block; padding: .25rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .6rem .8rem; }
.tiles b { display: block; font-size: 1.35rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--pale); font-size: .875rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21.5rem), 1fr)); gap: 1.25rem; align-items: start; }
figure { margin: 0; padding: .8rem .9rem; background: var(--card); border: 1px solid var(--rule); border-radius: 6px; min-width: 0; max-width: 34rem; }
figcaption .note { margin: .1rem 0 0; }
.axis-title { margin: .5rem 0 0; }
.plot { position: relative; }
.plot svg { display: block; width: 100%; height: auto; touch-action: pan-y; }
svg text { fill: var(--pale); font-size: 12px; }
.tx, .tu { text-anchor: middle; } .ty { text-anchor: end; } svg .tu { fill: var(--ink); }
.grid, .axis { stroke: var(--rule); stroke-width: 1; fill: none; } .axis { stroke: var(--pale); }
.diagonal, .upright { stroke: var(--pale); stroke-width: 1.2; stroke-dasharray: 5 4; fill: none; }
.s0 { color: var(--s0); } .s1 { color: var(--s1); } .s2 { color: var(--s2); } .s3 { color: var(--s3); } .s4 { color: var(--s4); } .s5 { color: var(--s5); }
.line { stroke: currentColor; stroke-width: 2; fill: none; stroke-linejoin: round; }
.s1 .line { stroke-dasharray: 7 3; } .s2 .line { stroke-dasharray: 2 3; } .s3 .line { stroke-dasharray: 9 3 2 3; }
.s4 .line { stroke-dasharray: 12 4; } .s5 .line { stroke-dasharray: 4 2; }
.faint { stroke: currentColor; stroke-width: 1; stroke-opacity: .4; fill: none; stroke-linejoin: round; }
.dots { stroke: currentColor; stroke-width: 5; stroke-linecap: round; stroke-opacity: .55; fill: none; }
.large { stroke-width: 7; stroke-opacity: 1; }
.bars { fill: currentColor; fill-opacity: .55; }
.cursor { fill: none; stroke: var(--ink); stroke-width: 2; }
.tip { position: absolute; pointer-events: none; background: var(--ink); color: var(--page); font-size: .8125rem; line-height: 1.35;
  padding: .2rem .45rem; border-radius: 4px; width: max-content; max-width: 90%; z-index: 1; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; margin: .4rem 0 0; padding: 0; font-size: .875rem; }
.legend li { display: flex; align-items: center; gap: .4rem; min-width: 0; }
.legend svg { width: 30px; height: 12px; flex: none; }
.scroll { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
caption .note { font-weight: 400; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top; overflow-wrap: normal; }
thead th { border-bottom: 2px solid var(--rule); vertical-align: bottom; }
th:first-child, td.words { text-align: left; overflow-wrap: anywhere; }
th[scope=row] { font-weight: 500; min-width: 7rem; max-width: 18rem; }
.measures th[scope=row] { white-space: nowrap; min-width: 0; }
.values td, .values th { text-align: left; overflow-wrap: anywhere; }
.values th[scope=row] { overflow-wrap: normal; min-width: 0; }
.confusion td { text-align: center; border: 1px solid var(--rule); min-width: 4.8rem; }
.confusion thead th { text-align: center; min-width: 4.8rem; max-width: 9rem; overflow-wrap: anywhere; }
.confusion .right { font-weight: 700; }
.h1 { background: rgb(var(--heat) / 6%); } .h2 { background: rgb(var(--heat) / 12%); } .h3 { background: rgb(var(--heat) / 19%); }
.h4 { background: rgb(var(--heat) / 26%); } .h5 { background: rgb(var(--heat) / 33%); } .h6 { background: rgb(var(--heat) / 40%); }
.h7 { background: rgb(var(--heat) / 48%); }
details { margin: 0 0 1rem; }
summary { cursor: pointer; color: var(--link); padding: .25rem 0; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .875rem; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .7rem .9rem; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 1rem; }
.mistakes { list-style: none; margin: 0; padding: 0; display: grid; gap: .9rem; }
.mistakes > li { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .8rem .9rem; min-width: 0; }
.mistakes details { margin: 0; }
.mistakes h3 { font-weight: 600; margin-bottom: .3rem; }
.text { white-space: pre-wrap; margin: .3rem 0; unicode-bidi: isolate; }
.w { border-radius: 3px; padding: 0 .12em; }
.for1 { background: rgb(var(--heat) / 14%); } .for2 { background: rgb(var(--heat) / 28%); } .for3 { background: rgb(var(--heat) / 46%); }
.against1 { background: rgb(var(--against) / 14%); } .against2 { background: rgb(var(--against) / 28%); } .against3 { background: rgb(var(--against) / 46%); }
.for1, .for2, .for3 { border-bottom: 2px solid var(--s0); } .against1, .against2, .against3 { border-bottom: 2px dotted var(--s1); }
footer { max-width: 76rem; margin: 2.5rem auto 2rem; padding: 0 1.25rem; color: var(--pale); font-size: .875rem; }
.skip { position: absolute; left: -100rem; } .skip:focus { left: 1rem; top: .5rem; }
@media (max-width: 40rem) { body { font-size: 15px; } main, header, nav, footer { padding-left: .9rem; padding-right: .9rem; }
  figure { padding: .7rem .6rem; } th, td { padding: .3rem .5rem; } }
@media print { body { font-size: 10.5pt; } nav, .skip { display: none; } main, header { max-width: none; }
  figure, .mistakes > li, tr, .tiles, .confusion, .measures { break-inside: avoid; } h2, h3 { break-after: avoid; } .scroll { overflow: visible; }
  .figures { grid-template-columns: repeat(2, 1fr); } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
)css";
}

Code page_script() {
  return R"js(
"use strict";
for (const plot of document.querySelectorAll(".plot")) {
  const stops = plot.dataset.stops.split("\n").filter(line => line).map(line => {
    const [x, y, ...words] = line.split(" ");
    return { x: Number(x), y: Number(y), text: words.join(" ") };
  });
  if (!stops.length) continue;
  const svg = plot.querySelector("svg"), size = svg.viewBox.baseVal;
  const tip = plot.appendChild(document.createElement("output"));
  tip.className = "tip";
  tip.hidden = true;
  const cursor = document.createElementNS(svg.namespaceURI, "circle");
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("r", 5);
  let at = -1;
  const show = i => {
    at = Math.max(0, Math.min(stops.length - 1, i));
    const stop = stops[at], share = 100 * stop.x / size.width;
    cursor.setAttribute("cx", stop.x);
    cursor.setAttribute("cy", stop.y);
    svg.appendChild(cursor);
    tip.textContent = stop.text;
    tip.style.left = share + "%";
    tip.style.top = 100 * Math.max(0, stop.y - 10) / size.height + "%";
    tip.style.transform = `translate(${-share}%, -100%)`;
    tip.hidden = false;
  };
  const hide = () => { tip.hidden = true; cursor.remove(); };
  const nearest = event => {
    const box = svg.getBoundingClientRect(), scale = size.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    const distance = stop => 4 * (stop.x - x) ** 2 + (stop.y - y) ** 2;
    let best = 0;
    stops.forEach((stop, i) => { if (distance(stop) < distance(stops[best])) best = i; });
    show(best);
  };
  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("pointerdown", nearest);
  svg.addEventListener("pointerleave", hide);
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", "Values: left and right arrow keys");
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", event => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: stops.length - 1 }[event.key];
    if (event.key === "Escape") hide();
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
}
addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("section:not(#mistakes) details")) part.open = true; });
)js";
}

}  // namespace attune::html
