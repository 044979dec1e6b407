/** The same run and the same damage for every kind of store: what the audit must find, by device and time. */
import { fieldsOf, plannedReading } from '../ledger/readings.ts';
import { at, MS, rowOf, type Scene, START_NS, saidOf, sceneOf } from './audit-under-test.ts';

export interface AuditCase {
  readonly name: string;
  readonly scene: () => Scene;
  /** As `named` says it. */
  readonly findings: (scene: Scene) => readonly string[];
  readonly good: boolean;
}

function said(scene: Scene, index: number): string {
  return at(START_NS + BigInt(saidOf(scene, index).offsetUs) * 1000n);
}

function device(scene: Scene, index: number): string {
  return `d${saidOf(scene, index).planned.device}`;
}

function stored(scene: Scene, index: number): string {
  return at(saidOf(scene, index).row?.timeNs ?? 0n);
}

const DELETED = [3, 17, 18, 40, 77, 101, 102, 150, 160, 199];
const OTHER_VALUE = [25, 90];
const OTHER_TIME = [60, 121, 180];

/** 10 points deleted, 5 altered, 3 added. */
function damaged(how: 'own' | 'arrival', scene: Scene): Scene {
  for (const index of DELETED) saidOf(scene, index).row = null;
  for (const index of OTHER_VALUE) {
    const reading = saidOf(scene, index);
    reading.row = rowOf(reading.planned.device, reading.row?.timeNs ?? 0n, fieldsOf(-1 - index));
  }
  for (const index of OTHER_TIME) {
    const reading = saidOf(scene, index);
    const moved = (reading.row?.timeNs ?? 0n) + (how === 'own' ? 317n : 10_317n) * MS;
    reading.row = rowOf(reading.planned.device, moved, fieldsOf(reading.value));
  }
  for (const i of [0, 1, 2]) {
    scene.added.push(rowOf(i, START_NS + BigInt(10_500 + i) * MS, fieldsOf(-500 - i)));
  }
  return scene;
}

function damagedFindings(scene: Scene): string[] {
  return [
    ...DELETED.map((index) => `lost ${device(scene, index)} ${said(scene, index)}`),
    ...OTHER_VALUE.map((index) => `altered-value ${device(scene, index)} ${stored(scene, index)}`),
    ...OTHER_TIME.map((index) => `altered-time ${device(scene, index)} ${stored(scene, index)}`),
    ...scene.added.map(({ timeNs }, i) => `unexpected d${i} ${at(timeNs)}`),
  ];
}

export const AUDIT_CASES: readonly AuditCase[] = [
  {
    name: 'finds nothing where all is well, with times of their own',
    scene: () => sceneOf('own'),
    findings: () => [],
    good: true,
  },
  {
    name: 'finds nothing where all is well, with times of arrival',
    scene: () => sceneOf('arrival'),
    findings: () => [],
    good: true,
  },
  {
    name: 'finds exactly what was deleted, altered and added, with times of their own',
    scene: () => damaged('own', sceneOf('own')),
    findings: damagedFindings,
    good: false,
  },
  {
    name: 'finds exactly what was deleted, altered and added, with times of arrival',
    scene: () => damaged('arrival', sceneOf('arrival')),
    findings: damagedFindings,
    good: false,
  },
  {
    name: 'names the missing one of many readings that are alike',
    scene: () => {
      const scene = sceneOf('arrival', { value: () => 21.5 });
      for (const index of [30, 31, 99]) saidOf(scene, index).row = null;
      return scene;
    },
    findings: (scene) => [30, 31, 99].map((index) => `lost ${device(scene, index)} ${said(scene, index)}`),
    good: false,
  },
  {
    name: 'finds what is there twice',
    scene: () => {
      const own = sceneOf('own');
      const twin = saidOf(own, 9);
      own.added.push(rowOf(twin.planned.device, (twin.row?.timeNs ?? 0n) + 400n, fieldsOf(twin.value)));
      return own;
    },
    findings: (scene) => [`double ${device(scene, 9)} ${at(scene.added[0]?.timeNs ?? 0n)}`],
    good: true,
  },
  {
    name: 'lets a reading without time or identity be there as often as it was sent, and no more',
    scene: () => {
      const scene = sceneOf('arrival');
      const twin = saidOf(scene, 9);
      twin.fault = 'duplicate';
      for (const later of [1n, 2n]) {
        scene.added.push(
          rowOf(twin.planned.device, (twin.row?.timeNs ?? 0n) + later * MS, fieldsOf(twin.value)),
        );
      }
      return scene;
    },
    findings: (scene) => [`unrecognisable-double ${device(scene, 9)} ${at(scene.added[1]?.timeNs ?? 0n)}`],
    good: true,
  },
  {
    name: 'asks nothing of what was never acknowledged, there or not',
    scene: () => {
      const scene = sceneOf('own');
      for (const index of [5, 6]) saidOf(scene, index).ackMs = null;
      saidOf(scene, 6).row = null;
      return scene;
    },
    findings: () => [],
    good: true,
  },
  {
    name: 'tells 21.5 from another value of the same moment, and a text from a number',
    scene: () => {
      const scene = sceneOf('own');
      for (const index of [11, 12]) {
        const { planned, row } = saidOf(scene, index);
        const timeNs = row?.timeNs ?? 0n;
        const fields =
          index === 11
            ? [...fieldsOf(1), { name: 'note', kind: 's' as const, value: '' }]
            : [{ name: 'value', kind: 'f' as const, value: 1 }];
        saidOf(scene, index).row = rowOf(planned.device, timeNs, fields);
      }
      return scene;
    },
    findings: (scene) => [11, 12].map((i) => `altered-value ${device(scene, i)} ${stored(scene, i)}`),
    good: false,
  },
  {
    name: 'keeps all digits: large integers, small differences, times before 1970',
    scene: () => {
      const scene = sceneOf('own', { devices: 1, readings: 3, value: (_, n) => 0.1 + n * 2 ** -50 });
      const epoch = { ns: -5_000_000n, base: 'epoch' as const };
      const first = saidOf(scene, 0);
      const planned = plannedReading(0, 0, first.value, { offsetNs: 0n });
      if (planned.expected === null) throw new Error('it is expected');
      scene.said[0] = {
        ...first,
        planned: { ...planned, expected: { ...planned.expected, time: epoch } },
        row: rowOf(0, -5_000_000n + 12n, fieldsOf(first.value)),
      };
      return scene;
    },
    findings: () => [],
    good: true,
  },
];
