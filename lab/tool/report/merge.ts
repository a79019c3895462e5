/** Results of several machines side by side: measured ones, and emulated ones whose speed is predicted. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { BarChart } from '../../../tools/charts/bars.ts';
import type { ArmResults } from '../arm/results.ts';
import type { BenchResults } from '../bench/results.ts';
import { LabError } from '../errors.ts';
import { STAGES } from '../stages.ts';
import type { Table } from './tables.ts';

/** One column of the comparison. */
export interface Device {
  name: string;
  /** Speeds are predictions, for one worker and data in the first-level cache: they belong to no shape. */
  predicted: boolean;
  kernels: { stage: string; shape?: string; gops: number; text: string }[];
  /** With whose kernel -> tokens per second or instructions per token. */
  models: { stage: string; model: string; text: string }[];
}

/**
 * The devices in a file: one that `lab bench --out` wrote, with or without `--arm`, or a learner's whole results.json.
 *
 * @throws LabError ERR_LAB_FILE
 */
export async function readDevices(file: string): Promise<Device[]> {
  const fail = (why: string, cause?: unknown) =>
    new LabError('ERR_LAB_FILE', `${file} ${why}: give a file that "nibble lab bench --out FILE" wrote`, {
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw fail('cannot be read', error);
  }
  const whole = json as { bench?: unknown; arm?: unknown } | null;
  const name = basename(file, '.json');
  const devices = [json, whole?.bench, whole?.arm].flatMap((part) => {
    if (isMeasured(part)) return [measured(name, part)];
    return isEmulated(part) ? emulated(name, part) : [];
  });
  if (devices.length === 0) throw fail('holds no results of a bench');
  return devices;
}

function rowsAre<T>(rows: unknown, good: (row: T) => boolean): rows is T[] {
  return Array.isArray(rows) && rows.every((row: T | null) => row !== null && good(row));
}

function isMeasured(value: unknown): value is BenchResults {
  const some = value as Partial<BenchResults> | null | undefined;
  return (
    some?.version === 1 &&
    typeof some.machine?.cpu === 'string' &&
    rowsAre<BenchResults['kernels'][0]>(
      some.kernels,
      ({ stage, gops, workers }) =>
        typeof stage === 'string' && Number.isFinite(gops) && Number.isInteger(workers),
    ) &&
    rowsAre<BenchResults['endToEnd'][0]>(some.endToEnd, (row) => Number.isFinite(row.decodeTokensPerSecond))
  );
}

function isEmulated(value: unknown): value is ArmResults {
  const some = value as Partial<ArmResults> | null | undefined;
  return (
    some?.version === 1 &&
    some.emulated === true &&
    rowsAre<ArmResults['kernels'][0]>(
      some.kernels,
      ({ stage, cpu, per32Weights }) =>
        typeof stage === 'string' && typeof cpu === 'string' && Number.isFinite(per32Weights),
    ) &&
    rowsAre<ArmResults['tokens'][0]>(some.tokens, ({ decode }) => Number.isFinite(decode))
  );
}

function measured(name: string, { machine, kernels, endToEnd }: BenchResults): Device {
  return {
    name: `${name} (${machine.cpu})`,
    predicted: false,
    kernels: kernels.map(({ stage, shape, gops, workers }) => ({
      stage,
      shape,
      gops,
      text: `${gops.toFixed(1)} GOP/s${workers > 1 ? `, ${workers} workers` : ''}`,
    })),
    models: endToEnd.map(({ stage, model, decodeTokensPerSecond }) => ({
      stage,
      model,
      text: `${decodeTokensPerSecond.toFixed(1)} tok/s`,
    })),
  };
}

/** A device for each core. */
function emulated(name: string, { kernels, tokens }: ArmResults): Device[] {
  return [...new Set(kernels.map(({ cpu }) => cpu))].map((cpu) => {
    const own = kernels.filter((row) => row.cpu === cpu);
    return {
      name: `${name} (${own[0]!.machine}, ${cpu}, PREDICTED)`,
      predicted: true,
      kernels: own.flatMap(({ stage, predicted, per32Weights }) =>
        predicted
          ? [
              {
                stage,
                gops: predicted.gops,
                text: `${predicted.gops.toFixed(1)} GOP/s, ${per32Weights.toFixed(1)} instructions per 32`,
              },
            ]
          : [],
      ),
      models: tokens
        .filter((row) => row.cpu === cpu)
        .map(({ stage, model, decode }) => ({
          stage,
          model,
          text: `${decode.toFixed(2)} million instructions per token`,
        })),
    };
  });
}

const placeOf = (stage: string) => STAGES.findIndex(({ id }) => id === stage.split(':').at(-1));

/** Where nothing was measured, there is one row for a stage, and no shape. */
function shapesOf(devices: readonly Device[]): (string | undefined)[] {
  const shapes = new Set(devices.flatMap(({ kernels }) => kernels.flatMap(({ shape }) => shape ?? [])));
  return shapes.size > 0 ? [...shapes] : [undefined];
}

function speedOf(device: Device, stage: string, shape: string | undefined) {
  return device.kernels.find(
    (row) => row.stage === stage && (row.shape === undefined || row.shape === shape),
  );
}

/** Speeds of each stage and shape, a column for each device. */
export function mergedTable(devices: readonly Device[]): Table {
  const stages = [...new Set(devices.flatMap(({ kernels }) => kernels.map(({ stage }) => stage)))];
  stages.sort((a, b) => placeOf(a) - placeOf(b));
  const keys = shapesOf(devices).flatMap((shape) => stages.map((stage) => ({ stage, shape })));
  return {
    columns: ['stage', 'shape', ...devices.map(({ name }) => name)],
    rows: keys
      .map(({ stage, shape }) => [
        stage,
        shape ?? '',
        ...devices.map((device) => speedOf(device, stage, shape)?.text ?? ''),
      ])
      .filter((row) => row.slice(2).some((cell) => cell !== '')),
  };
}

/** The model with each kernel, a column for each device. */
export function mergedModelTable(devices: readonly Device[]): Table {
  const keys = new Map(
    devices.flatMap(({ models }) =>
      models.map(({ stage, model }) => [`${stage} ${model}`, { stage, model }] as const),
    ),
  );
  const rows = [...keys.values()].sort((a, b) => placeOf(a.stage) - placeOf(b.stage));
  return {
    columns: ['kernel', 'model', ...devices.map(({ name }) => name)],
    rows: rows.map(({ stage, model }) => [
      stage,
      model,
      ...devices.map(
        ({ models }) => models.find((row) => row.stage === stage && row.model === model)?.text ?? '',
      ),
    ]),
  };
}

/** The first shape's speeds as bars, coloured by device. */
export function mergedChart(devices: readonly Device[]): BarChart {
  const [shape] = shapesOf(devices);
  const stages = new Set(devices.flatMap(({ kernels }) => kernels.map(({ stage }) => stage)));
  const bars = [...stages]
    .sort((a, b) => placeOf(a) - placeOf(b))
    .flatMap((stage) =>
      devices.flatMap((device) => {
        const speed = speedOf(device, stage, shape);
        return speed ? [{ label: `${stage} ${device.name}`, value: speed.gops, group: device.name }] : [];
      }),
    );
  return { title: `Speed of the stages${shape === undefined ? '' : `, ${shape}`}`, unit: 'GOP/s', bars };
}
