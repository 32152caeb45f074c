// Draw the table that `data-chart` names: open requests by status and day, as stacked areas.

import uPlot from "uplot";
import { loadCatalog, t } from "../i18n";
import { type ChartTable, formatDay, stackLayers } from "../model/chart_data";

const CHART_HEIGHT = 224; // px; the height of `.chart`
const COUNT_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]; // requests
const LABEL_FONT = "11px system-ui, sans-serif";
const SECONDS_PER_DAY = 86_400;
const DAY_STEPS = [1, 2, 7, 14, 28].map((days) => days * SECONDS_PER_DAY);
const STEPPED = {
  points: { show: false },
  paths: uPlot.paths.stepped?.({ align: -1 }) ?? (() => null),
} satisfies uPlot.Series; // one count per day, from its start

interface DrawnChart {
  plot: uPlot;
  signature: string; // data and colors of the plot; redraw when they change
}

const drawnCharts = new WeakMap<Element, DrawnChart>();
let isScheduled = false;

loadCatalog(document);
drawCharts();
const watcher = new MutationObserver(scheduleDraw);
watcher.observe(document.body, { childList: true, characterData: true, subtree: true });
new MutationObserver(scheduleDraw).observe(document.documentElement, {
  attributeFilter: ["data-theme"],
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", scheduleDraw);
addEventListener("resize", scheduleDraw);

/** Redraw on the next animation frame, once for all changes until then. */
function scheduleDraw(): void {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    drawCharts();
  });
}

function drawCharts(): void {
  for (const host of document.querySelectorAll<HTMLElement>("[data-chart]")) {
    const source = document.getElementById(host.dataset["chart"] ?? "");
    const table = source && readTable(source);
    if (!table || table.days.length < 2) continue;
    const signature = JSON.stringify([table, readStyles(host)]);
    const known = drawnCharts.get(host);
    if (known?.signature !== signature) {
      known?.plot.destroy();
      drawnCharts.set(host, { plot: createPlot(host, table), signature });
    } else if (known.plot.width !== host.clientWidth) {
      known.plot.setSize({ width: host.clientWidth, height: CHART_HEIGHT });
    }
    if ("drawn" in host.dataset) continue;
    host.dataset["drawn"] = "";
    source.removeAttribute("open");
  }
}

/** Read the rows of the table, oldest first, and the columns that the legend names. */
function readTable(source: Element): ChartTable {
  const headers = [...source.querySelectorAll<HTMLElement>("thead th")];
  const legend = [...findLegendKeys(source)].map((key) => key.dataset["status"] ?? "");
  const columns = legend.map((name) => headers.findIndex((th) => th.dataset["column"] === name));
  const rows = [...source.querySelectorAll<HTMLTableRowElement>("tbody tr[data-day]")].reverse();
  return {
    statuses: legend,
    days: rows.map((row) => Number(row.dataset["day"])),
    counts: columns.map((at) => rows.map((row) => Number(row.cells[at]?.textContent ?? 0))),
  };
}

function findLegendKeys(element: Element): NodeListOf<HTMLElement> {
  const none = document.createDocumentFragment();
  return (element.parentElement ?? none).querySelectorAll(".chart-legend > [data-status]");
}

interface Styles {
  text: string;
  grid: string;
  tones: { line: string; area: string; dash: number[] }[]; // empty dash: a solid line
}

/** Read the colors of the legend, resolved: a canvas does not know CSS variables. */
function readStyles(host: HTMLElement): Styles {
  const { color, borderTopColor } = getComputedStyle(host);
  const tones = [...findLegendKeys(host)].map((key) => {
    const style = getComputedStyle(key.querySelector(".chart-key") ?? key);
    const dash = style.strokeDasharray.match(/[\d.]+/g)?.map(Number) ?? []; // CSS px
    return { line: style.color, area: style.backgroundColor, dash };
  });
  return { text: color, grid: borderTopColor, tones };
}

function createPlot(host: HTMLElement, table: ChartTable): uPlot {
  const styles = readStyles(host);
  const { xs, areas, edges } = stackLayers(table);
  const options: uPlot.Options = {
    width: host.clientWidth,
    height: CHART_HEIGHT,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: false },
      y: { range: (_, _min, max) => [0, Math.max(4, Math.ceil(max * 1.1))] },
    },
    axes: buildAxes(styles),
    series: [{}, ...buildAreas(table, styles), ...buildEdges(table, styles)],
    bands: table.statuses.slice(1).map((_, at) => ({ series: [at + 1, at + 2] })),
    hooks: { setCursor: [(plot) => showDay(host, table, plot.cursor.idx ?? null)] },
  };
  // Top series first: each band ends where the next begins, and lower edges are drawn last.
  return new uPlot(options, [xs, ...areas.reverse(), ...edges.reverse()], host);
}

function buildAxes({ text, grid }: Styles): uPlot.Axis[] {
  const axis = { stroke: text, font: LABEL_FONT, ticks: { show: false } };
  const days = (_: uPlot, at: number[]): string[] =>
    at.map((second) => formatDay(second / SECONDS_PER_DAY));
  return [
    { ...axis, size: 26, grid: { show: false }, space: 72, incrs: DAY_STEPS, values: days },
    { ...axis, size: 40, grid: { stroke: grid, width: 1 }, incrs: COUNT_STEPS },
  ];
}

function buildAreas({ statuses }: ChartTable, { tones, grid }: Styles): uPlot.Series[] {
  const series = statuses.map((_, at) => ({ fill: tones[at]?.area ?? grid, ...STEPPED }));
  return series.reverse();
}

function buildEdges({ statuses }: ChartTable, { tones, text }: Styles): uPlot.Series[] {
  const series = statuses.map((_, at) => ({
    stroke: tones[at]?.line ?? text,
    width: 2,
    dash: tones[at]?.dash.map((each) => each * devicePixelRatio) ?? [], // uPlot scales only widths
    ...STEPPED,
  }));
  return series.reverse();
}

/** Write the counts of the day under the pointer into the legend; by default the latest day's. */
function showDay(host: HTMLElement, table: ChartTable, index: number | null): void {
  const legend = host.parentElement?.querySelector(".chart-legend");
  const at = index ?? table.days.length - 1;
  const isToday = table.days[at] === Math.floor(Date.now() / (SECONDS_PER_DAY * 1000));
  setLegendText(legend, "day", isToday ? t("Today") : formatDay(table.days[at] ?? 0));
  table.statuses.forEach((status, nth) =>
    setLegendText(legend, status, String(table.counts[nth]?.[at] ?? 0)),
  );
}

function setLegendText(legend: Element | null | undefined, name: string, text: string): void {
  const slot = legend?.querySelector(`[data-value="${CSS.escape(name)}"]`);
  if (slot && slot.textContent !== text) slot.textContent = text;
}
