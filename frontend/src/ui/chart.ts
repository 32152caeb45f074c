// Draws the table a `data-chart` names: open requests by status, one day beside the other.

import uPlot from "uplot";
import { layersOf, type Table, textOfDay } from "../model/chart_data";
import { speak, t } from "../i18n";

const HEIGHT = 224; // px; as `.chart` keeps free
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]; // requests
const LABEL = "11px system-ui, sans-serif";
const DAY = 86_400; // s
const WEEKS = [1, 2, 7, 14, 28].map((days) => days * DAY);
const STEPPED = {
  points: { show: false },
  paths: uPlot.paths.stepped?.({ align: -1 }) ?? (() => null),
} satisfies uPlot.Series; // a day has one number, from its beginning

interface Drawn {
  plot: uPlot;
  told: string; // what is drawn, and in which colours
}

const drawn = new WeakMap<Element, Drawn>();
let isDue = false;

speak(document);
draw();
const watcher = new MutationObserver(later);
watcher.observe(document.body, { childList: true, characterData: true, subtree: true });
new MutationObserver(later).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", later);
addEventListener("resize", later);

/** Whatever changed, once per frame. */
function later(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
  });
}

function draw(): void {
  for (const host of document.querySelectorAll<HTMLElement>("[data-chart]")) {
    const source = document.getElementById(host.dataset["chart"] ?? "");
    const table = source && tableOf(source);
    if (!table || table.days.length < 2) continue;
    const told = JSON.stringify([table, stylesOf(host)]);
    const known = drawn.get(host);
    if (known?.told !== told) {
      known?.plot.destroy();
      drawn.set(host, { plot: plotOf(host, table), told });
    } else if (known.plot.width !== host.clientWidth) {
      known.plot.setSize({ width: host.clientWidth, height: HEIGHT });
    }
    if ("drawn" in host.dataset) continue;
    host.dataset["drawn"] = "";
    source.removeAttribute("open");
  }
}

/** The rows of the table, oldest first, and of them the columns that the legend names. */
function tableOf(source: Element): Table {
  const heads = [...source.querySelectorAll<HTMLElement>("thead th")];
  const legend = [...keysOf(source)].map((key) => key.dataset["status"] ?? "");
  const columns = legend.map((word) => heads.findIndex((head) => head.dataset["column"] === word));
  const rows = [...source.querySelectorAll<HTMLTableRowElement>("tbody tr[data-day]")].reverse();
  return {
    statuses: legend,
    days: rows.map((row) => Number(row.dataset["day"])),
    counts: columns.map((at) => rows.map((row) => Number(row.cells[at]?.textContent ?? 0))),
  };
}

function keysOf(element: Element): NodeListOf<HTMLElement> {
  const none = document.createDocumentFragment();
  return (element.parentElement ?? none).querySelectorAll(".chart-legend > [data-status]");
}

interface Styles {
  text: string;
  grid: string;
  tones: { line: string; area: string; dash: number[] }[]; // no dash: a whole line
}

/** Strokes as the legend has them at this moment; resolved, as a canvas knows no variables. */
function stylesOf(host: HTMLElement): Styles {
  const { color, borderTopColor } = getComputedStyle(host);
  const tones = [...keysOf(host)].map((key) => {
    const style = getComputedStyle(key.querySelector(".chart-key") ?? key);
    const dash = style.strokeDasharray.match(/[\d.]+/g)?.map(Number) ?? []; // CSS px
    return { line: style.color, area: style.backgroundColor, dash };
  });
  return { text: color, grid: borderTopColor, tones };
}

function plotOf(host: HTMLElement, table: Table): uPlot {
  const styles = stylesOf(host);
  const { xs, areas, edges } = layersOf(table);
  const options: uPlot.Options = {
    width: host.clientWidth,
    height: HEIGHT,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: false },
      y: { range: (_, _min, max) => [0, Math.max(4, Math.ceil(max * 1.1))] },
    },
    axes: axesOf(styles),
    series: [{}, ...areasOf(table, styles), ...edgesOf(table, styles)],
    bands: table.statuses.slice(1).map((_, at) => ({ series: [at + 1, at + 2] })),
    hooks: { setCursor: [(plot) => showDay(host, table, plot.cursor.idx ?? null)] },
  };
  // From the top down: each area ends where the next begins, and lower edges are drawn last.
  return new uPlot(options, [xs, ...areas.reverse(), ...edges.reverse()], host);
}

function axesOf({ text, grid }: Styles): uPlot.Axis[] {
  const axis = { stroke: text, font: LABEL, ticks: { show: false } };
  const days = (_: uPlot, at: number[]): string[] => at.map((second) => textOfDay(second / DAY));
  return [
    { ...axis, size: 26, grid: { show: false }, space: 72, incrs: WEEKS, values: days },
    { ...axis, size: 40, grid: { stroke: grid, width: 1 }, incrs: STEPS },
  ];
}

function areasOf({ statuses }: Table, { tones, grid }: Styles): uPlot.Series[] {
  const series = statuses.map((_, at) => ({ fill: tones[at]?.area ?? grid, ...STEPPED }));
  return series.reverse();
}

function edgesOf({ statuses }: Table, { tones, text }: Styles): uPlot.Series[] {
  const series = statuses.map((_, at) => ({
    stroke: tones[at]?.line ?? text,
    width: 2,
    dash: tones[at]?.dash.map((each) => each * devicePixelRatio) ?? [], // uPlot scales only widths
    ...STEPPED,
  }));
  return series.reverse();
}

/** Writes the numbers of the day under the pointer into the legend; without one, today's. */
function showDay(host: HTMLElement, table: Table, index: number | null): void {
  const legend = host.parentElement?.querySelector(".chart-legend");
  const at = index ?? table.days.length - 1;
  const isToday = table.days[at] === Math.floor(Date.now() / (DAY * 1000));
  put(legend, "day", isToday ? t("Today") : textOfDay(table.days[at] ?? 0));
  table.statuses.forEach((status, nth) => put(legend, status, String(table.counts[nth]?.[at] ?? 0)));
}

function put(legend: Element | null | undefined, name: string, text: string): void {
  const slot = legend?.querySelector(`[data-value="${CSS.escape(name)}"]`);
  if (slot && slot.textContent !== text) slot.textContent = text;
}
