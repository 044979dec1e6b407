/** Line plots as SVG files, beside the table. */
import { writeFileSync } from 'node:fs';
import * as echarts from 'echarts';

export interface Axis {
  /** With its unit: `connections`, `p99, ms`. */
  readonly name: string;
  readonly scale: 'linear' | 'log';
}

export interface Line {
  readonly name: string;
  /** x and y; y is null where it could not be measured. */
  readonly points: readonly (readonly [number, number | null])[];
}

export interface Plot {
  readonly title: string;
  /** One sentence that says what it shows. */
  readonly says: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

const WIDTH = 760;
const HEIGHT = 440;
/** Told apart also by the colour-blind, and in grey by their symbols (Okabe and Ito, 2008). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'emptyCircle', 'emptyRect'];
/** A line with more points has no figures on it. */
const MAX_LABELLED = 12;
const MARGIN = 1.6;
const LABEL_MARGIN = 1.25;
/** Characters of the sentence that fit one line. */
const LINE_CHARACTERS = 108;

/** The plot as an SVG document that needs nothing beside it. */
export function plotSvg({ title, says, x, y, lines }: Plot): string {
  const xs = lines.flatMap(({ points }) => points.map(([at]) => at));
  const ys = lines.flatMap(({ points }) => points.map(([, value]) => value));
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      color: COLOURS,
      title: {
        text: title,
        subtext: wrapped(says),
        left: 16,
        top: 10,
        textStyle: { fontSize: 16 },
        subtextStyle: { fontSize: 12, lineHeight: 16, color: '#444444' },
      },
      // Without a browser the widths of texts are guessed, and too small.
      legend: { bottom: 8, show: lines.length > 1, itemGap: 36 },
      grid: { left: 76, right: 36, top: 104, bottom: lines.length > 1 ? 76 : 56 },
      xAxis: { ...axis(x), ...(x.scale === 'log' ? spacious(xs) : {}), nameGap: 30 },
      yAxis: { ...axis(y), ...(y.scale === 'log' ? decades(ys) : { min: 0 }), nameGap: 56 },
      series: lines.map(({ name, points }, i) => ({
        type: 'line',
        name,
        silent: true,
        emphasis: { disabled: true },
        data: points.map(([at, value], k) => ({
          value: [at, value],
          label: {
            position: isHighest(lines, at, value) ? 'top' : 'bottom',
            align: x.scale === 'log' ? 'center' : k === 0 ? 'left' : 'center',
          },
        })),
        symbol: SYMBOLS[i % SYMBOLS.length],
        symbolSize: points.length > MAX_LABELLED ? 4 : 8,
        label: {
          show: points.length <= MAX_LABELLED,
          fontSize: 10,
          color: COLOURS[i % COLOURS.length],
          // It may lie on a line.
          textBorderColor: '#ffffff',
          textBorderWidth: 3,
          formatter: ({ value }: { value: unknown }) => (Array.isArray(value) ? short(value[1]) : ''),
        },
        labelLayout: { hideOverlap: true },
      })),
    });
    return (
      chart
        .renderToSVGString()
        // It is to be looked at, not touched: the style sheet only lights up what the mouse is on.
        .replace(/<style\b[\s\S]*?<\/style>/g, '')
        .replace(/ class="[^"]*"/g, '')
        // Names count all plots of the process: the same figures make the same file.
        .replace(/\bzr\d+-/g, 'p-')
    );
  } finally {
    chart.dispose();
  }
}

export function writePlot(path: string, plot: Plot): void {
  writeFileSync(path, `${plotSvg(plot)}\n`);
}

function axis({ name, scale }: Axis): object {
  return {
    name,
    nameLocation: 'middle',
    type: scale === 'log' ? 'log' : 'value',
    nameTextStyle: { fontSize: 12 },
    axisLabel: { formatter: short },
    splitLine: { lineStyle: { color: '#dcdcdc' } },
    minorTick: { show: scale === 'log', splitNumber: 10 },
    minorSplitLine: { show: scale === 'log', lineStyle: { color: '#f2f2f2' } },
  };
}

/** The ends of a log axis a little beyond the outermost points. They are no round figures, and stay unnamed. */
function spacious(values: readonly number[]): object {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return {};
  return {
    min: Math.min(...positive) / MARGIN,
    max: Math.max(...positive) * MARGIN,
    axisLabel: { formatter: short, showMinLabel: false, showMaxLabel: false },
  };
}

/** The ends of a log axis at powers of ten, so that there are two at least, with room for the labels of points. */
function decades(values: readonly (number | null)[]): object {
  const positive = values.filter((value) => value !== null).filter((value) => value > 0);
  if (positive.length === 0) return {};
  return {
    min: 10 ** Math.floor(Math.log10(Math.min(...positive) / LABEL_MARGIN)),
    max: 10 ** Math.ceil(Math.log10(Math.max(...positive) * LABEL_MARGIN)),
  };
}

/** Of all lines at this place: its label goes above it, those of the others below. */
function isHighest(lines: readonly Line[], at: number, value: number | null): boolean {
  return lines.every(({ points }) =>
    points.every(([there, other]) => there !== at || (other ?? 0) <= (value ?? 0)),
  );
}

/** 15000 → 15 k; at most three digits that count. */
export function short(value: unknown): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) return '';
  const [unit, size]: readonly [string, number] =
    Math.abs(value) >= 1e6 ? [' M', 1e6] : Math.abs(value) >= 1e4 ? [' k', 1e3] : ['', 1];
  return `${Number((value / size).toPrecision(3))}${unit}`;
}

function wrapped(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length < LINE_CHARACTERS)
      lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
